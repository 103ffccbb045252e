package grade

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKilledTakesItsProcessesAlong kills the one that grades a folder: the
// process that grades a submission is asked to end.
func TestKilledTakesItsProcessesAlong(t *testing.T) {
	out := t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "ROLECALL_TEST_CLASS="+class(t, "hangs"), "ROLECALL_TEST_GRADED="+out, "ROLECALL_TEST_KEY="+signing.File())
	require.NoError(t, parent.Start())
	var child, self int
	require.Eventually(t, func() bool {
		log, err := os.ReadFile(filepath.Join(out, "submissions/hangs/log.txt"))
		n, _ := fmt.Sscanf(string(log), "child %d of %d", &child, &self)
		return err == nil && n == 2
	}, 20*time.Second, 20*time.Millisecond)
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) })
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	assert.Eventually(t, func() bool { return !runs(self) }, 10*time.Second, 20*time.Millisecond)
}
