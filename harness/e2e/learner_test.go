package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLearner is a learner's way through a lab: the starter, a mistake, three
// hints, one for each attempt, the mended file, what it means, and the next lab.
func TestLearner(t *testing.T) {
	bed, dir, lab := bed(t), t.TempDir(), lab(t, 1)
	call := func(status int, args ...string) string {
		t.Helper()
		cmd := bed.rolecall(t, args...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		require.Equal(t, status, cmd.ProcessState.ExitCode(), "%s", out)
		return string(out)
	}
	mine := filepath.Join(dir, "work", lab.Folder(), lab.Files[0].Name)
	assert.Contains(t, call(0, "next"), lab.Folder()+"/"+lab.Files[0].Name)
	text, err := os.ReadFile(mine)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(mine, append(text, "\n# mine\n"...), 0o644))

	hints, err := fix.course.Hints(lab)
	require.NoError(t, err)
	for i, title := range []string{"the idea", "what was found in yours", "a similar case"} {
		said := call(1, "lab", number(lab))
		assert.Contains(t, said, "Stuck? ")
		assert.NotContains(t, said, "    hint  ", "it waits")
		assert.Contains(t, call(0, "hint"), title)
		if i < 2 {
			assert.Contains(t, call(0, "hint"), "The next hint opens after another attempt")
		}
	}
	assert.Contains(t, call(0, "hint"), hints["pod.running"].Idea)
	call(1, "difference", number(lab))

	require.NoError(t, os.RemoveAll(filepath.Dir(mine)))
	_, err = fix.course.Solution(lab, filepath.Join(dir, "work"))
	require.NoError(t, err)
	means, err := fix.course.Meaning(lab)
	require.NoError(t, err)
	said := call(0, "lab", number(lab))
	assert.Contains(t, said, means)
	assert.Contains(t, said, "\nNext: ")
	assert.Contains(t, call(0, "difference", number(lab)), "the same as the reference, line by line")
	assert.Regexp(t, `✓ Lab 1: .*passed since .* 4 attempts`, call(0, "status"))
	assert.Contains(t, call(0, "next"), "Lab 2 begins.")
	assert.Contains(t, call(0, "hint"), "there is nothing to hint at")
}
