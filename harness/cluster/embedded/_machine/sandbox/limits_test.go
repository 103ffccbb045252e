package sandbox

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
	"golang.org/x/sys/unix"
)

func TestAForkBombStops(t *testing.T) {
	r := newRuntime(t)
	spec := podSpec()
	spec.PIDs = 200
	p, err := r.Start(t.Context(), spec)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	bomb := command("bomb")
	bomb.Stdout = writer
	_, err = p.Run(t.Context(), bomb)
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "stopped after")

	process, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "true"}})
	if err == nil {
		_, err = waits(t, process)
		require.NoError(t, err)
	} else {
		require.ErrorContains(t, err, "resource temporarily unavailable")
	}
	require.False(t, p.ended(), "the agent lives on")

	other := newPod(t, r)
	output, exit := runs(t, other, command("echo", "unharmed"))
	require.Equal(t, "unharmed\n", output)
	require.Equal(t, Exit{}, exit)
}

// TestManyForkBombs has each container of a pod start as many processes as it can.
func TestManyForkBombs(t *testing.T) { manyForkBombs(t, newRuntime(t)) }

func manyForkBombs(t *testing.T, r *Runtime) {
	spec := podSpec()
	spec.PIDs = 100
	p, err := r.Start(t.Context(), spec)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	marker := fmt.Sprintf("bombs-%d-%s", os.Getpid(), t.Name())
	for i := range 8 {
		bomb := command("bomb", marker)
		bomb.Name = fmt.Sprint("bomb", i)
		if _, err := p.Run(t.Context(), bomb); err != nil {
			require.ErrorContains(t, err, "resource temporarily unavailable")
		}
	}
	eventually(t, "together they have no more than one may", func() bool { return threads(t, marker) <= 100 })
	time.Sleep(500 * time.Millisecond)
	require.LessOrEqual(t, threads(t, marker), 100)
}

// threads counts those of the processes that have the text in their command line.
func threads(t *testing.T, text string) int {
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

// TestDescriptorsOnTheirWay queues as many as the kernel lets a container. The node's, of the same user perhaps, still get through.
func TestDescriptorsOnTheirWay(t *testing.T) {
	r := newRuntime(t)
	descriptorsOnTheirWay(t, newPod(t, r), newPod(t, r))
}

func descriptorsOnTheirWay(t *testing.T, greedy, other *Pod) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	spec := command("inflight")
	spec.Stdout = writer
	_, err = greedy.Run(t.Context(), spec)
	require.NoError(t, errors.Join(err, writer.Close()))
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	var count int
	_, err = fmt.Sscanf(line, "stopped after %d", &count)
	require.NoError(t, err, line)
	require.Less(t, count, 2000, line)
	output, exit := runs(t, other, command("echo", "unharmed"))
	require.Equal(t, "unharmed\n", output)
	require.Equal(t, Exit{}, exit)
}

func TestLimitsOfProcesses(t *testing.T) {
	limitsOfProcesses(t, newPod(t, newRuntime(t)))
}

func limitsOfProcesses(t *testing.T, p *Pod) {
	sleeping(t, p, nil)
	for range 2 {
		output, _ := executes(t, p, "limits")
		require.Contains(t, output, "core 1\n")
		require.Contains(t, output, "files 1024\n")
	}
}

func TestAMemoryHogIsKilled(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	spec := command("hog", "400")
	spec.Memory = 64 << 20
	output, exit := runs(t, p, spec)
	require.Equal(t, Exit{Code: 137, Signal: unix.SIGKILL, OOMKilled: true}, exit, output)
	require.NotContains(t, output, "had")

	spec = command("hog", "10")
	spec.Memory = 256 << 20
	output, exit = runs(t, p, spec)
	require.Equal(t, Exit{}, exit, output)
}

// TestMemoryInOtherForms takes it in ways that no process's resident memory shows.
func TestMemoryInOtherForms(t *testing.T) {
	r := newRuntime(t)
	spec := podSpec()
	spec.Memory = 128 << 20
	p, err := r.Start(t.Context(), spec)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	require.NoError(t, p.SetVolume("data", Volume{SizeLimit: 1 << 30}))
	for _, hog := range [][]string{
		{"fill", "/tmp/file"}, {"memfd", "400"}, {"tables", "200"}, {"buffers", "500"}, {"nested", "400"}, {"respawn", "20", "100"}, {"fill", "/data/file"},
	} {
		if (hog[0] == "respawn" || hog[0] == "buffers") && r.support.Memory != LimitWatch {
			continue // The kernel kills one after the other, and none gets far; of buffers it counts what they hold.
		}
		spec := command(hog...)
		spec.Disk, spec.Capabilities = 1<<30, []string{"SYS_ADMIN"}
		spec.Mounts = []Mount{{Volume: "data", Path: "/data"}}
		output, exit := runs(t, p, spec)
		require.NotContains(t, output, "had", hog)
		if hog[0] == "memfd" && r.support.Memory == LimitWatch {
			require.Contains(t, output, "operation not permitted")
			continue
		}
		if hog[0] != "nested" || exit.OOMKilled {
			require.Equal(t, Exit{Code: 137, Signal: unix.SIGKILL, OOMKilled: true}, exit, "%s: %s", hog, output)
		} else {
			require.Contains(t, output, "signal: killed", "the nested one alone")
		}
	}
}

func TestOnlyTheGreedyProcessIsKilled(t *testing.T) {
	p := newPod(t, newRuntime(t))
	spec := command("hog-child", "400")
	spec.Memory = 64 << 20
	output, exit := runs(t, p, spec)
	require.Contains(t, output, "child: signal: killed")
	require.Equal(t, Exit{}, exit, "the first process lives on")
}

func TestAKilledProcessIsNotTakenForOneOverItsLimit(t *testing.T) {
	p := newPod(t, newRuntime(t))
	spec := command("sleep")
	spec.Memory = 64 << 20
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	require.NoError(t, process.Signal(unix.SIGKILL))
	exit, err := waits(t, process)
	require.NoError(t, err)
	require.Equal(t, Exit{Code: 137, Signal: unix.SIGKILL}, exit)
}

func TestDiskFillersStop(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("data", Volume{SizeLimit: 4 << 20}))
	sleeping(t, p, func(c *ContainerSpec) {
		c.Disk = 8 << 20
		c.Mounts = []Mount{{Volume: "data", Path: "/data"}}
	})
	for file, room := range map[string]string{"/tmp/full": "7", "/data/full": "4", "/dev/full-up": "1", "/dev/shm/full": "64"} {
		output, exit := executes(t, p, "fill", file)
		require.Equal(t, 1, exit.Code)
		require.Contains(t, output, "no space left on device")
		count := strings.Fields(output)[0]
		if file != "/tmp/full" {
			require.Equal(t, room, count, file)
		}
	}
}
