// Package sandbox runs pods on this machine without a container engine: each pod is a small agent process
// in Linux namespaces of its own, and each container is a child of that agent.
//
// The package is the client side, which the node uses. The agent is the program in the folder agent, which has to be built
// (CGO_ENABLED=0) and named in Runtime.Agent. A socket between the two is their only channel: when it closes, because the
// node ended or Pod.Close was called, the agent ends, and the kernel ends with it all that ran in the pod.
package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"syscall"
)

// Runtime starts pods. The fields must not change once a method has been called, except that Images may be set before the first that is about an image. Its methods may be called
// concurrently.
type Runtime struct {
	// Agent is the path of the compiled agent. It is read once, into memory: the file may be replaced or deleted later.
	Agent string
	// Images holds for each image reference the path of its archive, as `docker save` writes it.
	Images map[string]string
	// Dir is a folder for the pods' files where they have no namespaces (MappingChroot). It is made, and what it holds removed. Its file system
	// must allow device nodes.
	Dir string
	// Prefix begins the names of the pods' cgroups, so that Sweep finds those of a killed node. "rolecall" if empty.
	Prefix string

	started
}

// PodSpec is what a pod's containers share.
type PodSpec struct {
	// UID names the pod's cgroup; no two pods that run at the same time may have the same.
	UID string
	// Name is used in errors.
	Name string
	// Hostname is the pod's UTS name.
	Hostname string
	// Addresses are put on the pod's loopback interface: its own address first, then those of services, such as 10.96.0.1.
	Addresses []netip.Addr
	// Memory limits the pod's containers together, in bytes. 0: no limit.
	Memory int64
	// CPU limits the pod's containers together, in thousandths of a processor. 0: no limit. Without cgroups it is not enforced.
	CPU int64
	// PIDs limits the processes and threads of the pod's containers. 0: 1024. Without cgroups it counts for each user of the pod.
	PIDs int64
	// Disk limits what the containers together may have in files where these are on a disk (MappingChroot), in bytes. 0: no limit. Otherwise all
	// files are memory, and Memory limits them.
	Disk int64
	// Sysctls are written in the pod's network and IPC namespaces, such as net.ipv4.ip_unprivileged_port_start (which is 0
	// unless named here, as with containerd).
	Sysctls map[string]string
}

// Volume is what Pod.SetVolume makes or replaces.
type Volume struct {
	// Files holds the content by path, such as "token" or "dir/key". nil: an empty writable directory.
	Files map[string]File
	// SizeLimit is in bytes, 64 MiB if 0. It holds from the volume's creation on; SetVolume does not change it later.
	SizeLimit int64
	// Mode is the directory's permissions; 0777 if 0, as the kubelet makes its volumes.
	Mode fs.FileMode
	// Group owns directory and files, and may write an empty directory (fsGroup). 0: none in particular.
	// Not enforced where a pod has one id only (Support.Mapping is MappingSingle): there all files are the container's user's.
	Group int64
}

// File is one file of a volume.
type File struct {
	Data []byte
	// Mode is the permissions; 0644 if 0.
	Mode fs.FileMode
	// User owns the file, such as the runAsUser of a service account token. See Volume.Group for MappingSingle.
	User int64
}

// ContainerSpec is what Pod.Run starts.
type ContainerSpec struct {
	// Name is what Pod.Exec finds the container by. A name can be used again when its container has ended.
	Name string
	// Image is a key of Runtime.Images.
	Image string
	// Args is the command. The first is looked up in Env's PATH if it has no slash.
	Args []string
	// Env is NAME=value. PATH, HOME ("/") and, if TTY is set, TERM are added if missing.
	Env []string
	// Dir is made if it does not exist. "/" if empty.
	Dir         string
	User, Group int64
	// Groups are supplementary ones. Not enforced where a pod has one id only.
	Groups          []int64
	ReadOnlyRoot    bool
	NoNewPrivileges bool
	// TTY gives the process a terminal, Process.Terminal, in the place of Stdin, Stdout and Stderr.
	TTY bool
	// Capabilities is all that the container keeps, such as "NET_BIND_SERVICE" (a CAP_ before it does no harm). A process that
	// is not root has them in its bounding set only, as everywhere.
	Capabilities []string
	Mounts       []Mount
	// Files are written into the container's root, such as /etc/hosts, /etc/resolv.conf and /etc/hostname, with mode 0644.
	Files map[string][]byte
	// Memory limits the container in bytes, CPU in thousandths of a processor. 0: no limit.
	// What the container writes to its root and to volumes counts as memory where cgroups are in force.
	Memory, CPU int64
	// Disk limits what the container can write to its root, in bytes. 128 MiB if 0.
	Disk int64
	// Stdin, Stdout and Stderr become the process's own (set to blocking mode); nil: /dev/null. The caller closes its copies.
	Stdin, Stdout, Stderr *os.File
}

// Mount puts a volume into a container.
type Mount struct {
	// Volume is a name that SetVolume was called with.
	Volume string
	// SubPath is a file or directory in the volume; a directory is made if it does not exist. It cannot lead out of the volume.
	SubPath  string
	Path     string
	ReadOnly bool
}

// ExecSpec is what Pod.Exec starts in a container. User, environment, directory, capabilities and limits are the container's.
type ExecSpec struct {
	Args []string
	TTY  bool
	// Stdin, Stdout and Stderr are as in ContainerSpec.
	Stdin, Stdout, Stderr *os.File
}

// Exit is how a process ended.
type Exit struct {
	// Code is the exit code, or 128 and the signal's number.
	Code int
	// Signal is what ended the process, 0 if it exited by itself.
	Signal syscall.Signal
	// OOMKilled says that the memory limit ended it: of a container, its main process or a child of which that reports 137.
	OOMKilled bool
}

// StartError says that a container or an exec could not be started for a reason that lies in its spec or image.
// Its text is the last part of what runc says, such as `exec: "foo": executable file not found in $PATH`.
type StartError struct {
	// Code is the exit code that engines report: 127 for a missing file, 126 for one that cannot be executed, 128 otherwise.
	Code    int
	Message string
}

// Error returns Message.
func (e *StartError) Error() string { return e.Message }

// ErrGone is what a pod's methods return once its agent ended.
var ErrGone = errors.New("the pod's sandbox is gone")

// ErrNoImage is wrapped where an image is not in Runtime.Images.
var ErrNoImage = errors.New("no such image on this node")

// String says how the process ended, for logs.
func (e Exit) String() string {
	switch {
	case e.OOMKilled:
		return "killed for its memory limit"
	case e.Signal != 0:
		return fmt.Sprintf("killed by signal %d", e.Signal)
	default:
		return fmt.Sprintf("exit code %d", e.Code)
	}
}
