package cgroups

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Container is a container's.
type Container struct {
	hierarchy *Hierarchy
	name      string

	mu    sync.Mutex
	kills int64
}

// Procs opens the files that a process joins the cgroup with.
func (c *Container) Procs() ([]*os.File, error) {
	if c == nil {
		return nil, nil
	}
	var files []*os.File
	for _, parent := range c.hierarchy.folders() {
		file, err := os.OpenFile(filepath.Join(parent, c.name, "cgroup.procs"), os.O_WRONLY, 0)
		if err != nil {
			for _, opened := range files {
				opened.Close()
			}
			return nil, fmt.Errorf("opening a cgroup: %w", err)
		}
		files = append(files, file)
	}
	return files, nil
}

// OOMKilled reports whether the memory limit ended a process since it was last
// asked.
func (c *Container) OOMKilled() bool {
	if c == nil {
		return false
	}
	now := c.OOMKills()
	c.mu.Lock()
	defer c.mu.Unlock()
	more := now > c.kills
	c.kills = max(c.kills, now)
	return more
}

// OOMKills is how many processes the memory limit has ended.
func (c *Container) OOMKills() (count int64) {
	if c == nil || !c.hierarchy.Limits("memory") {
		return 0
	}
	file := "memory.oom_control"
	if c.hierarchy.Version == Version2 {
		file = "memory.events"
	}
	for line := range strings.Lines(content(filepath.Join(c.hierarchy.parents["memory"], c.name, file))) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			count, _ = strconv.ParseInt(value, 10, 64)
		}
	}
	return count
}

// Remove removes the cgroup. If it stays busy, the pod's removal takes it
// along.
func (c *Container) Remove() {
	if c == nil {
		return
	}
	for _, parent := range c.hierarchy.folders() {
		_ = removeTree(filepath.Join(parent, c.name), 50*time.Millisecond)
	}
}
