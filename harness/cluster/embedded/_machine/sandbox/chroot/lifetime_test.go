package chroot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/testdata/podtest"

	"golang.org/x/sys/unix"
)

// node is what TestNodeAndAgentKilled kills: a process with a pod in which a
// daemon runs. It says which process the agent is.
func node() {
	config := podtest.Config()
	config.Dir = os.Getenv("SANDBOX_TEST_NODE")
	program, err := agents.Load(config.Agent)
	podtest.Must(err)
	r, err := New(context.Background(), program, config, errors.New("tests"))
	podtest.Must(err)
	r.SetImages(podtest.Images())
	p, err := r.Start(context.Background(), podtest.PodSpec())
	podtest.Must(err)
	_, err = p.Run(context.Background(), podtest.Command("sleep"))
	podtest.Must(err)
	daemon, err := p.Exec(context.Background(), "main", sandbox.ExecSpec{Args: []string{"probe", "orphan", os.Getenv("SANDBOX_TEST_MARKER")}})
	podtest.Must(err)
	_, err = daemon.Wait()
	podtest.Must(err)
	fmt.Println(p.(*Pod).containers["main"].agent.PID())
	select {}
}

// TestNodeAndAgentKilled kills both at once. What is left ends when the
// cluster's next node starts, whichever other nodes there were meanwhile.
func TestNodeAndAgentKilled(t *testing.T) {
	if !restricted {
		t.Skip("TestAsContainersRoot runs it")
	}
	other, marker, dir := chrootRuntime(t), fmt.Sprintf("daemon-%d", os.Getpid()), t.TempDir()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "SANDBOX_TEST_NODE="+dir, "SANDBOX_TEST_MARKER="+marker, "SANDBOX_TEST_BUILT="+podtest.Built)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	var agent int
	_, err = fmt.Sscan(line, &agent)
	require.NoError(t, err, line)
	require.NoError(t, errors.Join(command.Process.Kill(), unix.Kill(agent, unix.SIGKILL)))
	require.Error(t, command.Wait())
	podtest.Eventually(t, "only the daemon is left", func() bool { return podtest.Processes(t, marker) == 1 })

	require.NotEqual(t, dir, other.dir)
	config := podtest.Config()
	config.Dir = dir
	again := runtimeIn(t, config)
	podtest.Eventually(t, "the daemon ended", func() bool { return podtest.Processes(t, marker) == 0 })
	_, exit := podtest.Runs(t, newPod(t, again), podtest.Command("true"))
	require.Equal(t, sandbox.Exit{}, exit)
}

// TestASlowEndHoldsNobodyUp closes a pod whose agent does not answer. Meanwhile
// others are kept within their memory.
func TestASlowEndHoldsNobodyUp(t *testing.T) {
	r := chrootRuntime(t)
	slow := newPod(t, r)
	podtest.Sleeping(t, slow, nil)
	require.NoError(t, unix.Kill(slow.containers["main"].agent.PID(), unix.SIGSTOP))
	closed := make(chan error, 1)
	go func() { closed <- slow.Close() }()
	time.Sleep(2 * memoryInterval)
	spec := podtest.Command("hog", "300")
	spec.Memory = 64 << 20
	output, exit := podtest.Runs(t, newPod(t, r), spec)
	require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL, OOMKilled: true}, exit, output)
	select {
	case <-closed:
		require.Fail(t, "the agent was not slow")
	default:
	}
	_, err := slow.Run(t.Context(), podtest.Command("true"))
	require.ErrorIs(t, err, sandbox.ErrGone)
	require.NoError(t, <-closed)
}

// TestProcessesOfOtherPIDNamespaces gives a process in one below a user of this
// runtime's, as another machine may do. It is none of this one's.
func TestProcessesOfOtherPIDNamespaces(t *testing.T) {
	if restricted || os.Geteuid() != 0 {
		t.Skip("it needs root and namespaces")
	}
	const first = 0x70000000
	for flags, want := range map[uintptr]int{0: 1, unix.CLONE_NEWPID: 0} {
		command := exec.Command("sleep", "60")
		command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Credential: &syscall.Credential{Uid: first + 99, Gid: first + 99}}
		require.NoError(t, command.Start())
		require.Len(t, newUsers(first).processes()[first+99], want)
		require.NoError(t, command.Process.Kill())
		require.Error(t, command.Wait())
	}
}
