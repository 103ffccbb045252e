// Package sandbox runs pods on this machine without a container engine. A small
// process, the agent, holds each pod, or each container of it, and starts the
// containers' processes.
//
// This package says what a pod is to the node. Packages namespaces and chroot
// are the two ways to isolate one, and package runtimes picks the one that this
// machine can run. The agent is the program in the folder agent, which has to
// be built (CGO_ENABLED=0) and named in Config.Agent. A socket is its only
// channel to the node: when it closes, because the node ended or Pod.Close was
// called, the agent ends, and with it all that ran in the pod.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"syscall"

	"rolecall.build/machine/imagearchive"
)

// Config is what a Runtime is made with.
type Config struct {
	// Agent is the path of the compiled agent. It is read once, into memory: the
	// file may be replaced or deleted later.
	Agent string
	// Dir is a folder for the pods' files where they have no namespaces. It is
	// made, and what it holds removed. Its file system must allow device nodes.
	Dir string
	// Prefix begins the names of the pods' cgroups, so that those of a killed node
	// can be found. No two runtimes may have the same: one, as it starts, removes
	// what is empty.
	Prefix string
}

// Runtime starts pods. Its methods may be called concurrently.
type Runtime interface {
	// Support says what this machine allows.
	Support() Support
	// Services is the range from which the cluster's services have to get their
	// addresses, of which the first is the API server's.
	Services() netip.Prefix
	// SetImages names the images, by reference. It comes before the first call that
	// is about an image.
	SetImages(images map[string]*imagearchive.Image)
	// Prepare makes an image ready, which would otherwise happen when the first
	// container is run. The error wraps ErrNoImage if there is no such image.
	Prepare(ctx context.Context, image string) error
	// Start makes a pod: its isolation, network and limits. Volumes and containers
	// come afterwards. ctx bounds the start only.
	Start(ctx context.Context, spec PodSpec) (Pod, error)
	// Close lets go of the images. Pods are not touched, but no further can be
	// started.
	Close() error
}

// Pod is a pod that runs. Its methods may be called concurrently. They return
// ErrGone, or an error that wraps it, once the pod has ended.
type Pod interface {
	// SetVolume makes a volume. For one that exists it replaces all files at once,
	// as the kubelet does: whoever reads through a path in the volume sees the old
	// ones or the new ones, and whoever has resolved a link in it finds the old
	// ones until the next time.
	SetVolume(name string, v Volume) error
	// ReadVolume returns the last limit bytes of a file in a volume.
	ReadVolume(name, file string, limit int64) ([]byte, error)
	// Run starts a container. The error wraps a *StartError where spec or image
	// are at fault. ctx bounds the start only.
	Run(ctx context.Context, spec ContainerSpec) (Process, error)
	// Exec starts a process in a container that runs. The error wraps a
	// *StartError where spec or container are at fault. ctx bounds the start only:
	// to end the process, signal it.
	Exec(ctx context.Context, container string, spec ExecSpec) (Process, error)
	// Listen listens in the pod's network, such as ("tcp", "10.96.0.1:443"). Close
	// closes the listener.
	Listen(network, address string) (net.Listener, error)
	// ListenPacket does the same for "udp".
	ListenPacket(network, address string) (net.PacketConn, error)
	// Dial connects from inside the pod's network, for probes and port-forward.
	// The caller closes the connection. Without a deadline it takes 30 s at most.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// OverLimit reports, once the pod is closed, whether a process of it was killed
	// for the memory it used. Where a watch of the agent's counts the memory, that
	// is known only of processes that Run and Exec started.
	OverLimit() bool
	// Done is closed when the pod is gone, for whatever reason.
	Done() <-chan struct{}
	// Close kills everything in the pod, waits until it is gone and removes what
	// is left of it. It may be called more than once.
	Close() error
}

// Process is a container's main process or one that Exec started.
type Process interface {
	// Terminal is the side of the TTY that the process does not have, nil without
	// one. Reading it fails (EIO) once the process and all that hold its terminal
	// are gone. The caller closes it.
	Terminal() *os.File
	// Wait returns how the process ended, or ErrGone if the pod was gone first. It
	// may be called more than once.
	Wait() (Exit, error)
	// Done is closed when Wait would return at once.
	Done() <-chan struct{}
	// Signal sends a signal; a process that has ended already is no error. As
	// everywhere, a container's main process gets only those that it handles, and
	// SIGKILL and SIGSTOP.
	Signal(signal syscall.Signal) error
	// Resize sets the terminal's size.
	Resize(rows, cols uint16) error
}

// PodSpec is what a pod's containers share.
type PodSpec struct {
	// UID names the pod's cgroup; no two pods that run at the same time may have
	// the same.
	UID string
	// Name is used in errors.
	Name string
	// Hostname is the pod's UTS name.
	Hostname string
	// Addresses are put on the pod's loopback interface: its own address first,
	// then those of services, such as 10.96.0.1.
	Addresses []netip.Addr
	// Memory limits the pod's containers together, in bytes. 0: no limit.
	Memory int64
	// CPU limits the pod's containers together, in thousandths of a processor. 0:
	// no limit. Without cgroups it is not enforced.
	CPU int64
	// PIDs limits the processes and threads of the pod's containers. 0: 1024.
	// Without cgroups it counts for each user of the pod.
	PIDs int64
	// Disk limits what the containers together may have in files where these are
	// on a disk (ModeChroot), in bytes. 0: no limit. Otherwise all files are
	// memory, and Memory limits them.
	Disk int64
	// Sysctls are written in the pod's network and IPC namespaces, such as
	// net.ipv4.ip_unprivileged_port_start (which is 0 unless named here, as with
	// containerd).
	Sysctls map[string]string
}

// Volume is what Pod.SetVolume makes or replaces.
type Volume struct {
	// Files holds the content by path, such as "token" or "dir/key". nil: an empty
	// writable directory.
	Files map[string]File
	// SizeLimit is in bytes, 64 MiB if 0. It holds from the volume's creation on;
	// SetVolume does not change it later.
	SizeLimit int64
	// Mode is the directory's permissions; 0777 if 0, as the kubelet makes its
	// volumes.
	Mode fs.FileMode
	// Group owns directory and files, and may write an empty directory (fsGroup).
	// 0: none in particular. Not enforced where a pod has one id only
	// (ModeRootless): there all files are the container's user's.
	Group int64
}

// File is one file of a volume.
type File struct {
	Data []byte
	// Mode is the permissions; 0644 if 0.
	Mode fs.FileMode
	// User owns the file, such as the runAsUser of a service account token. See
	// Volume.Group for ModeRootless.
	User int64
}

// ContainerSpec is what Pod.Run starts.
type ContainerSpec struct {
	// Name is what Pod.Exec finds the container by. A name can be used again when
	// its container has ended.
	Name string
	// Image is one that Runtime.SetImages named.
	Image string
	// Args is the command. The first is looked up in Env's PATH if it has no
	// slash.
	Args []string
	// Env is NAME=value. PATH, HOME ("/") and, if TTY is set, TERM are added if
	// missing.
	Env []string
	// Dir is made if it does not exist. "/" if empty.
	Dir         string
	User, Group int64
	// Groups are supplementary ones. Not enforced where a pod has one id only.
	Groups          []int64
	ReadOnlyRoot    bool
	NoNewPrivileges bool
	// TTY gives the process a terminal, Process.Terminal, in the place of Stdin,
	// Stdout and Stderr.
	TTY bool
	// Capabilities is all that the container keeps, such as "NET_BIND_SERVICE" (a
	// CAP_ before it does no harm). A process that is not root has them in its
	// bounding set only, as everywhere.
	Capabilities []string
	Mounts       []Mount
	// Files are written into the container's root, such as /etc/hosts,
	// /etc/resolv.conf and /etc/hostname, with mode 0644.
	Files map[string][]byte
	// Memory limits the container in bytes, CPU in thousandths of a processor. 0:
	// no limit. What the container writes to its root and to volumes counts as
	// memory where cgroups are in force.
	Memory, CPU int64
	// Disk limits what the container can write to its root, in bytes. 128 MiB if
	// 0.
	Disk int64
	// Stdin, Stdout and Stderr become the process's own (set to blocking mode);
	// nil: /dev/null. The caller closes its copies.
	Stdin, Stdout, Stderr *os.File
}

// Mount puts a volume into a container.
type Mount struct {
	// Volume is a name that SetVolume was called with.
	Volume string
	// SubPath is a file or directory in the volume; a directory is made if it does
	// not exist. It cannot lead out of the volume.
	SubPath  string
	Path     string
	ReadOnly bool
}

// ExecSpec is what Pod.Exec starts in a container. User, environment,
// directory, capabilities and limits are the container's.
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
	// OOMKilled says that the memory limit ended it: of a container, its main
	// process or a child of which that reports 137.
	OOMKilled bool
}

// StartError says that a container or an exec could not be started for a reason
// that lies in its spec or image. Its text is the last part of what runc says,
// such as `exec: "foo": executable file not found in $PATH`.
type StartError struct {
	// Code is the exit code that engines report: 127 for a missing file, 126 for
	// one that cannot be executed, 128 otherwise.
	Code    int
	Message string
}

// Error returns Message.
func (e *StartError) Error() string { return e.Message }

// NotSupportedError says that a container asks for what this machine cannot give it and an ordinary node can.
type NotSupportedError struct{ Message string }

// Error returns Message.
func (e *NotSupportedError) Error() string { return e.Message }

// ErrGone is what a pod's methods return once its agent ended.
var ErrGone = errors.New("the pod's sandbox is gone")

// ErrNoImage is wrapped where Runtime.SetImages did not name an image.
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
