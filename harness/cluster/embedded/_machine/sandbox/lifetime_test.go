package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// node is what TestNodeKilled kills: a process with a pod in which something runs.
func node() {
	r := &Runtime{
		Agent: filepath.Join(built, "agent"), Images: map[string]string{"probe": filepath.Join(built, "image.tar")}, Prefix: "sandboxtest-killed",
	}
	p, err := r.Start(context.Background(), PodSpec{UID: "1", Name: "killed", Addresses: []netip.Addr{netip.MustParseAddr(own)}})
	must(err)
	_, err = p.Run(context.Background(), command("sleep", os.Getenv("SANDBOX_TEST_NODE")))
	must(err)
	fmt.Println("ready")
	select {}
}

func TestNodeKilled(t *testing.T) {
	marker := fmt.Sprintf("node-killed-%d", os.Getpid())
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "SANDBOX_TEST_NODE="+marker, "SANDBOX_TEST_BUILT="+built)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	_, err = bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, 1, processes(t, marker))
	require.NoError(t, command.Process.Kill())
	require.Error(t, command.Wait())
	eventually(t, "the container ended with its node", func() bool { return processes(t, marker) == 0 })

	r := newRuntime(t)
	r.Prefix = "sandboxtest-killed"
	eventually(t, "cgroups are swept", func() bool {
		require.NoError(t, r.Sweep())
		return len(cgroups(t, r.Prefix)) == 0
	})
}

func TestSweepLeavesPodsAlone(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	require.NoError(t, r.Sweep())
	_, exit := runs(t, p, command("true"))
	require.Equal(t, Exit{}, exit)
}

func TestAgentKilled(t *testing.T) {
	p := newPod(t, newRuntime(t))
	marker := fmt.Sprintf("agent-killed-%d", os.Getpid())
	process, err := p.Run(t.Context(), command("sleep", marker))
	require.NoError(t, err)
	require.NoError(t, p.agent.Kill())
	<-p.Done()
	_, err = process.Wait()
	require.ErrorIs(t, err, ErrGone)
	require.Zero(t, processes(t, marker))
}

// cgroups are those of a prefix, wherever this user can make some.
func cgroups(t *testing.T, prefix string) []string {
	places, err := hierarchies()
	if err != nil {
		return nil
	}
	var all []string
	for _, place := range places {
		for _, folder := range place.folders() {
			found, err := filepath.Glob(filepath.Join(folder, prefix+"*"))
			require.NoError(t, err)
			all = append(all, found...)
		}
	}
	return all
}

func descriptorCount(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

func mountCount(t *testing.T) int {
	content, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	return strings.Count(string(content), "\n")
}

// children counts this process's own.
func children(t *testing.T) int {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(content), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == fmt.Sprint(os.Getpid()) {
			found++
		}
	}
	return found
}

func TestAHundredPodsLeaveNothing(t *testing.T) {
	r := newRuntime(t)
	marker := fmt.Sprintf("hundred-%d", os.Getpid())
	one := func() {
		p, err := r.Start(t.Context(), podSpec())
		require.NoError(t, err)
		listener, err := p.Listen("tcp", service+":443")
		require.NoError(t, err)
		require.NotNil(t, listener)
		require.NoError(t, p.SetVolume("v", Volume{Files: map[string]File{"f": {}}}))
		sleeping(t, p, func(c *ContainerSpec) { c.Args = append(c.Args, marker) })
		process, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "true"}, TTY: true})
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, process.Terminal)
		require.Error(t, err)
		require.NoError(t, process.Terminal.Close())
		require.NoError(t, p.Close())
	}
	one() // opens what the runtime keeps
	descriptors, mounts, processesBefore := descriptorCount(t), mountCount(t), children(t)
	for range 100 {
		one()
	}
	require.Zero(t, processes(t, marker))
	require.Equal(t, processesBefore, children(t))
	require.Equal(t, mounts, mountCount(t))
	require.LessOrEqual(t, descriptorCount(t), descriptors+1, "the runtime's poller may have opened one")
	require.Empty(t, cgroups(t, r.Prefix))
}

func TestManyAtTheSameTime(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	sleeping(t, p, nil)
	done := make(chan error, 40)
	for range 40 {
		go func() {
			process, err := p.Exec(context.Background(), "main", ExecSpec{Args: []string{"probe", "exit", "3"}})
			if err == nil {
				var exit Exit
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
