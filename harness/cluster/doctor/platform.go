package doctor

import (
	"strconv"
	"strings"
)

// wsl reports whether this is Linux inside Windows.
func (m Machine) wsl() bool {
	kernel, _ := m.ReadFile("/proc/sys/kernel/osrelease")
	return m.GOOS == "linux" && strings.Contains(strings.ToLower(string(kernel)), "microsoft")
}

func (m Machine) systemd() bool {
	first, _ := m.ReadFile("/proc/1/comm")
	return m.GOOS == "linux" && strings.TrimSpace(string(first)) == "systemd"
}

// distributions are the ID and ID_LIKE of /etc/os-release: this distribution
// and what it descends from.
func (m Machine) distributions() string {
	var ids []string
	release, _ := m.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(release)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "ID" || key == "ID_LIKE" {
			ids = append(ids, strings.Trim(value, `"'`))
		}
	}
	return strings.Join(ids, " ")
}

// engineHere reports whether the engine shares this machine's kernel, as far
// as that can be told: not with Docker Desktop and not over the network.
func (m Machine) engineHere() bool {
	remote := m.Getenv("DOCKER_HOST") + m.Getenv("CONTAINER_HOST")
	return m.GOOS == "linux" && (remote == "" || strings.HasPrefix(remote, "unix:"))
}

// lacksSysResource reports whether no process here can have CAP_SYS_RESOURCE:
// bit 24 of the bounding set is off.
func (m Machine) lacksSysResource() bool {
	status, _ := m.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if hex, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			bounding, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err == nil && bounding&(1<<24) == 0
		}
	}
	return false
}
