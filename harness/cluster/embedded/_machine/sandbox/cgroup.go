package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// podCgroup is a pod's: in each of the hierarchy's parents a folder, with one for the agent in it and one for the containers, which has the pod's
// limits and a folder for each container. The agent has a limit of its own, which the containers cannot use up: without memory it would end, and the
// whole pod with it. nil: none.
type podCgroup struct {
	hierarchy *hierarchy
	name      string

	mu         sync.Mutex
	count      int
	containers map[string]*containerCgroup
}

// agentMemory limits the agent, in bytes, together with the files that it writes to volumes.
const agentMemory = 512 << 20

const (
	agentFolder      = "agent"
	containersFolder = "containers"
)

// pod makes a pod's cgroups. What a killed node left of the same name is removed before.
func (h *hierarchy) pod(prefix string, spec PodSpec) (*podCgroup, error) {
	p := &podCgroup{hierarchy: h, name: prefix + "-" + strings.ReplaceAll(spec.UID, "/", "_"), containers: map[string]*containerCgroup{}}
	for _, parent := range h.folders() {
		if err := removeLeft(filepath.Join(parent, p.name)); err != nil {
			return nil, fmt.Errorf("making a cgroup: %w", err)
		}
	}
	if err := p.make(spec); err != nil {
		return nil, errors.Join(fmt.Errorf("making a cgroup: %w", err), p.remove())
	}
	return p, nil
}

func (p *podCgroup) make(spec PodSpec) error {
	for _, parent := range p.hierarchy.folders() {
		folder := filepath.Join(parent, p.name)
		for _, made := range []string{folder, filepath.Join(folder, agentFolder), filepath.Join(folder, containersFolder)} {
			if err := os.Mkdir(made, 0o755); err != nil {
				return err
			}
		}
		if p.hierarchy.version == LimitCgroup1 {
			continue
		}
		for controller := range p.hierarchy.parents {
			for _, above := range []string{folder, filepath.Join(folder, containersFolder)} {
				if err := os.WriteFile(above+"/cgroup.subtree_control", []byte("+"+controller), 0o644); err != nil {
					return err
				}
			}
		}
	}
	if err := p.hierarchy.limit(filepath.Join(p.name, agentFolder), agentMemory, 0, 0); err != nil {
		return err
	}
	return p.hierarchy.limit(filepath.Join(p.name, containersFolder), spec.Memory, spec.CPU, spec.PIDs)
}

// limit sets what is not 0, where there is a controller for it.
func (h *hierarchy) limit(name string, memory, cpu, pids int64) error {
	const period = 100000 // microseconds
	quota := strconv.FormatInt(max(cpu*period/1000, 1000), 10)
	files := map[string][]string{}
	if memory > 0 {
		files["memory"] = []string{"memory.limit_in_bytes", strconv.FormatInt(memory, 10)}
	}
	if pids > 0 {
		files["pids"] = []string{"pids.max", strconv.FormatInt(pids, 10)}
	}
	if cpu > 0 {
		files["cpu"] = []string{"cpu.cfs_quota_us", quota}
	}
	if h.version == LimitCgroup2 {
		if memory > 0 {
			files["memory"][0] = "memory.max"
		}
		if cpu > 0 {
			files["cpu"] = []string{"cpu.max", fmt.Sprintf("%s %d", quota, period)}
		}
	}
	for controller, file := range files {
		if !h.limits(controller) {
			continue
		}
		if err := os.WriteFile(filepath.Join(h.parents[controller], name, file[0]), []byte(file[1]), 0o644); err != nil {
			return err
		}
	}
	h.forbidSwap(name, memory)
	return nil
}

// forbidSwap makes the memory limit one of memory and swap together, as the kubelet has it, where the kernel counts swap.
func (h *hierarchy) forbidSwap(name string, memory int64) {
	if memory <= 0 || !h.limits("memory") {
		return
	}
	folder := filepath.Join(h.parents["memory"], name)
	file, value := folder+"/memory.memsw.limit_in_bytes", strconv.FormatInt(memory, 10)
	if h.version == LimitCgroup2 {
		file, value = folder+"/memory.swap.max", "0"
	}
	// Not there on a kernel that does not count swap: then the limit is one of memory alone.
	_ = os.WriteFile(file, []byte(value), 0o644)
}

// enter moves a process, the agent, to its cgroup.
func (p *podCgroup) enter(pid int) error {
	if p == nil {
		return nil
	}
	for _, parent := range p.hierarchy.folders() {
		file := filepath.Join(parent, p.name, agentFolder, "cgroup.procs")
		if err := os.WriteFile(file, []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("entering a cgroup: %w", err)
		}
	}
	return nil
}

// container makes a container's cgroup, which replaces an earlier one of that name.
func (p *podCgroup) container(spec ContainerSpec) (*containerCgroup, error) {
	if p == nil {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	c := &containerCgroup{hierarchy: p.hierarchy, name: filepath.Join(p.name, containersFolder, strconv.Itoa(p.count))}
	for _, parent := range p.hierarchy.folders() {
		if err := os.Mkdir(filepath.Join(parent, c.name), 0o755); err != nil {
			c.remove()
			return nil, fmt.Errorf("making a cgroup: %w", err)
		}
	}
	if err := p.hierarchy.limit(c.name, spec.Memory, spec.CPU, 0); err != nil {
		c.remove()
		return nil, fmt.Errorf("making a cgroup: %w", err)
	}
	p.containers[spec.Name] = c
	return c, nil
}

// find returns the cgroup of the container that had the name last.
func (p *podCgroup) find(container string) *containerCgroup {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.containers[container]
}

// remove removes the pod's cgroups once their processes are gone.
func (p *podCgroup) remove() error {
	if p == nil {
		return nil
	}
	var failures []error
	for _, parent := range p.hierarchy.folders() {
		failures = append(failures, removeTree(filepath.Join(parent, p.name), time.Second))
	}
	return errors.Join(failures...)
}
