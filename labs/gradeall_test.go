package labs_test

import (
	"bytes"
	"encoding/csv"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/grade"
	"rolecall/harness/report"
	"rolecall/labs/corpus"
)

var (
	corpusSize    = flag.Int("corpus.size", 12, "how many submissions TestGradeAll grades; fewer than 200 are a sample of those")
	corpusWorkers = flag.String("corpus.workers", "2", "how many submissions TestGradeAll grades at a time")
)

// class lays out the submissions that TestGradeAll grades.
func class(t *testing.T) (dir string, all []corpus.HandedIn) {
	t.Helper()
	dir = t.TempDir()
	for i, h := range corpus.LayOut(t, dir, max(200, *corpusSize)) {
		if *corpusSize < 200 && i*(*corpusSize)/200 == (i+1)*(*corpusSize)/200 {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, h.Name)))
			continue
		}
		all = append(all, h)
	}
	return dir, all
}

func gradeAll(t *testing.T, binary, dir, out string) *exec.Cmd {
	t.Helper()
	return exec.Command(binary, "grade-all", "-submissions", dir, "-out", out, "-formats", "junit,gradescope,prairielearn,markdown,annotations",
		"-name", wish.Name+"-class", "-home", wish.Home, "-cluster", lab.kind, "-workers", *corpusWorkers)
}

// TestGradeAll grades a class and holds every grade to what the corpus says,
// and every result to its evidence. Killed half-way and started again, it ends
// with the same gradebook.
func TestGradeAll(t *testing.T) {
	needsOurs(t)
	binary := build(t)
	dir, all := class(t)
	out := t.TempDir()
	said, err := gradeAll(t, binary, dir, out).CombinedOutput()
	require.NoError(t, err, "%s", said)
	t.Logf("%s", said)
	submissions, _, err := grade.List(dir)
	require.NoError(t, err)
	require.Len(t, submissions, len(all), "none is lost")
	for _, s := range submissions {
		i := slices.IndexFunc(all, func(h corpus.HandedIn) bool { return h.Name == s.Name })
		t.Run(s.Folder, func(t *testing.T) {
			graded := filepath.Join(out, "submissions", s.Folder)
			result, err := report.Read(filepath.Join(graded, "results.json"))
			require.NoError(t, err)
			holds(t, all[i], result)
			said, err := exec.Command(binary, "verify-evidence", "-out", graded, "-home", wish.Home).CombinedOutput()
			assert.NoError(t, err, "%s", said)
		})
	}
	first, err := os.ReadFile(filepath.Join(out, "gradebook.csv"))
	require.NoError(t, err)
	lines, err := csv.NewReader(bytes.NewReader(first)).ReadAll()
	require.NoError(t, err)
	assert.Len(t, lines, len(all)+1)
	assert.Empty(t, left(t), "left behind")

	t.Run("killed and started again", func(t *testing.T) {
		out := t.TempDir()
		killed := start(t, binary, gradeAll(t, binary, dir, out).Args[1:]...)
		for range len(all) / 2 {
			require.True(t, killed.lines.Scan(), killed.said)
		}
		require.NoError(t, killed.Process.Signal(syscall.SIGKILL))
		killed.status()
		again := gradeAll(t, binary, dir, out)
		again.Args = append(again.Args, "-workers", "1") // fewer: what the others had is not forgotten
		said, err := again.CombinedOutput()
		require.NoError(t, err, "%s", said)
		assert.Contains(t, string(said), "graded before: ")
		second, err := os.ReadFile(filepath.Join(out, "gradebook.csv"))
		require.NoError(t, err)
		assert.Equal(t, string(first), string(second))
		assert.Empty(t, left(t), "left behind")
	})
}

// holds a result to the grade that the corpus says.
func holds(t *testing.T, want corpus.HandedIn, got *harness.Result) {
	t.Helper()
	var notPassed []string
	for _, step := range got.Steps {
		for _, c := range step.Checks {
			assert.NotEqual(t, harness.Error, c.Outcome, "%s: %s", c.ID, c.Error)
			if c.Outcome != harness.Pass && step.Lab > 0 {
				notPassed = append(notPassed, c.ID)
			}
			if want.Refused {
				assert.Contains(t, c.Got, "it was refused: ", c.ID)
			}
		}
	}
	assert.Equal(t, want.Points, got.Points)
	if !want.Refused {
		assert.Equal(t, want.NotPassed, notPassed)
	}
}

// left are the places and clusters that grading should have taken away.
func left(t *testing.T) (names []string) {
	t.Helper()
	for _, dir := range []string{"grading", "clusters", "embedded"} {
		entries, err := os.ReadDir(filepath.Join(wish.Home, dir))
		if !os.IsNotExist(err) {
			require.NoError(t, err)
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), wish.Name+"-class") {
				names = append(names, dir+"/"+entry.Name())
			}
		}
	}
	return names
}
