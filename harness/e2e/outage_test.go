//go:build unix

package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// outage takes a cluster away and, where that can be, gives it back.
type outage struct{ begin, end func() error }

// outages are the faults that a cluster can have in mid-lab.
func (b testbed) outages(t *testing.T) map[string]outage {
	if b.Provider() == "embedded" {
		send := func(signal syscall.Signal) func() error {
			return func() error { return syscall.Kill(b.machine(t), signal) }
		}
		return map[string]outage{
			"paused": {send(syscall.SIGSTOP), send(syscall.SIGCONT)},
			"killed": {send(syscall.SIGKILL), func() error { return nil }},
		}
	}
	node := func(verb string) func() error {
		return func() error { // also when the test is over
			_, err := engine(context.Background(), verb, b.node())
			return err
		}
	}
	return map[string]outage{
		"paused":  {node("pause"), node("unpause")},
		"stopped": {node("kill"), node("start")},
	}
}

// stages report of the making of a cluster whether it has come so far: to its
// folder, to its process or container, and to an API server that can be asked.
func (b testbed) stages(t *testing.T) []func() bool {
	parts := func(count int) func() bool {
		return func() bool { return len(b.remains(t)) >= count }
	}
	kubeconfig := func() bool {
		_, err := os.Stat(b.Kubeconfig())
		return err == nil
	}
	return []func() bool{parts(1), parts(2), kubeconfig}
}

// remains are what is there of a cluster: containers, processes, its folder.
func (b testbed) remains(t *testing.T) (found []string) {
	t.Helper()
	if b.Provider() == "embedded" {
		found = processes(t, b.folder())
	} else {
		all, err := engine(context.Background(), "ps", "-a", "--filter", "name="+b.node(), "--format", "{{.Names}}")
		require.NoError(t, err)
		found = strings.Fields(all)
	}
	if _, err := os.Stat(b.folder()); err == nil {
		found = append(found, b.folder())
	}
	return found
}

// processes are those that name a folder on their command line.
func processes(t *testing.T, folder string) (found []string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range lines {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line)+"\x00", folder+"\x00") {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// machine is the process of an embedded cluster.
func (b testbed) machine(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.folder(), "lock"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return pid
}

// node is the container of a kind cluster.
func (b testbed) node() string { return b.Name() + "-control-plane" }

// engine runs the container engine's command: of those here, the one that kind
// takes.
func engine(ctx context.Context, args ...string) (string, error) {
	var out []byte
	var err error
	for _, name := range []string{"docker", "nerdctl", "podman"} {
		if err = exec.CommandContext(ctx, name, "info").Run(); err == nil {
			out, err = exec.CommandContext(ctx, name, args...).Output()
			break
		}
	}
	return strings.TrimSpace(string(out)), err
}
