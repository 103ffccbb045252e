package embedded

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/owned"
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
