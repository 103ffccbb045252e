package e2e_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/e2e/corpus"
	"rolecall/harness/report"
)

var (
	corpusSize    = flag.Int("corpus.size", 12, "how many submissions TestGradeAll grades; fewer than 200 are a sample of those")
	corpusWorkers = flag.String("corpus.workers", "2", "how many submissions TestGradeAll grades at a time")
)

// class writes the submissions that TestGradeAll grades: a third of them where
// each takes a cluster that does not start in seconds.
func class(t *testing.T, quick bool) (dir string, all []corpus.HandedIn) {
	t.Helper()
	dir = t.TempDir()
	whole, err := corpus.Class(dir, fix.course, os.DirFS(fix.folder), max(200, *corpusSize))
	require.NoError(t, err)
	size := *corpusSize
	if !quick {
		size = max(1, size/3)
	}
	for i, h := range whole {
		if size < 200 && i*size/200 == (i+1)*size/200 {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, h.Name)))
			continue
		}
		all = append(all, h)
	}
	return dir, all
}

// gradeAll are the command's words.
func gradeAll(dir, out string) []string {
	return []string{"grade-all", "--submissions", dir, "--out", out, "--formats", "junit,gradescope,prairielearn,markdown,annotations", "--workers", *corpusWorkers}
}

// TestGradeAll grades a class and holds every grade to what the corpus says,
// and every result to its evidence. Killed half-way and started again, it ends
// with the same gradebook.
func TestGradeAll(t *testing.T) {
	bed := bed(t)
	bed = bed.named(bed.Name() + "-class")
	dir, all := class(t, bed.provider.Quick())
	out := t.TempDir()
	began := time.Now()
	first := bed.rolecall(t, gradeAll(dir, out)...)
	said, _ := first.CombinedOutput()
	t.Logf("%.1f submissions a minute", float64(len(all))/time.Since(began).Minutes())
	assert.Equal(t, needReview(all), first.ProcessState.ExitCode())
	t.Logf("%s", said)
	folders, err := filepath.Glob(filepath.Join(out, "submissions", "*"))
	require.NoError(t, err)
	require.Len(t, folders, len(all), "none is lost")
	for _, graded := range folders {
		t.Run(filepath.Base(graded), func(t *testing.T) {
			result, err := report.Read(filepath.Join(graded, "results.json"))
			require.NoError(t, err)
			i := slices.IndexFunc(all, func(h corpus.HandedIn) bool { return inJSON(t, h.Name) == inJSON(t, result.Submission) })
			require.GreaterOrEqual(t, i, 0, result.Submission)
			holds(t, all[i], result)
			said, err := verify(t, graded).CombinedOutput()
			assert.NoError(t, err, "%s", said)
		})
	}
	book, err := os.ReadFile(filepath.Join(out, "gradebook.csv"))
	require.NoError(t, err)
	lines, err := csv.NewReader(bytes.NewReader(book)).ReadAll()
	require.NoError(t, err)
	assert.Len(t, lines, len(all)+1)
	assert.Empty(t, bed.left(t), "left behind")

	t.Run("killed and started again", func(t *testing.T) {
		out := t.TempDir()
		killed := bed.start(t, gradeAll(dir, out)...)
		for range len(all) / 2 {
			require.True(t, killed.lines.Scan(), killed.said)
		}
		require.NoError(t, killed.Process.Signal(syscall.SIGKILL))
		killed.status()
		again := bed.rolecall(t, append(gradeAll(dir, out), "--workers", "1")...) // fewer: what the others had is not forgotten
		said, _ := again.CombinedOutput()
		require.Equal(t, needReview(all), again.ProcessState.ExitCode(), "%s", said)
		assert.Contains(t, string(said), "graded before: ")
		second, err := os.ReadFile(filepath.Join(out, "gradebook.csv"))
		require.NoError(t, err)
		assert.Equal(t, string(book), string(second))
		assert.Empty(t, bed.left(t), "left behind")
	})
}

// needReview is the exit status of a class: 3 where a person must look at one
// of it.
func needReview(all []corpus.HandedIn) int {
	if slices.ContainsFunc(all, func(h corpus.HandedIn) bool { return h.Refused }) {
		return 3
	}
	return 0
}

// inJSON is a name as results.json has it: whatever is no text is replaced.
func inJSON(t *testing.T, name string) (text string) {
	t.Helper()
	encoded, err := json.Marshal(name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(encoded, &text))
	return text
}

// holds a result to the grade that the corpus says.
func holds(t *testing.T, want corpus.HandedIn, got *harness.Result) {
	t.Helper()
	var notPassed []string
	for _, lab := range got.Labs {
		for _, c := range lab.Checks {
			assert.NotEqual(t, harness.Error, c.Outcome, "%s: %s", c.ID, c.Error)
			if c.Outcome != harness.Pass && lab.Number > 0 {
				notPassed = append(notPassed, c.ID)
			}
		}
	}
	assert.Equal(t, want.Points, got.Points)
	if want.Refused {
		assert.Equal(t, harness.NeedsReview, got.Outcome)
		return
	}
	assert.Equal(t, want.NotPassed, notPassed)
}

// verify is the command that verifies one graded submission.
func verify(t *testing.T, graded string) *exec.Cmd {
	t.Helper()
	binary, err := fix.binary()
	require.NoError(t, err)
	return exec.Command(binary, "verify-evidence", "--out", graded, "--home", fix.options.Home)
}

// left are the folders of submissions and clusters that grading should have
// deleted.
func (b testbed) left(t *testing.T) (names []string) {
	t.Helper()
	for _, dir := range []string{filepath.Join(fix.options.Home, "grading"), filepath.Dir(b.folder())} {
		entries, err := os.ReadDir(dir)
		if !os.IsNotExist(err) {
			require.NoError(t, err)
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), b.Name()) {
				names = append(names, filepath.Join(dir, entry.Name()))
			}
		}
	}
	return names
}

// TestGradeSaysWhatIsMissing are the sentences of a teacher's first try.
func TestGradeSaysWhatIsMissing(t *testing.T) {
	binary, err := fix.binary()
	require.NoError(t, err)
	home := t.TempDir()
	for _, test := range []struct {
		args   string
		status int
		says   string
	}{
		{"grade", 2, "--out=dir"},
		{"grade-all --out OUT", 2, "--submissions=dir"},
		{"grade-all --out OUT --submissions /dev/null", 2, "--submissions=dir"},
		{"grade --out OUT --formats xunit", 2, "unknown --formats=xunit: choose some of junit"},
		{"grade --out OUT --key /dev/null", 2, "openssl genpkey"},
		{"grade --out /dev/null/x --submission .", 2, "--out=dir"},
		{"grade --out OUT", 2, "rolecall lab 1"},
		{"grade --out OUT --submission . --cluster existing", 2, "this command is for clusters that rolecall created"},
		{"verify-evidence", 2, "--out=dir"},
		{"verify-evidence --out OUT", 1, "rolecall grade"},
		{"grade --out OUT --submission gradeall_test.go --formats gradescope,markdown,prairielearn,annotations,junit", 3, "neither a directory, nor a .zip"},
		{"verify-evidence --out OUT", 0, "0 of 100 points, as signed by sha256:"},
	} {
		args := strings.Fields(strings.ReplaceAll(test.args, "OUT", filepath.Join(home, "out")))
		cmd := exec.Command(binary, append(args, "--home", home)...)
		said, _ := cmd.CombinedOutput()
		assert.Equal(t, test.status, cmd.ProcessState.ExitCode(), "%s: %s", test.args, said)
		assert.Contains(t, string(said), test.says, test.args)
	}
	var result struct{ Outcome string }
	text, err := os.ReadFile(filepath.Join(home, "out/results.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &result))
	assert.Equal(t, "needs-review", result.Outcome)
}
