package embedded

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/owned"
	"rolecall/harness/next"
)

// TestDownWaitsForWhatIsEnding has a pod whose agent outlives the machine, and
// whose cgroup the kernel keeps a while after the agent's end, as it does for
// one that had much memory.
func TestDownWaitsForWhatIsEnding(t *testing.T) {
	c := &Cluster{owned.New(cluster.Options{Home: t.TempDir()}, "embedded", "n")}
	group := filepath.Join(t.TempDir(), "rolecall-pod")
	procs := filepath.Join(group, "agent", "cgroup.procs")
	require.NoError(t, os.MkdirAll(filepath.Dir(procs), 0o755))
	require.NoError(t, os.MkdirAll(c.Folder(), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(c.Folder(), cgroups), []byte(filepath.Dir(group)+"/rolecall-*"), 0o600))

	agent := exec.Command("sleep", "60")
	require.NoError(t, agent.Start())
	require.NoError(t, os.WriteFile(procs, []byte(strconv.Itoa(agent.Process.Pid)+"\n"), 0o600))
	go func() {
		_ = agent.Wait()
		time.Sleep(2 * time.Second)
		_ = os.Remove(procs) // a folder with a file cannot be removed, like a cgroup with a process
	}()
	require.NoError(t, c.Down(t.Context()))
	assert.NoDirExists(t, group)
	assert.NoDirExists(t, c.Folder())
}

// TestDiagnose looks at a cluster whose folder is gone, whose process has
// ended, and whose disk is full.
func TestDiagnose(t *testing.T) {
	c := &Cluster{owned.New(cluster.Options{Home: t.TempDir()}, "embedded", "n")}
	require.ErrorContains(t, c.Diagnose(), "is gone")
	require.NoError(t, os.MkdirAll(c.Folder(), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(c.Folder(), machineLog), []byte("first\nits last words\n"), 0o600))
	require.ErrorContains(t, c.Diagnose(), "its last words")
	machine := flock.New(c.lock())
	require.NoError(t, machine.Lock())
	defer machine.Close()
	require.NoError(t, c.Diagnose())

	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no full disk here: ", err)
	}
	full.Close()
	require.NoError(t, os.Symlink("/dev/full", filepath.Join(c.Folder(), "written-by-diagnose")))
	err = c.Diagnose()
	require.ErrorContains(t, err, "no space left on device")
	assert.Equal(t, "free some disk space for "+c.Folder(), next.Of(err))
}
