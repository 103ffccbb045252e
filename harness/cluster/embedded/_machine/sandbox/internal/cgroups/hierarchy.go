package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// controllers are those that limit a pod.
var controllers = []string{"memory", "pids", "cpu"}

// Versions of control groups.
const (
	Version1 = "cgroup v1"
	Version2 = "cgroup v2"
)

// Hierarchy is a place where the pods' cgroups are made.
type Hierarchy struct {
	Version string // Version1 or Version2
	// parents are the folders, by controller. With version 2 it is one folder,
	// with version 1 there may be one for each.
	parents map[string]string
}

// Limits reports whether a controller can be used.
func (h *Hierarchy) Limits(controller string) bool {
	return h != nil && h.parents[controller] != ""
}

// Missing says which controllers cannot be used.
func (h *Hierarchy) Missing() error {
	var absent []string
	for _, controller := range controllers {
		if !h.Limits(controller) {
			absent = append(absent, controller)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	return fmt.Errorf("there is no %s controller for %s", h.Version, strings.Join(absent, ", "))
}

// folders are the parents, each once.
func (h *Hierarchy) folders() []string {
	var all []string
	for _, controller := range controllers {
		if folder := h.parents[controller]; folder != "" && !slices.Contains(all, folder) {
			all = append(all, folder)
		}
	}
	return all
}

// cgroupMount is a mounted cgroup file system and this process's place in it.
type cgroupMount struct {
	point, own  string
	controllers []string // of version 1
	second      bool     // version 2
}

// Hierarchies are the places to try. Pods stay beneath this process's own
// cgroup where they can, so that what limits it limits them: with version 1
// that is this process's own, with version 2, where a cgroup with processes
// cannot have limited ones below it, the nearest above.
func Hierarchies() ([]*Hierarchy, error) {
	mounts, err := cgroupMounts()
	if err != nil {
		return nil, err
	}
	first := &Hierarchy{Version: Version1, parents: map[string]string{}}
	var all []*Hierarchy
	var failures []error
	for _, mount := range mounts {
		if !mount.second {
			failures = append(failures, first.add(mount))
			continue
		}
		for folder := filepath.Join(mount.point, mount.own); strings.HasPrefix(folder, mount.point); folder = filepath.Dir(folder) {
			place, err := second(folder)
			failures = append(failures, err)
			if place != nil {
				all = append(all, place)
			}
		}
	}
	if first.Limits("memory") || first.Limits("pids") {
		all = append(all, first)
	}
	if len(mounts) == 0 {
		return nil, errors.New("no cgroup file system is mounted here")
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no cgroup can be made here: %w", sentence(failures))
	}
	return all, nil
}

// Find returns the first place for cgroups that try finds good, and says what
// is missing there. The error is one line.
func Find(try func(*Hierarchy) error) (*Hierarchy, error) {
	places, err := Hierarchies()
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, place := range places {
		if err := try(place); err != nil {
			failures = append(failures, err)
			continue
		}
		return place, place.Missing()
	}
	return nil, sentence(failures)
}

// sentence puts errors on one line.
func sentence(failures []error) error {
	var parts []string
	for _, failure := range failures {
		if failure != nil {
			parts = append(parts, failure.Error())
		}
	}
	return errors.New(strings.Join(parts, "; "))
}

// add takes a version 1 mount's controllers if cgroups can be made in it.
func (h *Hierarchy) add(mount cgroupMount) error {
	folder := filepath.Join(mount.point, mount.own)
	if err := unix.Access(folder, unix.W_OK); err != nil {
		return &fs.PathError{Op: "writing", Path: folder, Err: err}
	}
	for _, controller := range mount.controllers {
		if slices.Contains(controllers, controller) {
			h.parents[controller] = folder
		}
	}
	return nil
}

// second is a version 2 place, nil if its children cannot be limited.
func second(folder string) (*Hierarchy, error) {
	if err := unix.Access(folder, unix.W_OK); err != nil {
		return nil, &fs.PathError{Op: "writing", Path: folder, Err: err}
	}
	place := &Hierarchy{Version: Version2, parents: map[string]string{}}
	enabled := strings.Fields(content(folder + "/cgroup.subtree_control"))
	for _, controller := range strings.Fields(content(folder + "/cgroup.controllers")) {
		if !slices.Contains(controllers, controller) {
			continue
		}
		if slices.Contains(enabled, controller) || os.WriteFile(folder+"/cgroup.subtree_control", []byte("+"+controller), 0o644) == nil {
			place.parents[controller] = folder
		}
	}
	if len(place.parents) == 0 {
		return nil, fmt.Errorf("%s has no controllers for its children", folder)
	}
	return place, nil
}

// cgroupMounts are the mounted cgroup file systems that hold this process.
func cgroupMounts() ([]cgroupMount, error) {
	owns, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("reading this process's cgroups: %w", err)
	}
	found, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("looking for cgroup file systems: %w", err)
	}
	var mounts []cgroupMount
	for _, info := range found {
		mount := cgroupMount{point: info.Mountpoint, second: info.FSType == "cgroup2"}
		name := ""
		if !mount.second {
			mount.controllers = strings.Split(info.VFSOptions, ",")
			if name = firstOf(mount.controllers); name == "" {
				continue
			}
		}
		own, known := owns[name]
		if !known {
			continue
		}
		// A container sees a part of the hierarchy: this process's path counts from
		// the whole's root.
		relative, err := filepath.Rel(info.Root, own)
		if err != nil || strings.HasPrefix(relative, "..") {
			continue
		}
		mount.own = relative
		mounts = append(mounts, mount)
	}
	return mounts, nil
}

// firstOf returns the first of the controllers that limit a pod.
func firstOf(names []string) string {
	for _, name := range names {
		if slices.Contains(controllers, name) {
			return name
		}
	}
	return ""
}

// content reads a small file; "" if it cannot be read.
func content(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
