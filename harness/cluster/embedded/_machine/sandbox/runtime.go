package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// started is what a Runtime finds out and opens once.
type started struct {
	mu    sync.Mutex
	agent *os.File
	first uint32 // of the host ids
	store store

	trying  sync.Mutex
	support *Support
	cgroups *hierarchy
	filters filters

	// Of MappingChroot only.
	network  *sharedNetwork
	reserved net.Listener // holds services and first for this runtime
	services netip.Prefix
	owners   map[int]*Pod  // of rooms, by the first of their users
	taken    int           // rooms so far
	stop     chan struct{} // ends the watch
}

const defaultPIDs = 1024

// Host ids of pods: systemd's list of uses has none for 0x70000000 to 0x7FFDFFFF (https://systemd.io/UIDS-GIDS/). The first of these ranges are for
// pods without namespaces, where a runtime has one to itself: see reserve. The pods of any other runtime have one of the rest, all the same, so that
// they can share images; they count their processes apart, each in a user namespace of its own.
const (
	firstReserved = 0x7000
	firstRange    = firstReserved + lastLoopback - firstLoopback + 1
	lastRange     = 0x7FFC
	rangeSize     = 65536
)

// Start makes a pod: its namespaces, network and limits. Volumes and containers come afterwards. ctx bounds the start only.
func (r *Runtime) Start(ctx context.Context, spec PodSpec) (*Pod, error) {
	support, err := r.Support(ctx)
	if err != nil {
		return nil, err
	}
	p, err := r.start(ctx, spec, support.Mapping, r.cgroups)
	if err != nil {
		return nil, fmt.Errorf("starting the pod %s: %w", spec.Name, err)
	}
	return p, nil
}

func (r *Runtime) start(ctx context.Context, spec PodSpec, mapping Mapping, cgroups *hierarchy) (*Pod, error) {
	if spec.PIDs <= 0 {
		spec.PIDs = defaultPIDs
	}
	if mapping == MappingChroot {
		return r.startRooms(spec), nil
	}
	p := emptyPod(r, spec)
	if cgroups != nil {
		group, err := cgroups.pod(r.prefix(), spec)
		if err != nil {
			return nil, err
		}
		p.cgroup = group
	}
	first := wire.Pod{Hostname: spec.Hostname, Addresses: spec.Addresses, Sysctls: spec.Sysctls, OneID: mapping == MappingSingle}
	if !cgroups.limits("memory") {
		first.Watch, first.Memory = true, spec.Memory
	}
	if !cgroups.limits("pids") {
		first.PIDs = spec.PIDs
	}
	if err := r.startAgent(p, mapping); err != nil {
		p.cgroup.remove()
		return nil, err
	}
	if err := p.begin(ctx, wire.Request{Pod: &first}); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// emptyPod is a pod whose agent has yet to start.
func emptyPod(r *Runtime, spec PodSpec) *Pod {
	return &Pod{runtime: r, spec: spec, images: map[string]bool{}, calls: newCalls(), gone: make(chan struct{})}
}

// begin moves the agent to its cgroup, which it has to be in before it uses memory, and has it make the pod.
func (p *Pod) begin(ctx context.Context, first wire.Request) error {
	if err := p.cgroup.enter(p.agent.Pid); err != nil {
		return err
	}
	_, _, err := p.call(ctx, first)
	return err
}

// startAgent starts the agent's process in namespaces of its own, and what reads its replies and waits for its end.
func (r *Runtime) startAgent(p *Pod, mapping Mapping) error {
	binary, err := r.openAgent()
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("making a socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "agent")
	defer theirs.Close()
	conn, err := wire.NewConn(os.NewFile(uintptr(pair[0]), "node"))
	if err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		conn.Close()
		return err
	}
	defer null.Close()
	// By descriptor: the agent's user cannot enter the folder of the node's user.
	agent, err := os.StartProcess("/proc/self/fd/4", []string{"sandbox"}, &os.ProcAttr{
		Dir: "/", Env: []string{}, Files: []*os.File{null, null, os.Stderr, theirs, binary}, Sys: r.attributes(mapping),
	})
	if err != nil {
		conn.Close()
		return err
	}
	p.conn, p.agent = conn, agent
	go p.receive()
	go p.await()
	return nil
}

// attributes are the agent's namespaces and ids.
func (r *Runtime) attributes(mapping Mapping) *syscall.SysProcAttr {
	if mapping == MappingChroot {
		return &syscall.SysProcAttr{Setsid: true}
	}
	attributes := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
			unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		Setsid:      true,
	}
	if mapping == MappingSingle {
		return attributes
	}
	whole := []syscall.SysProcIDMap{{HostID: r.hostIDs(), Size: rangeSize}}
	attributes.UidMappings, attributes.GidMappings = whole, whole
	attributes.GidMappingsEnableSetgroups = true
	attributes.Credential = &syscall.Credential{}
	return attributes
}

// openAgent reads the agent's program once.
func (r *Runtime) openAgent() (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.agent != nil {
		return r.agent, nil
	}
	file, err := os.Open(r.Agent)
	if err != nil {
		return nil, fmt.Errorf("opening the sandbox agent: %w", err)
	}
	defer file.Close()
	r.agent, _, err = inMemory("sandbox", file)
	if err != nil {
		return nil, fmt.Errorf("reading the sandbox agent: %w", err)
	}
	return r.agent, nil
}

// hostIDs returns the first of the 65536 host ids that the pods have. That another runtime may have the same does no harm where pods have
// namespaces, since none can name another's processes.
func (r *Runtime) hostIDs() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == 0 {
		r.first = (firstRange + rand.Uint32N(lastRange-firstRange+1)) * rangeSize
	}
	return int(r.first)
}

func (r *Runtime) prefix() string {
	if r.Prefix == "" {
		return "rolecall"
	}
	return r.Prefix
}
