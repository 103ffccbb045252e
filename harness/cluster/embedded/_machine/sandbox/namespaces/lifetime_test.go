package namespaces

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/internal/cgroups"
	"rolecall.build/machine/sandbox/internal/wire"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

// node is what TestNodeKilled kills: a process with a pod in which something
// runs.
func node() {
	config := podtest.Config()
	config.Prefix = "sandboxtest-killed"
	program, err := agents.Load(config.Agent)
	podtest.Must(err)
	r, err := New(context.Background(), program, config)
	podtest.Must(err)
	r.SetImages(podtest.Images())
	p, err := r.Start(context.Background(), sandbox.PodSpec{UID: "1", Name: "killed", Addresses: []netip.Addr{netip.MustParseAddr(podtest.Own)}})
	podtest.Must(err)
	_, err = p.Run(context.Background(), podtest.Command("sleep", os.Getenv("SANDBOX_TEST_NODE")))
	podtest.Must(err)
	fmt.Println("ready")
	select {}
}

func TestNodeKilled(t *testing.T) {
	marker := fmt.Sprintf("node-killed-%d", os.Getpid())
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "SANDBOX_TEST_NODE="+marker, "SANDBOX_TEST_BUILT="+podtest.Built)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	_, err = bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, 1, podtest.Processes(t, marker))
	require.NoError(t, command.Process.Kill())
	require.Error(t, command.Wait())
	podtest.Eventually(t, "the container ended with its node", func() bool { return podtest.Processes(t, marker) == 0 })

	podtest.Eventually(t, "cgroups are swept", func() bool {
		require.NoError(t, cgroups.Sweep("sandboxtest-killed"))
		return len(left(t, "sandboxtest-killed")) == 0
	})
}

func TestSweepLeavesPodsAlone(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	require.NoError(t, cgroups.Sweep(r.prefix))
	_, exit := podtest.Runs(t, p, podtest.Command("true"))
	require.Equal(t, sandbox.Exit{}, exit)
}

func TestAgentKilled(t *testing.T) {
	p := newPod(t, newRuntime(t))
	marker := fmt.Sprintf("agent-killed-%d", os.Getpid())
	process, err := p.Run(t.Context(), podtest.Command("sleep", marker))
	require.NoError(t, err)
	require.NoError(t, p.agent.Kill())
	<-p.Done()
	_, err = process.Wait()
	require.ErrorIs(t, err, sandbox.ErrGone)
	require.Zero(t, podtest.Processes(t, marker))
}

func TestCgroupsOfAKilledNodeAreReplaced(t *testing.T) {
	r := newRuntime(t)
	spec := podtest.PodSpec()
	started, err := r.Start(t.Context(), spec)
	require.NoError(t, err)
	defer started.Close()
	p := started.(*Pod)
	if p.cgroup == nil {
		t.Skip("no cgroups here")
	}
	_, err = r.Start(t.Context(), spec)
	require.ErrorContains(t, err, "is in use")
	require.NoError(t, p.agent.Kill())
	<-p.Done()
	again, err := r.Start(t.Context(), spec)
	require.NoError(t, err)
	_, exit := podtest.Runs(t, again, podtest.Command("true"))
	require.Equal(t, sandbox.Exit{}, exit)
	require.NoError(t, again.Close())
}

// left are the cgroups of a prefix.
func left(t *testing.T, prefix string) (all []string) {
	for _, pattern := range cgroups.Patterns(prefix) {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		all = append(all, found...)
	}
	return all
}

func descriptorCount(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// mountCount counts the mounts here without a container engine's, which come
// and go.
func mountCount(t *testing.T) int {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	count := 0
	for line := range strings.Lines(string(mounts)) {
		if point := strings.Fields(line)[4]; !strings.HasPrefix(point, "/var/lib/") && !strings.HasPrefix(point, "/run/") {
			count++
		}
	}
	return count
}

// children are this process's own.
func children(t *testing.T) (all []procfs.Proc) {
	processes, err := procfs.AllProcs()
	require.NoError(t, err)
	for _, p := range processes {
		if stat, err := p.Stat(); err == nil && stat.PPID == os.Getpid() {
			all = append(all, p)
		}
	}
	return all
}

func TestTheNodeWaitsForItsAgents(t *testing.T) {
	r := newRuntime(t)
	spawners := func() (all []procfs.Proc) {
		for _, child := range children(t) {
			if line, err := child.CmdLine(); err == nil && len(line) == 1 && line[0] == wire.SpawnerName {
				all = append(all, child)
			}
		}
		return all
	}
	first := newPod(t, r)
	for _, p := range spawners() { // another test's may have just been closed
		require.NoError(t, unix.Kill(p.PID, unix.SIGKILL))
	}
	podtest.Eventually(t, "the spawner is gone", func() bool { return len(spawners()) == 0 })
	second := newPod(t, r)
	for _, p := range []*Pod{first, second} {
		require.True(t, slices.ContainsFunc(children(t), func(child procfs.Proc) bool { return child.PID == p.agent.PID() }), "started by a spawner, but this process's child")
		_, exit := podtest.Runs(t, p, podtest.Command("exit", "3"))
		require.Equal(t, sandbox.Exit{Code: 3}, exit)
	}
}

func TestAHundredPodsLeaveNothing(t *testing.T) {
	r := newRuntime(t)
	marker := fmt.Sprintf("hundred-%d", os.Getpid())
	one := func() {
		p, err := r.Start(t.Context(), podtest.PodSpec())
		require.NoError(t, err)
		listener, err := p.Listen("tcp", podtest.Service+":443")
		require.NoError(t, err)
		require.NotNil(t, listener)
		require.NoError(t, p.SetVolume("v", sandbox.Volume{Files: map[string]sandbox.File{"f": {}}}))
		podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) { c.Args = append(c.Args, marker) })
		process, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "true"}, TTY: true})
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, process.Terminal())
		require.Error(t, err)
		require.NoError(t, process.Terminal().Close())
		require.NoError(t, p.Close())
	}
	one() // opens what the runtime keeps
	descriptors, mounts, processesBefore := descriptorCount(t), mountCount(t), len(children(t))
	for range 100 {
		one()
	}
	require.Zero(t, podtest.Processes(t, marker))
	require.Len(t, children(t), processesBefore)
	require.Equal(t, mounts, mountCount(t))
	require.LessOrEqual(t, descriptorCount(t), descriptors+1, "the runtime's poller may have opened one")
	require.Empty(t, left(t, r.prefix))
}

func TestManyAtTheSameTime(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	podtest.Sleeping(t, p, nil)
	done := make(chan error, 40)
	for range 40 {
		go func() {
			process, err := p.Exec(context.Background(), "main", sandbox.ExecSpec{Args: []string{"probe", "exit", "3"}})
			if err == nil {
				var exit sandbox.Exit
				exit, err = process.Wait()
				if err == nil && exit.Code != 3 {
					err = fmt.Errorf("%v", exit)
				}
			}
			done <- err
		}()
	}
	for range 40 {
		require.NoError(t, <-done)
	}
}

// TestStuckAgent stops an agent: whatever is asked of it fails in time, and the
// pod can be closed.
func TestStuckAgent(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	process, err := p.Run(t.Context(), podtest.Command("sleep", "stuck"))
	require.NoError(t, err)
	usual := agents.LongestCall
	agents.LongestCall = 300 * time.Millisecond
	defer func() { agents.LongestCall = usual }()
	require.NoError(t, unix.Kill(p.agent.PID(), unix.SIGSTOP))
	for name, ask := range map[string]func() error{
		"a volume":       func() error { return p.SetVolume("v", sandbox.Volume{}) },
		"a volume's end": func() error { _, err := p.ReadVolume("v", "f", 1); return err },
		"a signal":       func() error { return process.Signal(unix.SIGTERM) },
		"a listener":     func() error { _, err := p.Listen("tcp", podtest.Own+":80"); return err },
		"a command": func() error {
			_, err := p.Exec(t.Context(), "c", sandbox.ExecSpec{Args: []string{"probe"}})
			return err
		},
	} {
		began := time.Now()
		require.ErrorContains(t, ask(), "has not answered", name)
		require.Less(t, time.Since(began), 5*time.Second, name)
	}
	require.NoError(t, p.Close())
	_, err = process.Wait()
	require.ErrorIs(t, err, sandbox.ErrGone)
}

// TestWhoseFaultAFailureIs asks for what no machine could give.
func TestWhoseFaultAFailureIs(t *testing.T) {
	r := newRuntime(t)
	var its *sandbox.StartError
	t.Run("a volume in a file", func(t *testing.T) {
		p := newPod(t, r)
		require.NoError(t, p.SetVolume("v", sandbox.Volume{}))
		spec := podtest.Command("true")
		spec.Mounts = []sandbox.Mount{{Volume: "v", Path: "/bin/probe/v"}}
		_, err := p.Run(t.Context(), spec)
		require.ErrorAs(t, err, &its, "%v", err)
	})
	t.Run("a file in a file", func(t *testing.T) {
		p := newPod(t, r)
		err := p.SetVolume("v", sandbox.Volume{Files: map[string]sandbox.File{"a": {}, "a/b": {}}})
		require.ErrorAs(t, err, &its, "%v", err)
	})
	t.Run("a sysctl", func(t *testing.T) {
		_, err := r.Start(t.Context(), sandbox.PodSpec{UID: "sysctl", Name: "sysctl", Sysctls: map[string]string{"net.ipv4.tcp_rmem": "many"}})
		require.ErrorAs(t, err, &its, "%v", err)
	})
}
