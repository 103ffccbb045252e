// Package namespaces is the agent of a pod in Linux namespaces: process 1 of
// the pod's PID namespace, root of its user namespace. When it ends, the kernel
// ends every process of the pod.
package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"rolecall.build/machine/sandbox/agent/internal/children"
	"rolecall.build/machine/sandbox/agent/internal/forkexec"
	"rolecall.build/machine/sandbox/agent/internal/server"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// pod is the agent's state.
type pod struct {
	spec     wire.Pod
	server   *server.Server
	children *children.Table

	mu      sync.Mutex
	images  map[string]mountedImage
	volumes map[string]*os.Root

	containers map[string]*container // by name; those that run. The lock of children guards it.

	volumesChanging, storing sync.Mutex

	shm            *os.File // /dev/shm
	userNamespaces *os.File // the sysctl that says how many there may be

	// forking is held while a child has what this process has open, and shared
	// while a container's root is filled: a file that is open for writing, be it
	// in a child that is about to execute its command, keeps the root from being
	// made read-only.
	forking sync.RWMutex
}

// Serve makes the pod that the first request is for and answers all others. The
// thread it is called on must be the process's first.
func Serve(conn *wire.Conn, first wire.Request) {
	p := &pod{
		spec: *first.Pod, server: server.New(conn, func() {}), children: children.New(),
		images: map[string]mountedImage{}, volumes: map[string]*os.Root{}, containers: map[string]*container{},
	}
	go p.children.Reap()
	p.server.Answer(first, nil, func(wire.Request, []int, *wire.Reply) ([]int, error) { return nil, p.start() })
	p.server.Serve(p.handle)
}

func (p *pod) handle(request wire.Request, files []int, reply *wire.Reply) ([]int, error) {
	switch {
	case request.Store != nil:
		return p.storeImage(*request.Store, files)
	case request.Image != nil:
		return nil, p.addImage(*request.Image, files)
	case request.Volume != nil:
		return nil, forkexec.InSpec(p.setVolume(*request.Volume))
	case request.Read != nil:
		data, err := p.readVolume(*request.Read)
		reply.Data = data
		return nil, err
	case request.Run != nil:
		return onOwnThread(func() (int, error) { return p.run(request.ID, *request.Run, files) })
	case request.Exec != nil:
		return onOwnThread(func() (int, error) { return p.exec(request.ID, *request.Exec, files) })
	case request.Signal != nil:
		return nil, p.children.Signal(*request.Signal)
	case request.Listen != nil:
		return listen(*request.Listen)
	case request.Dial != nil:
		return dial(*request.Dial)
	default:
		return nil, errors.New("unknown request")
	}
}

// onOwnThread runs f on a thread that f may take to other namespaces: it ends
// with f. f returns a descriptor to reply with, -1 if none.
func onOwnThread(f func() (int, error)) ([]int, error) {
	type outcome struct {
		file int
		err  error
	}
	done := make(chan outcome)
	go func() {
		runtime.LockOSThread() // and no unlock: the thread ends with the goroutine
		file, err := f()
		done <- outcome{file, err}
	}()
	result := <-done
	return server.One(result.file, result.err)
}

// start makes the pod: its mounts, network, name and sysctls.
func (p *pod) start() error {
	if err := makeRoot(); err != nil {
		return err
	}
	var err error
	if p.shm, err = os.Open("/shm"); err != nil {
		return err
	}
	if err := loopback(p.spec.Addresses); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(p.spec.Hostname)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	// When the machine is short of memory, pods go before the host's processes.
	// The containers inherit it, and then the greediest goes.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return fmt.Errorf("raising oom_score_adj: %w", err)
	}
	if err := p.sysctls(); err != nil {
		return err
	}
	if err := p.openUserNamespaces(); err != nil {
		return err
	}
	if p.spec.Watch {
		go p.watch()
	}
	return nil
}

// sysctls writes those asked for, after containerd's own: ports below 1024 and
// ping need no privilege in a pod.
func (p *pod) sysctls() error {
	groups := "0 65535"
	if p.spec.OneID {
		groups = "0 0"
	}
	for name, value := range map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": groups} {
		if _, asked := p.spec.Sysctls[name]; asked {
			continue
		}
		if err := os.WriteFile(sysctlFile(name), []byte(value), 0); err != nil {
			return fmt.Errorf("setting the sysctl %s: %w", name, err)
		}
	}
	for name, value := range p.spec.Sysctls {
		if err := os.WriteFile(sysctlFile(name), []byte(value), 0); err != nil {
			return forkexec.InSpec(fmt.Errorf("setting the sysctl %s: %w", name, err))
		}
	}
	return nil
}

// openUserNamespaces forbids to make user namespaces in the pod's and in those
// below it. In one of its own a process has all capabilities, and through them
// reaches parts of the kernel that nothing in a pod needs. The seccomp filter
// refuses to make one, too.
func (p *pod) openUserNamespaces() (err error) {
	if p.userNamespaces, err = os.OpenFile(sysctlFile("user.max_user_namespaces"), os.O_WRONLY, 0); err != nil {
		return fmt.Errorf("forbidding user namespaces: %w", err)
	}
	return p.limitUserNamespaces(0)
}

func (p *pod) limitUserNamespaces(count int) error {
	if _, err := p.userNamespaces.WriteAt([]byte(strconv.Itoa(count)), 0); err != nil {
		return fmt.Errorf("setting the limit on user namespaces: %w", err)
	}
	return nil
}

func sysctlFile(name string) string {
	return path.Join("/proc/sys", path.Clean("/"+strings.ReplaceAll(name, ".", "/")))
}
