package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// watchInterval is how often the containers' memory is measured where no cgroup limits it.
const watchInterval = 50 * time.Millisecond

// user is a process's use of memory.
type user struct {
	pid       int
	bytes     int64
	container *container
}

// watch kills the greediest process of a container, or of the pod, that is over its limit.
func (p *pod) watch() {
	for range time.Tick(watchInterval) {
		p.mu.Lock()
		limits, any := map[string]*container{}, p.boot.Memory > 0
		for _, c := range p.containers {
			space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.pid))
			if err != nil {
				continue
			}
			limits[space] = c
			any = any || c.spec.Memory > 0
		}
		p.mu.Unlock()
		if any {
			p.measure(limits)
		}
	}
}

func (p *pod) measure(limits map[string]*container) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	var all []user
	of := map[*container][]user{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
		c := limits[space]
		if err != nil || c == nil {
			continue
		}
		used := user{pid, resident(pid), c}
		all = append(all, used)
		of[c] = append(of[c], used)
	}
	for c, users := range of {
		p.enforce(users, c.spec.Memory)
	}
	p.enforce(all, p.boot.Memory)
}

// enforce kills one process if together they use more than the limit. Resident memory counts shared pages once for each process and is quick
// to read; only if it is too much the proportional share, which is slow, decides.
func (p *pod) enforce(users []user, limit int64) {
	if limit <= 0 || total(users) <= limit {
		return
	}
	for i := range users {
		users[i].bytes = proportional(users[i].pid)
	}
	if total(users) <= limit {
		return
	}
	greediest := users[0]
	for _, u := range users {
		if u.bytes > greediest.bytes {
			greediest = u
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := unix.Kill(greediest.pid, unix.SIGKILL); err != nil {
		return
	}
	if started := p.processes[greediest.pid]; started != nil {
		started.overLimit = true
	}
	if greediest.container != nil {
		greediest.container.overLimit = true
	}
}

func total(users []user) int64 {
	var sum int64
	for _, u := range users {
		sum += u.bytes
	}
	return sum
}

// resident is the second number of statm, in pages.
func resident(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// proportional is the Pss line of smaps_rollup, in KiB.
func proportional(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) < 2 || string(fields[0]) != "Pss:" {
			continue
		}
		kibibytes, err := strconv.ParseInt(string(fields[1]), 10, 64)
		if err == nil {
			return kibibytes << 10
		}
	}
	return 0
}
