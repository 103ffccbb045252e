// Package namespaces isolates pods by Linux namespaces: an agent for each pod,
// of which each container is a child with further namespaces of its own.
package namespaces

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"rolecall.build/machine/imagearchive"
	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/internal/cgroups"
	"rolecall.build/machine/sandbox/internal/images"
	"rolecall.build/machine/sandbox/internal/seccomp"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// Runtime implements sandbox.Runtime.
type Runtime struct {
	program *agents.Program
	prefix  string
	firstID int // of the host ids
	mode    sandbox.Mode
	cgroups *cgroups.Hierarchy
	support sandbox.Support
	filters seccomp.Filters
	images  images.Images
	store   store
}

// defaultPIDs are a pod's processes and threads if its spec has no number.
const defaultPIDs = 1024

// Host ids of pods: a range of 65536 that nobody uses, of those for which
// systemd's list of uses has none, 0x70000000 to 0x7FFDFFFF
// (https://systemd.io/UIDS-GIDS/), without the first 64, which are for chroots.
// That another runtime may have the same does no harm, since no pod can name
// another's processes, and each counts its own in a user namespace of its own.
const (
	firstRange = 0x7040
	lastRange  = 0x7FFC
	rangeSize  = 65536
)

// New finds out what this machine allows, by doing it, and removes the cgroups
// that a killed node left. The error says in a sentence why no pod can be in
// namespaces here.
func New(ctx context.Context, program *agents.Program, config sandbox.Config) (*Runtime, error) {
	r := &Runtime{program: program, prefix: config.Prefix}
	r.firstID = (firstRange + rand.IntN(lastRange-firstRange+1)) * rangeSize
	if err := r.findMode(ctx); err != nil {
		return nil, err
	}
	if err := cgroups.Sweep(r.prefix); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox: removing the cgroups of a killed node:", err)
	}
	r.support = sandbox.Support{Mode: r.mode, Servers: true, Memory: sandbox.LimitWatch, PIDs: sandbox.LimitRlimit, CPU: sandbox.LimitNone}
	var err error
	if r.cgroups, err = cgroups.Find(func(place *cgroups.Hierarchy) error { return r.try(ctx, place) }); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r.support.Missing = err.Error()
	}
	if r.cgroups.Limits("memory") {
		r.support.Memory = r.cgroups.Version
	} else {
		r.filters.Stricter = seccomp.WithoutCgroup()
	}
	if r.cgroups.Limits("pids") {
		r.support.PIDs = r.cgroups.Version
	}
	if r.cgroups.Limits("cpu") {
		r.support.CPU = r.cgroups.Version
	}
	return r, nil
}

// findMode tries pods without cgroups.
func (r *Runtime) findMode(ctx context.Context) (err error) {
	for _, r.mode = range modes(os.Geteuid(), setting("/proc/self/uid_map")) {
		if err = r.try(ctx, nil); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("trying a pod on this machine: %w%s", err, hint(err))
}

// modes are those to try for a user, in a user namespace with this map
// (user_namespaces(7)). Where there is but one id, a container's root is the
// user itself: the machine's root is not given away so, because much of the
// kernel's is root's without any capability.
func modes(user int, idMap string) []sandbox.Mode {
	const machine = "0 0 4294967295"
	switch {
	case user != 0:
		return []sandbox.Mode{sandbox.ModeRootless}
	case strings.Join(strings.Fields(idMap), " ") == machine:
		return []sandbox.Mode{sandbox.ModeNamespaces}
	}
	return []sandbox.Mode{sandbox.ModeNamespaces, sandbox.ModeRootless}
}

// try starts a pod and ends it.
func (r *Runtime) try(ctx context.Context, place *cgroups.Hierarchy) error {
	spec := sandbox.PodSpec{
		UID: fmt.Sprintf("try-%d", os.Getpid()), Name: "try", Hostname: "try", Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 96, 0, 1})},
	}
	p, err := r.start(ctx, spec, place)
	if err != nil {
		return err
	}
	return p.Close()
}

// Support implements sandbox.Runtime.
func (r *Runtime) Support() sandbox.Support { return r.support }

// Services implements sandbox.Runtime: each pod has a network of its own, so
// any range will do.
func (r *Runtime) Services() netip.Prefix { return netip.MustParsePrefix("10.96.0.0/16") }

// SetImages implements sandbox.Runtime.
func (r *Runtime) SetImages(images map[string]*imagearchive.Image) { r.images.Set(images) }

// Start implements sandbox.Runtime.
func (r *Runtime) Start(ctx context.Context, spec sandbox.PodSpec) (sandbox.Pod, error) {
	p, err := r.start(ctx, spec, r.cgroups)
	if err != nil {
		return nil, fmt.Errorf("starting the pod %s: %w", spec.Name, err)
	}
	return p, nil
}

func (r *Runtime) start(ctx context.Context, spec sandbox.PodSpec, place *cgroups.Hierarchy) (*Pod, error) {
	if spec.PIDs <= 0 {
		spec.PIDs = defaultPIDs
	}
	p := &Pod{runtime: r, spec: spec, images: map[string]bool{}}
	var err error
	if place != nil {
		limits := cgroups.Limits{Memory: spec.Memory, CPU: spec.CPU, PIDs: spec.PIDs}
		if p.cgroup, err = place.NewPod(r.prefix, spec.UID, limits); err != nil {
			return nil, err
		}
	}
	if p.agent, err = r.program.Start(r.attributes(), 0); err != nil {
		return nil, errors.Join(err, p.cgroup.Remove())
	}
	if err := p.begin(ctx, place); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// begin moves the agent to its cgroup, which it has to be in before it uses
// memory, and has it make the pod.
func (p *Pod) begin(ctx context.Context, place *cgroups.Hierarchy) error {
	if err := p.cgroup.Enter(p.agent.PID()); err != nil {
		return err
	}
	first := wire.Pod{Hostname: p.spec.Hostname, Addresses: p.spec.Addresses, Sysctls: p.spec.Sysctls, OneID: p.runtime.mode == sandbox.ModeRootless}
	if !place.Limits("memory") {
		first.Watch, first.Memory = true, p.spec.Memory
	}
	if !place.Limits("pids") {
		first.PIDs = p.spec.PIDs
	}
	_, _, err := p.agent.Call(ctx, wire.Request{Pod: &first})
	return err
}

// attributes are the agent's namespaces and ids.
func (r *Runtime) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
			unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		Setsid:      true,
	}
	if r.mode == sandbox.ModeRootless {
		return attributes
	}
	whole := []syscall.SysProcIDMap{{HostID: r.firstID, Size: rangeSize}}
	attributes.UidMappings, attributes.GidMappings = whole, whole
	attributes.GidMappingsEnableSetgroups = true
	attributes.Credential = &syscall.Credential{}
	return attributes
}

// Close implements sandbox.Runtime.
func (r *Runtime) Close() error {
	r.images.Close()
	return errors.Join(r.store.close(), r.program.Close())
}
