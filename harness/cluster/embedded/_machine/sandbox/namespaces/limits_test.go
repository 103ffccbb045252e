package namespaces

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"golang.org/x/sys/unix"
	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

func TestAForkBombStops(t *testing.T) {
	r := newRuntime(t)
	spec := podtest.PodSpec()
	spec.PIDs = 200
	p := podtest.StartPod(t, r, spec).(*Pod)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	bomb := podtest.Command("bomb")
	bomb.Stdout = writer
	_, err = p.Run(t.Context(), bomb)
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "stopped after")

	process, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "true"}})
	if err == nil {
		_, err = podtest.Waits(t, process)
		require.NoError(t, err)
	} else {
		require.ErrorContains(t, err, "resource temporarily unavailable")
	}
	require.False(t, p.agent.Ended(), "the agent lives on")

	other := newPod(t, r)
	output, exit := podtest.Runs(t, other, podtest.Command("echo", "unharmed"))
	require.Equal(t, "unharmed\n", output)
	require.Equal(t, sandbox.Exit{}, exit)
}

// TestManyForkBombs has each container of a pod start as many processes as it
// can.
func TestManyForkBombs(t *testing.T) { podtest.ManyForkBombs(t, newRuntime(t)) }

// TestDescriptorsOnTheirWay queues as many as the kernel lets a container. The
// node's, of the same user perhaps, still get through.
func TestDescriptorsOnTheirWay(t *testing.T) {
	r := newRuntime(t)
	podtest.DescriptorsOnTheirWay(t, newPod(t, r), newPod(t, r))
}

func TestLimitsOfProcesses(t *testing.T) {
	podtest.LimitsOfProcesses(t, newPod(t, newRuntime(t)))
}

func TestAMemoryHogIsKilled(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	spec := podtest.Command("hog", "400")
	spec.Memory = 64 << 20
	output, exit := podtest.Runs(t, p, spec)
	require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL, OOMKilled: true}, exit, output)
	require.NotContains(t, output, "had")

	spec = podtest.Command("hog", "10")
	spec.Memory = 256 << 20
	output, exit = podtest.Runs(t, p, spec)
	require.Equal(t, sandbox.Exit{}, exit, output)
}

// TestMemoryInOtherForms takes it in ways that no process's resident memory
// shows.
func TestMemoryInOtherForms(t *testing.T) {
	r := newRuntime(t)
	spec := podtest.PodSpec()
	spec.Memory = 128 << 20
	p := podtest.StartPod(t, r, spec).(*Pod)
	require.NoError(t, p.SetVolume("data", sandbox.Volume{SizeLimit: 1 << 30}))
	for _, hog := range [][]string{
		{"fill", "/tmp/file"}, {"memfd", "400"}, {"tables", "200"}, {"buffers", "500"}, {"nested", "400"}, {"respawn", "20", "100"}, {"fill", "/data/file"},
	} {
		if (hog[0] == "respawn" || hog[0] == "buffers") && r.support.Memory != sandbox.LimitWatch {
			continue // The kernel kills one after the other, and none gets far; of buffers it counts what they hold.
		}
		spec := podtest.Command(hog...)
		spec.Disk, spec.Capabilities = 1<<30, []string{"SYS_ADMIN"}
		spec.Mounts = []sandbox.Mount{{Volume: "data", Path: "/data"}}
		output, exit := podtest.Runs(t, p, spec)
		require.NotContains(t, output, "had", hog)
		if hog[0] == "memfd" && r.support.Memory == sandbox.LimitWatch {
			require.Contains(t, output, "operation not permitted")
			continue
		}
		if hog[0] != "nested" || exit.OOMKilled {
			require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL, OOMKilled: true}, exit, "%s: %s", hog, output)
		} else {
			require.Contains(t, output, "signal: killed", "the nested one alone")
		}
	}
}

func TestOnlyTheGreedyProcessIsKilled(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	spec := podtest.Command("hog-child", "400")
	spec.Memory = 64 << 20
	output, exit := podtest.Runs(t, p, spec)
	require.Contains(t, output, "child: signal: killed")
	require.Equal(t, sandbox.Exit{}, exit, "the first process lives on")
	require.NoError(t, p.Close())
	require.Equal(t, r.support.Memory != sandbox.LimitWatch, p.OverLimit())
}

func TestAKilledProcessIsNotTakenForOneOverItsLimit(t *testing.T) {
	p := newPod(t, newRuntime(t))
	spec := podtest.Command("sleep")
	spec.Memory = 64 << 20
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	require.NoError(t, process.Signal(unix.SIGKILL))
	exit, err := podtest.Waits(t, process)
	require.NoError(t, err)
	require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL}, exit)
	require.NoError(t, p.Close())
	require.False(t, p.OverLimit())
}

func TestKilledLater(t *testing.T) { podtest.KilledLater(t, newPod(t, newRuntime(t))) }

func TestDiskFillersStop(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("data", sandbox.Volume{SizeLimit: 4 << 20}))
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) {
		c.Disk = 8 << 20
		c.Mounts = []sandbox.Mount{{Volume: "data", Path: "/data"}}
	})
	for file, room := range map[string]string{"/tmp/full": "7", "/data/full": "4", "/dev/full-up": "1", "/dev/shm/full": "64"} {
		output, exit := podtest.Executes(t, p, "fill", file)
		require.Equal(t, 1, exit.Code)
		require.Contains(t, output, "no space left on device")
		count := strings.Fields(output)[0]
		if file != "/tmp/full" {
			require.Equal(t, room, count, file)
		}
	}
}
