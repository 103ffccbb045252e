package grade

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAMachineOutlivesWhoHandsItOn: a grading process that ends by itself leaves
// its machine to the next one; with one that crashes or takes too long it ends.
// What a machine takes counts, whoever started it.
func TestAMachineOutlivesWhoHandsItOn(t *testing.T) {
	for name, test := range map[string]struct {
		ends   string
		budget Budget
		lives  bool
		says   string
	}{
		"ends":               {"exit 1", Budget{Time: time.Minute, Memory: 1 << 30}, true, ""},
		"crashes":            {"kill -9 $$", Budget{Time: time.Minute}, false, "signal: killed"},
		"takes too long":     {"sleep 60", Budget{Time: 2 * time.Second}, false, "longer than 2s"},
		"takes too much":     {"sleep 60", Budget{Time: time.Minute, Memory: 1 << 10}, false, "MiB of memory"},
		"ends with a signal": {"kill -TERM $$", Budget{Time: time.Minute}, false, "signal: terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "machine")
			machine := func() int {
				text, _ := os.ReadFile(file)
				pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
				return pid
			}
			t.Cleanup(func() { _ = syscall.Kill(machine(), syscall.SIGKILL) })
			cmd := exec.Command("sh", "-c", "setsid sleep 300 </dev/null >/dev/null 2>&1 & echo $! >"+file+"; sleep 1; "+test.ends)
			err := test.budget.run(t.Context(), cmd, machine, filepath.Join(dir, "log.txt"))
			if test.says == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, test.says)
			}
			require.NotZero(t, machine())
			if test.lives {
				assert.True(t, runs(machine()))
				return
			}
			assert.Eventually(t, func() bool { return !runs(machine()) }, 5*time.Second, 10*time.Millisecond)
		})
	}
}
