// Package wire holds the messages between the node (package sandbox) and a
// pod's agent.
//
// A message is four bytes of length, big endian, and that many bytes of JSON.
// Descriptors travel with the length.
package wire

import (
	"io/fs"
	"net/netip"
	"syscall"
)

// Names under which the agent's program is started: as an agent, or as the
// spawner, which starts agents and gets the messages Spawn.
const (
	AgentName   = "sandbox"
	SpawnerName = "spawner"
)

// AgentPath is the program for whoever has it as descriptor 4.
const AgentPath = "/proc/self/fd/4"

// Spawn asks the spawner for an agent. With it comes the agent's end of its
// socket.
type Spawn struct{ Attributes syscall.SysProcAttr }

// Spawned is the answer: the agent's process, or why there is none.
type Spawned struct {
	PID   int
	Errno syscall.Errno
}

// Request is what the node asks; one field besides ID is set.
type Request struct {
	ID     uint64
	Pod    *Pod    `json:",omitempty"`
	Chroot *Chroot `json:",omitempty"`
	Store  *Image  `json:",omitempty"`
	Image  *Image  `json:",omitempty"`
	Volume *Volume `json:",omitempty"`
	Read   *Read   `json:",omitempty"`
	Run    *Run    `json:",omitempty"`
	Exec   *Exec   `json:",omitempty"`
	Signal *Signal `json:",omitempty"`
	Listen *Socket `json:",omitempty"`
	Dial   *Socket `json:",omitempty"`
}

// Pod is the first request to the agent of a pod in namespaces.
type Pod struct {
	Hostname  string
	Addresses []netip.Addr
	Sysctls   map[string]string
	// OneID says that the pod's user namespace has the id 0 only.
	OneID bool
	// Watch says that no memory cgroup limits the containers, so that the agent
	// has to.
	Watch bool
	// Memory is the limit of the whole pod, in bytes, for Watch.
	Memory int64
	// PIDs becomes RLIMIT_NPROC of the containers; 0 where a cgroup limits them.
	PIDs int64
}

// Chroot is the first request to the agent of a container in a chroot.
type Chroot struct {
	// Folder holds root, the container's root to be, and volumes, its empty
	// volumes between two runs.
	Folder string
	// User is the host's id of the container's first process, the next id that of
	// what is executed beside it, and the one after that the id of nobody. User is
	// the group of both, too.
	User int
	// Disk limits each file, in bytes.
	Disk int64
	// PIDs becomes RLIMIT_NPROC of each user.
	PIDs int64
}

// Image names an image. As Request.Store it asks the store for a mount of it,
// which it makes the first time from the request's descriptors, the layers:
// uncompressed tar archives, the lowest first. The reply has no descriptor
// where containers need copies. As Request.Image it brings a pod that mount, or
// the layers where containers need copies.
type Image struct {
	Ref string
	// Size is that of all layers in bytes.
	Size int64
	// Mounted says that the descriptor is a mount.
	Mounted bool
}

// Volume makes a volume or replaces its files.
type Volume struct {
	Name  string
	Files map[string]File
	// Empty says that it is a writable directory; Files is nil then.
	Empty     bool
	SizeLimit int64
	Mode      fs.FileMode
	Group     int64
}

// File is one file of a volume.
type File struct {
	Data []byte
	Mode fs.FileMode
	User int64
}

// Read asks for the end of a volume's file.
type Read struct {
	Volume, Path string
	Limit        int64
}

// Run starts a container. Its descriptors are stdin, stdout and stderr unless
// TTY is set, and then the cgroup.procs files to join.
type Run struct {
	Name, Image                   string
	Args, Env                     []string
	Dir                           string
	User, Group                   int64
	Groups                        []int64
	ReadOnlyRoot, NoNewPrivileges bool
	TTY                           bool
	Capabilities                  []string
	Mounts                        []Mount
	Files                         map[string][]byte
	Memory, Disk                  int64
	// Seccomp is the filter: instructions as struct sock_filter has them.
	Seccomp []byte
}

// Mount puts a volume into a container.
type Mount struct {
	Volume, SubPath, Path string
	ReadOnly              bool
}

// Exec starts a process in a container. Its descriptors are as those of Run.
type Exec struct {
	Container string
	Args      []string
	TTY       bool
}

// Signal sends a signal to what the request Process (Run or Exec) started.
type Signal struct {
	Process uint64
	Number  int
}

// Socket opens a socket in the pod's network; the reply carries it.
type Socket struct {
	Network, Address string
	// Timeout is in milliseconds, for Dial.
	Timeout int64
}

// Reply answers the request with the same ID. One with Exit set comes later,
// for a request that started a process.
type Reply struct {
	ID    uint64
	Error string `json:",omitempty"`
	// Code is set with Error where a container or exec could not be started: 126,
	// 127 or 128.
	Code int    `json:",omitempty"`
	Data []byte `json:",omitempty"`
	Exit *Exit  `json:",omitempty"`
}

// Exit is how a process ended.
type Exit struct {
	Code, Signal int
	// OOMKilled says that the agent ended it for its memory.
	OOMKilled bool
	// PID is the process's, in the agent's PID namespace.
	PID int
}
