package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// pod is the agent's state.
type pod struct {
	conn *wire.Conn
	boot wire.Boot

	mu         sync.Mutex
	images     map[string]image
	volumes    map[string]*os.Root
	processes  map[int]*process      // by PID
	containers map[string]*container // by name; those that run
	room       *room                 // nil where the pod has namespaces

	volumesChanging, storing sync.Mutex

	shm            *os.File // /dev/shm
	userNamespaces *os.File // the sysctl that says how many there may be

	// forking is held while a child has what this process has open, and shared while a container's root is filled: a file that
	// is open for writing, be it in a child that is about to execute its command, keeps the root from being made read-only.
	forking sync.RWMutex
}

// startError is a failure that lies in a container's spec or image; code is what engines report for it.
type startError struct {
	code    int
	message string
}

func (e *startError) Error() string { return e.message }

// answer does what a request asks and replies. The descriptors are closed afterwards, except an image's.
func (p *pod) answer(request wire.Request, files []int) {
	if request.Image == nil || request.Image.Mounted {
		defer wire.CloseAll(files)
	}
	reply := wire.Reply{ID: request.ID}
	sent, err := p.perform(request, files, &reply)
	if err != nil {
		reply.Error = err.Error()
		var start *startError
		if errors.As(err, &start) {
			reply.Code = start.code
		}
	}
	if err := p.conn.Send(reply, sent...); err != nil {
		p.leave()
	}
	wire.CloseAll(sent)
}

// perform returns the descriptors that go with the reply.
func (p *pod) perform(request wire.Request, files []int, reply *wire.Reply) ([]int, error) {
	switch {
	case request.Boot != nil:
		return nil, p.start(*request.Boot)
	case request.Store != nil:
		return p.storeImage(*request.Store, files)
	case request.Image != nil:
		return nil, p.addImage(*request.Image, files)
	case request.Volume != nil:
		return nil, p.setVolume(*request.Volume)
	case request.Read != nil:
		data, err := p.readVolume(*request.Read)
		reply.Data = data
		return nil, err
	case request.Run != nil && p.room != nil:
		return one(p.runInRoom(request.ID, *request.Run, files))
	case request.Exec != nil && p.room != nil:
		return one(p.execInRoom(request.ID, *request.Exec, files))
	case request.Run != nil:
		return p.onOwnThread(func() (int, error) { return p.run(request.ID, *request.Run, files) })
	case request.Exec != nil:
		return p.onOwnThread(func() (int, error) { return p.exec(request.ID, *request.Exec, files) })
	case request.Signal != nil:
		return nil, p.signal(*request.Signal)
	case request.Listen != nil:
		return listen(*request.Listen)
	case request.Dial != nil:
		return dial(*request.Dial)
	default:
		return nil, errors.New("unknown request")
	}
}

// one is a descriptor to reply with, none if it is negative.
func one(file int, err error) ([]int, error) {
	if err != nil || file < 0 {
		return nil, err
	}
	return []int{file}, nil
}

// start makes the pod: its mounts, network, name and sysctls.
func (p *pod) start(boot wire.Boot) error {
	if boot.Room != nil {
		return p.moveIn(boot)
	}
	p.boot = boot
	if err := ownRoot(); err != nil {
		return err
	}
	var err error
	if p.shm, err = os.Open("/shm"); err != nil {
		return err
	}
	if err := loopback(boot.Addresses); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(boot.Hostname)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	// When the machine is short of memory, pods go before the host's processes. The containers inherit it, and then the greediest goes.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return fmt.Errorf("raising oom_score_adj: %w", err)
	}
	if err := p.sysctls(); err != nil {
		return err
	}
	if err := p.openUserNamespaces(); err != nil {
		return err
	}
	if boot.Watch {
		go p.watch()
	}
	return nil
}

// sysctls writes those asked for, after containerd's own: ports below 1024 and ping need no privilege in a pod.
func (p *pod) sysctls() error {
	groups := "0 65535"
	if p.boot.OneID {
		groups = "0 0"
	}
	for name, value := range map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": groups} {
		if _, asked := p.boot.Sysctls[name]; asked {
			continue
		}
		if err := os.WriteFile(sysctlFile(name), []byte(value), 0); err != nil {
			return fmt.Errorf("setting the sysctl %s: %w", name, err)
		}
	}
	for name, value := range p.boot.Sysctls {
		if err := os.WriteFile(sysctlFile(name), []byte(value), 0); err != nil {
			return fmt.Errorf("setting the sysctl %s: %w", name, err)
		}
	}
	return nil
}

// openUserNamespaces forbids to make user namespaces in the pod's and in those below it. In one of its own a process has all capabilities, and
// through them reaches parts of the kernel that nothing in a pod needs. The seccomp filter refuses to make one, too.
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
