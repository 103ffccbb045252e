package podtest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"

	"golang.org/x/sys/unix"
)

// KeepsThePreviousVersion reads as one does who has followed ..data and is
// preempted before the file.
func KeepsThePreviousVersion(t *testing.T, p sandbox.Pod) {
	set := func(text string) {
		require.NoError(t, p.SetVolume("v", sandbox.Volume{Files: map[string]sandbox.File{"f": {Data: []byte(text)}}}))
	}
	list := func() []string {
		output, _ := Executes(t, p, "list", "/v")
		return strings.Fields(output)
	}
	set("first")
	Sleeping(t, p, func(c *sandbox.ContainerSpec) { c.Mounts = []sandbox.Mount{{Volume: "v", Path: "/v"}} })
	names := list()
	require.Len(t, names, 3)
	followed := "/v/" + names[0] + "/f"
	set("second")
	output, _ := Executes(t, p, "cat", followed)
	require.Equal(t, "first", output, "until the next update")
	output, _ = Executes(t, p, "cat", "/v/f")
	require.Equal(t, "second", output)
	for _, text := range []string{"third", "fourth"} {
		set(text)
		output, _ = Executes(t, p, "cat", "/v/f")
		require.Equal(t, text, output)
		output, _ = Executes(t, p, "cat", followed)
		require.Contains(t, output, "no such file")
		require.Len(t, list(), 4, "two versions, ..data and f")
	}
}

// HostileAccounts puts in the place of /etc/passwd what has no end, and what
// nobody answers.
func HostileAccounts(t *testing.T, p sandbox.Pod) {
	for name, hostile := range map[string][]string{"zero": {"link", "/dev/zero", "/etc/passwd"}, "fifo": {"fifo", "/etc/passwd"}} {
		require.NoError(t, p.SetVolume(name, sandbox.Volume{}))
		spec := Command(hostile...)
		spec.Mounts = []sandbox.Mount{{Volume: name, Path: "/etc"}}
		output, exit := Runs(t, p, spec)
		require.Equal(t, sandbox.Exit{}, exit, output)
		spec.Args = []string{"probe", "env"}
		output, exit = Runs(t, p, spec)
		require.Equal(t, sandbox.Exit{}, exit)
		require.Contains(t, output, "HOME=/\n")
	}
}

// ManyForkBombs has each container of a pod start as many processes as it can.
func ManyForkBombs(t *testing.T, r sandbox.Runtime) {
	spec := PodSpec()
	spec.PIDs = 100
	p := StartPod(t, r, spec)
	marker := fmt.Sprintf("bombs-%d-%s", os.Getpid(), t.Name())
	for i := range 8 {
		bomb := Command("bomb", marker)
		bomb.Name = fmt.Sprint("bomb", i)
		if _, err := p.Run(t.Context(), bomb); err != nil {
			require.ErrorContains(t, err, "resource temporarily unavailable")
		}
	}
	Eventually(t, "together they have no more than one may", func() bool { return Threads(t, marker) <= 100 })
	time.Sleep(500 * time.Millisecond)
	require.LessOrEqual(t, Threads(t, marker), 100)
}

// Threads counts those of the processes that have the text in their command
// line.
func Threads(t *testing.T, text string) int {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), text) {
			tasks, _ := os.ReadDir(filepath.Dir(file) + "/task")
			found += len(tasks)
		}
	}
	return found
}

// DescriptorsOnTheirWay queues as many as the kernel lets a container. The
// node's, of the same user perhaps, still get through.
func DescriptorsOnTheirWay(t *testing.T, greedy, other sandbox.Pod) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	spec := Command("inflight")
	spec.Stdout = writer
	_, err = greedy.Run(t.Context(), spec)
	require.NoError(t, errors.Join(err, writer.Close()))
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	var count int
	_, err = fmt.Sscanf(line, "stopped after %d", &count)
	require.NoError(t, err, line)
	require.Less(t, count, 2000, line)
	output, exit := Runs(t, other, Command("echo", "unharmed"))
	require.Equal(t, "unharmed\n", output)
	require.Equal(t, sandbox.Exit{}, exit)
}

// LimitsOfProcesses reads what the kernel holds each process to.
func LimitsOfProcesses(t *testing.T, p sandbox.Pod) {
	Sleeping(t, p, nil)
	for range 2 {
		output, _ := Executes(t, p, "limits")
		require.Contains(t, output, "core 1\n")
		require.Contains(t, output, "files 1024\n")
	}
}

// Begins runs a container until it says that it is ready.
func Begins(t *testing.T, p sandbox.Pod, spec sandbox.ContainerSpec) sandbox.Process {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	spec.Stdout = writer
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, errors.Join(err, writer.Close()))
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return process
}

// TracedProcess has a process stop because it is traced, which is no end.
func TracedProcess(t *testing.T, p sandbox.Pod) {
	process := Begins(t, p, Command("traced"))
	select {
	case <-process.Done():
		exit, err := process.Wait()
		require.Fail(t, "it is there yet", "%v %v", exit, err)
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, process.Signal(unix.SIGKILL))
	exit, err := Waits(t, process)
	require.NoError(t, err)
	require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL}, exit)
}

// KilledLater has one process be killed for its memory, and its container later
// for another reason.
func KilledLater(t *testing.T, p sandbox.Pod) {
	spec := Command("sleep")
	spec.Memory = 64 << 20
	first, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	output, exit := Executes(t, p, "hog", "400")
	require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL, OOMKilled: true}, exit, output)
	other, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "sleep"}})
	require.NoError(t, err)
	for _, process := range []sandbox.Process{other, first} {
		require.NoError(t, process.Signal(unix.SIGKILL))
		exit, err = Waits(t, process)
		require.NoError(t, err)
		require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL}, exit)
	}
}
