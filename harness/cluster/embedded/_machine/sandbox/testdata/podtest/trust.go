package podtest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/require"
)

// User is the real user of a process, as the host counts it.
func User(t *testing.T, pid int) int {
	p, err := procfs.NewProc(pid)
	require.NoError(t, err)
	status, err := p.NewStatus()
	require.NoError(t, err)
	return int(status.UIDs[0])
}

// PID finds the one process that has the text in its command line.
func PID(t *testing.T, text string) int {
	all, err := procfs.AllProcs()
	require.NoError(t, err)
	var found []int
	for _, p := range all {
		if line, err := p.CmdLine(); err == nil && strings.Contains(strings.Join(line, " "), text) {
			found = append(found, p.PID)
		}
	}
	require.Len(t, found, 1, text)
	return found[0]
}

// Descriptors are what a process has open, without the numbers of sockets and
// the like, each kind once.
func Descriptors(t *testing.T, pid int) []string {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	kinds := map[string]bool{}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue // it was closed meanwhile
		}
		if kind, _, found := strings.Cut(target, ":["); found {
			target = kind
		}
		kinds[target] = true
	}
	return slices.Sorted(maps.Keys(kinds))
}
