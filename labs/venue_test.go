package labs_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"

	"rolecall/harness/cluster"
)

// outage takes a cluster away and, where that can be, gives it back.
type outage struct{ begin, end func() error }

// outages are the faults that a cluster of this kind can have in mid-lab.
func (v venue) outages(t *testing.T) map[string]outage {
	if v.kind == "embedded" {
		send := func(signal syscall.Signal) func() error {
			return func() error { return syscall.Kill(machine(t, wish.Name), signal) }
		}
		return map[string]outage{
			"paused": {send(syscall.SIGSTOP), send(syscall.SIGCONT)},
			"killed": {send(syscall.SIGKILL), func() error { return nil }},
		}
	}
	container := theEngine(t)
	tell := func(verb string) func() error {
		return func() error { // also when the test is over
			_, err := container.Output(context.Background(), verb, wish.Name+"-control-plane")
			return err
		}
	}
	return map[string]outage{
		"paused":  {tell("pause"), tell("unpause")},
		"stopped": {tell("kill"), tell("start")},
	}
}

// stages tell of the making of a cluster whether it has come so far: to its
// folder, to its process or container, and to an API server that can be asked.
func (v venue) stages(t *testing.T, name string) []func() bool {
	t.Helper()
	parts := func(count int) func() bool {
		return func() bool { return len(v.remains(t, name)) >= count }
	}
	kubeconfig := func() bool {
		_, err := os.Stat(filepath.Join(v.folder(name), "kubeconfig"))
		return err == nil
	}
	return []func() bool{parts(1), parts(2), kubeconfig}
}

// folder is where a cluster of ours keeps what it writes.
func (v venue) folder(name string) string {
	if v.kind == "embedded" {
		return filepath.Join(wish.Home, "embedded", name)
	}
	return filepath.Join(wish.Home, "clusters", name)
}

// remains are what is there of a cluster: containers, processes, its folder.
func (v venue) remains(t *testing.T, name string) (found []string) {
	t.Helper()
	if v.kind == "embedded" {
		found = processes(t, v.folder(name))
	} else {
		all, err := theEngine(t).Output(context.Background(), "ps", "-a", "--filter", "name="+name, "--format", "{{.Names}}")
		require.NoError(t, err)
		found = strings.Fields(all)
	}
	if _, err := os.Stat(v.folder(name)); err == nil {
		found = append(found, v.folder(name))
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
func machine(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wish.Home, "embedded", name, "lock"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return pid
}

// private are the suite's cluster's kubeconfig and its context.
func private(t *testing.T) (file, context string) {
	t.Helper()
	file = lab.Cluster.(cluster.Owned).Kubeconfig()
	config, err := clientcmd.LoadFromFile(file)
	require.NoError(t, err)
	return file, config.CurrentContext
}
