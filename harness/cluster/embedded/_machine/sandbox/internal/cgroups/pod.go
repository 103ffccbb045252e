// Package cgroups limits pods by control groups, of version 1 or 2. A nil
// Hierarchy, Pod or Container is one where there are none.
package cgroups

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

// Pod is a pod's: in each of the hierarchy's parents a folder, with one for the
// agent in it and one for the containers, which has the pod's limits and a
// folder for each container. The agent has a limit of its own, which the
// containers cannot use up: without memory it would end, and the whole pod with
// it.
type Pod struct {
	hierarchy *Hierarchy
	name      string

	mu         sync.Mutex
	count      int
	containers map[string]*Container
}

// agentMemory limits the agent, in bytes, together with the files that it
// writes to volumes.
const agentMemory = 512 << 20

const (
	agentFolder      = "agent"
	containersFolder = "containers"
)

// Limits are a pod's or a container's. 0: none.
type Limits struct {
	Memory int64 // in bytes
	CPU    int64 // in thousandths of a processor
	PIDs   int64
}

// NewPod makes a pod's cgroups, whose names begin with prefix. What a killed
// node left of the same name is removed before.
func (h *Hierarchy) NewPod(prefix, uid string, limits Limits) (*Pod, error) {
	p := &Pod{hierarchy: h, name: prefix + "-" + strings.ReplaceAll(uid, "/", "_"), containers: map[string]*Container{}}
	for _, parent := range h.folders() {
		if err := removeLeft(filepath.Join(parent, p.name)); err != nil {
			return nil, fmt.Errorf("making a cgroup: %w", err)
		}
	}
	if err := p.make(limits); err != nil {
		return nil, errors.Join(fmt.Errorf("making a cgroup: %w", err), p.Remove())
	}
	return p, nil
}

func (p *Pod) make(limits Limits) error {
	for _, parent := range p.hierarchy.folders() {
		folder := filepath.Join(parent, p.name)
		for _, made := range []string{folder, filepath.Join(folder, agentFolder), filepath.Join(folder, containersFolder)} {
			if err := os.Mkdir(made, 0o755); err != nil {
				return err
			}
		}
		if p.hierarchy.Version == Version1 {
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
	if err := p.hierarchy.limit(filepath.Join(p.name, agentFolder), Limits{Memory: agentMemory}); err != nil {
		return err
	}
	return p.hierarchy.limit(filepath.Join(p.name, containersFolder), limits)
}

// limit sets what is not 0, where there is a controller for it.
func (h *Hierarchy) limit(name string, limits Limits) error {
	const period = 100000 // microseconds
	quota := strconv.FormatInt(max(limits.CPU*period/1000, 1000), 10)
	files := map[string][]string{}
	if limits.Memory > 0 {
		files["memory"] = []string{"memory.limit_in_bytes", strconv.FormatInt(limits.Memory, 10)}
	}
	if limits.PIDs > 0 {
		files["pids"] = []string{"pids.max", strconv.FormatInt(limits.PIDs, 10)}
	}
	if limits.CPU > 0 {
		files["cpu"] = []string{"cpu.cfs_quota_us", quota}
	}
	if h.Version == Version2 {
		if limits.Memory > 0 {
			files["memory"][0] = "memory.max"
		}
		if limits.CPU > 0 {
			files["cpu"] = []string{"cpu.max", fmt.Sprintf("%s %d", quota, period)}
		}
	}
	for controller, file := range files {
		if !h.Limits(controller) {
			continue
		}
		if err := os.WriteFile(filepath.Join(h.parents[controller], name, file[0]), []byte(file[1]), 0o644); err != nil {
			return err
		}
	}
	h.forbidSwap(name, limits.Memory)
	return nil
}

// forbidSwap makes the memory limit one of memory and swap together, as the
// kubelet has it, where the kernel counts swap.
func (h *Hierarchy) forbidSwap(name string, memory int64) {
	if memory <= 0 || !h.Limits("memory") {
		return
	}
	folder := filepath.Join(h.parents["memory"], name)
	file, value := folder+"/memory.memsw.limit_in_bytes", strconv.FormatInt(memory, 10)
	if h.Version == Version2 {
		file, value = folder+"/memory.swap.max", "0"
	}
	// Not there on a kernel that does not count swap: then the limit is one of
	// memory alone.
	_ = os.WriteFile(file, []byte(value), 0o644)
}

// killTogether has the whole container end where its memory limit ends one of
// its processes, as the kubelet has it. Version 1 knows no such thing.
func (h *Hierarchy) killTogether(name string) {
	if h.Version == Version2 && h.Limits("memory") {
		_ = os.WriteFile(filepath.Join(h.parents["memory"], name, "memory.oom.group"), []byte("1"), 0o644) // since Linux 4.19
	}
}

// Enter moves a process, the agent, to its cgroup.
func (p *Pod) Enter(pid int) error {
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

// NewContainer makes a container's cgroup, which replaces an earlier one of
// that name.
func (p *Pod) NewContainer(name string, limits Limits) (*Container, error) {
	if p == nil {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	c := &Container{hierarchy: p.hierarchy, name: filepath.Join(p.name, containersFolder, strconv.Itoa(p.count))}
	for _, parent := range p.hierarchy.folders() {
		if err := os.Mkdir(filepath.Join(parent, c.name), 0o755); err != nil {
			c.Remove()
			return nil, fmt.Errorf("making a cgroup: %w", err)
		}
	}
	if err := p.hierarchy.limit(c.name, limits); err != nil {
		c.Remove()
		return nil, fmt.Errorf("making a cgroup: %w", err)
	}
	p.hierarchy.killTogether(c.name)
	p.containers[name] = c
	return c, nil
}

// Find returns the cgroup of the container that had the name last.
func (p *Pod) Find(container string) *Container {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.containers[container]
}

// OOMKills is how many processes the memory limits of containers have ended, as
// far as their cgroups are there.
func (p *Pod) OOMKills() (count int64) {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, container := range p.containers {
		count += container.OOMKills()
	}
	return count
}

// Remove removes the pod's cgroups once their processes are gone.
func (p *Pod) Remove() error {
	if p == nil {
		return nil
	}
	var failures []error
	for _, parent := range p.hierarchy.folders() {
		failures = append(failures, removeTree(filepath.Join(parent, p.name), time.Second))
	}
	return errors.Join(failures...)
}
