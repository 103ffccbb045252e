package grade

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/evidence"
	"rolecall/harness/intake"
	"rolecall/harness/next"
)

// TestMain lets this test program play a grading process: what the submission
// is called says how it behaves.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ROLECALL_TEST_CLASS"); dir != "" {
		submissions, _, _ := List(dir, taker)
		key, err := evidence.ReadKey(os.Getenv("ROLECALL_TEST_KEY"))
		if err != nil {
			panic(err)
		}
		signing = key
		g := &All{Settings: Settings{Course: harness.Course{Labs: labs()[:1]}, Labs: labs(), Key: key}, Out: os.Getenv("ROLECALL_TEST_GRADED"), Count: 1, Lines: os.Stdout, Budget: Budget{Time: time.Minute},
			command: command, clear: func(context.Context, int) error { return nil }, machine: func(int) int { return 0 }}
		_, _ = g.grade(context.Background(), submissions)
		os.Exit(0)
	}
	if out := os.Getenv("ROLECALL_TEST_OUT"); out != "" {
		os.Exit(play(os.Getenv("ROLECALL_TEST_SUBMISSION"), out))
	}
	home, err := os.MkdirTemp("", "rolecall-test-")
	if err == nil {
		signing, err = evidence.OwnKey(home)
	}
	if err != nil {
		panic(err)
	}
	status := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(status)
}

// signing is the key of this test and of the grading processes that it plays.
var signing *evidence.Key

func play(from, out string) int {
	name := filepath.Base(from)
	switch word, _, _ := strings.Cut(name, "-"); word {
	case "crashes":
		panic("a defect")
	case "hangs":
		child := exec.Command("sleep", "600") // and leaves something running
		_ = child.Start()
		fmt.Println("child", child.Process.Pid, "of", os.Getpid())
		time.Sleep(10 * time.Minute)
	case "hogs":
		for hog := [][]byte{}; ; time.Sleep(10 * time.Millisecond) {
			hog = append(hog, bytes.Repeat([]byte{1}, 8<<20))
		}
	case "floods":
		for range 3000 {
			fmt.Println(strings.Repeat("{\"score\": 100}", 100))
		}
	case "ends":
		return 0
	case "half":
		_ = os.WriteFile(filepath.Join(out, "results.json"), []byte(`{"schema":"rolecall/results/v1","outc`), 0o644)
		return 0
	case "killed":
		_ = exec.Command("kill", "-9", fmt.Sprint(os.Getpid())).Run()
	}
	digest, err := intake.New(harness.Course{Labs: labs()[:1]}, labs()).Digest(from)
	_, refused := intake.AsRefusal(err)
	if err != nil && !refused {
		return 2
	}
	r := &harness.Result{StartedAt: time.Now().UTC(), Submission: name, Digest: digest, Version: "v1"}
	verdict := harness.CheckResult{Outcome: harness.Pass}
	if strings.HasPrefix(name, "wrong") || refused {
		verdict = harness.CheckResult{Outcome: harness.Fail, Got: "wrong"}
	}
	r.Labs = everywhere(labs(), verdict)
	if verdict.Outcome == harness.Pass {
		for i := range r.Labs {
			for j := range r.Labs[i].Checks {
				r.Labs[i].Checks[j].Points = r.Labs[i].Checks[j].MaxPoints
			}
			r.Labs[i] = harness.NewLabResult(labs()[i], r.Labs[i].Checks, 0)
		}
	}
	if r.Sum(); sign(out, r) != nil {
		return 2
	}
	return r.ExitStatus()
}

// sign writes a result with its evidence.
func sign(out string, r *harness.Result) error {
	key, err := evidence.ReadKey(os.Getenv("ROLECALL_TEST_KEY"))
	if err != nil {
		return err
	}
	bundle, err := evidence.Create(filepath.Join(out, "evidence"))
	if err != nil {
		return err
	}
	return Settings{Key: key}.write(out, r, bundle)
}

var taker = intake.New(harness.Course{Labs: labs()[:1]}, labs())

// class lays submissions out.
func class(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		lab := filepath.Join(dir, name, "lab-1")
		require.NoError(t, os.MkdirAll(lab, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(lab, "pod.yaml"), []byte("kind: Pod\n"), 0o644))
	}
	return dir
}

// command is a grading process that this test program plays.
func command(_ int, s Submission, out string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLECALL_TEST_CLASS=", "ROLECALL_TEST_OUT="+out, "ROLECALL_TEST_SUBMISSION="+s.Path, "ROLECALL_TEST_KEY="+signing.File())
	return cmd
}

type grading struct {
	*All
	lines   *bytes.Buffer
	started atomic.Int64
	cleared atomic.Int64
}

func newGrading(t *testing.T, out string) *grading {
	g := &grading{lines: &bytes.Buffer{}}
	g.All = &All{
		Settings: settings(t), Out: out, Count: 2, Lines: g.lines, Budget: Budget{Time: 20 * time.Second, Memory: 300 << 20},
		command: func(worker int, s Submission, out string) *exec.Cmd {
			g.started.Add(1)
			return command(worker, s, out)
		},
		clear:   func(context.Context, int) error { g.cleared.Add(1); return nil },
		machine: func(int) int { return 0 },
	}
	return g
}

func (g *grading) all(t *testing.T, dir string) map[string]*harness.Result {
	t.Helper()
	submissions, _, err := List(dir, taker)
	require.NoError(t, err)
	book, err := g.grade(t.Context(), submissions)
	require.NoError(t, err)
	results := map[string]*harness.Result{}
	for _, row := range book.Rows {
		results[row.Name] = row.Result
	}
	require.Len(t, results, len(submissions), "none is lost")
	return results
}

// TestOneAffectsNoOther grades a class some of which crash, hang, hog memory,
// flood the log, or end without a result.
func TestOneAffectsNoOther(t *testing.T) {
	dir := class(t, "right-1", "crashes", "floods", "half", "ends", "hogs", "hangs", "killed", "right-2", "wrong-1", "wrong-2")
	g := newGrading(t, t.TempDir())
	g.Budget.Time = 5 * time.Second
	results := g.all(t, dir)
	for name, want := range map[string]harness.Outcome{
		"right-1": harness.Pass, "right-2": harness.Pass, "floods": harness.Pass, "wrong-1": harness.Fail, "wrong-2": harness.Fail,
		"crashes": harness.Error, "half": harness.Error, "ends": harness.Error, "hogs": harness.Error, "hangs": harness.Error, "killed": harness.Error,
	} {
		assert.Equal(t, want, results[name].Outcome, name)
	}
	for name, says := range map[string]string{
		"crashes": "without a result", "half": "without a result", "ends": "without a result", "killed": "signal: killed",
		"hogs": "MiB of memory", "hangs": "longer than 5s",
	} {
		assert.Contains(t, results[name].Labs[0].Checks[0].Error, says, name)
		assert.Zero(t, results[name].Points)
	}
	info, err := os.Stat(filepath.Join(g.Out, "submissions/floods/log.txt"))
	require.NoError(t, err)
	assert.LessOrEqual(t, info.Size(), int64(maxLog))
	assert.EqualValues(t, g.Count, g.cleared.Load())
	log, err := os.ReadFile(filepath.Join(g.Out, "submissions/hangs/log.txt"))
	require.NoError(t, err)
	var child int
	_, err = fmt.Sscanf(string(log), "child %d", &child)
	require.NoError(t, err)
	assert.Eventually(t, func() bool { return !runs(child) }, 5*time.Second, 50*time.Millisecond, "what a process left running is ended")
}

// runs tells whether a process is there and no zombie.
func runs(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "State:\tZ")
}

// TestAgainGradesWhatIsLeft: finished ones are kept; errors of ours, changed
// submissions and those of other checks are graded again.
func TestAgainGradesWhatIsLeft(t *testing.T) {
	dir, out := class(t, "right-1", "right-2", "wrong-1", "ends-1"), t.TempDir()
	started := func(change func(g *grading)) int64 {
		g := newGrading(t, out)
		change(g)
		g.all(t, dir)
		return g.started.Load()
	}
	nothing := func(*grading) {}
	assert.EqualValues(t, 4, started(nothing))
	first, err := os.ReadFile(filepath.Join(out, "gradebook.csv"))
	require.NoError(t, err)
	assert.EqualValues(t, 1, started(nothing), "only the one that could not be judged")
	second, err := os.ReadFile(filepath.Join(out, "gradebook.csv"))
	require.NoError(t, err)
	assert.Equal(t, string(first), string(second))
	assert.EqualValues(t, 2, started(func(*grading) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "right-1/lab-1/pod.yaml"), []byte("changed"), 0o644))
	}))
	assert.EqualValues(t, 2, started(func(g *grading) {
		require.NoError(t, os.Truncate(filepath.Join(out, "submissions/right-2/results.json"), 100))
	}))
	assert.EqualValues(t, 4, started(func(g *grading) { g.Version = "v2" }))
}

// TestOnlySignedResultsAreKept: what was changed by hand after grading is graded
// again, and said.
func TestOnlySignedResultsAreKept(t *testing.T) {
	dir, out := class(t, "wrong-1", "right-1"), t.TempDir()
	newGrading(t, out).all(t, dir)
	file := filepath.Join(out, "submissions/wrong-1/results.json")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	forged := strings.NewReplacer(`"fail"`, `"pass"`, `"points": 0`, `"points": 20`).Replace(string(text))
	require.NoError(t, os.WriteFile(file, []byte(forged), 0o644))
	g := newGrading(t, out)
	assert.Equal(t, harness.Fail, g.all(t, dir)["wrong-1"].Outcome)
	assert.EqualValues(t, 1, g.started.Load())
	assert.Contains(t, g.lines.String(), "grading wrong-1 again: comparing ")
	assert.Contains(t, g.lines.String(), "it was changed after grading\n")

	other, err := evidence.OwnKey(t.TempDir())
	require.NoError(t, err)
	g = newGrading(t, out)
	g.Key = other
	g.all(t, dir)
	assert.EqualValues(t, 2, g.started.Load(), "signed by somebody else")
}

// TestFormatsAskedForLater are written from the results.
func TestFormatsAskedForLater(t *testing.T) {
	dir, out := class(t, "right-1"), t.TempDir()
	newGrading(t, out).all(t, dir)
	junit := filepath.Join(out, "submissions/right-1/junit.xml")
	require.NoError(t, os.RemoveAll(junit))
	for _, spoil := range []func() error{func() error { return nil }, func() error { return os.WriteFile(junit, []byte("<forged/>"), 0o644) }} {
		require.NoError(t, spoil())
		g := newGrading(t, out)
		g.all(t, dir)
		assert.Zero(t, g.started.Load())
		text, err := os.ReadFile(junit)
		require.NoError(t, err)
		assert.Contains(t, string(text), "<testsuites")
	}
}

// TestRegrade grades one again, by any of its names.
func TestRegrade(t *testing.T) {
	dir, out := class(t, "right-1", "Bob_7_assignsubmission_file_"), t.TempDir()
	newGrading(t, out).all(t, dir)
	for _, name := range []string{"right-1", "bob", "7"} {
		g := newGrading(t, out)
		g.Regrade = name
		g.all(t, dir)
		assert.EqualValues(t, 1, g.started.Load(), name)
	}
}

// TestUnclear: where several things of one student may count, nobody guesses; no
// process is started, and what is said of it is signed.
func TestUnclear(t *testing.T) {
	dir := folderOf(t, map[string]string{"Cyd_9_assignsubmission_file_pod.yaml": "x", "Cyd_9_assignsubmission_file_call.sh": "x"})
	g := newGrading(t, t.TempDir())
	result := g.all(t, dir)["Cyd_9_assignsubmission_file_call.sh"]
	assert.Equal(t, harness.NeedsReview, result.Outcome)
	assert.Contains(t, result.Review.Reason, "2 things were handed in")
	assert.Zero(t, g.started.Load())
	again := newGrading(t, g.Out)
	again.all(t, dir)
	assert.Contains(t, again.lines.String(), "nothing new to grade")
}

// TestStoppedGoesOn interrupts a run; the gradebook says what is missing, and
// the next run grades just that.
func TestStoppedGoesOn(t *testing.T) {
	dir, out := class(t, "a-1", "b-1", "hangs-1", "hangs-2", "z-1"), t.TempDir()
	submissions, _, err := List(dir, taker)
	require.NoError(t, err)
	g := newGrading(t, out)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	book, err := g.grade(ctx, submissions)
	require.NoError(t, err)
	assert.Equal(t, 2, book.ExitStatus())
	assert.Nil(t, book.Rows[4].Result, "not graded yet")
	assert.NoFileExists(t, filepath.Join(out, "submissions/z-1/results.json"))
	assert.EqualValues(t, g.Count, g.cleared.Load())

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "hangs-1")))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "hangs-2")))
	again := newGrading(t, out)
	results := again.all(t, dir)
	assert.EqualValues(t, 1, again.started.Load())
	assert.Equal(t, harness.Pass, results["z-1"].Outcome)
	assert.Contains(t, again.lines.String(), "graded before: 2 of 3")
}

// TestSameFolderSameGradebook grades a class twice, with other workers.
func TestSameFolderSameGradebook(t *testing.T) {
	dir := class(t, "right-1", "wrong-1", "ends-1", "right-2", "<b>", "=1+1", "Ada Lovelace", "\xff\xfe", "a\nb")
	var books []string
	for _, workers := range []int{1, 3} {
		g := newGrading(t, t.TempDir())
		g.Count = workers
		g.all(t, dir)
		for _, name := range []string{"gradebook.csv", "gradebook.html"} {
			text, err := os.ReadFile(filepath.Join(g.Out, name))
			require.NoError(t, err)
			books = append(books, strings.ReplaceAll(string(text), g.Out, "OUT"))
		}
	}
	assert.Equal(t, books[0], books[2])
	assert.Equal(t, books[1], books[3])
}

func TestList(t *testing.T) {
	dir := class(t, "bob", "Ada", "../bob", "a b", "a_b")
	for _, name := range []string{"cyd.zip", "dan.tar.gz", "README.txt", ".hidden"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	submissions, others, err := List(dir, taker)
	require.NoError(t, err)
	assert.Equal(t, []string{"README.txt"}, others)
	seen := map[string]bool{}
	for _, s := range submissions {
		assert.Regexp(t, `^[A-Za-z0-9_.-]+$`, s.Folder)
		assert.False(t, seen[strings.ToLower(s.Folder)], s.Folder)
		seen[strings.ToLower(s.Folder)] = true
	}
	assert.Equal(t, "bob", submissions[len(submissions)-3].Folder)

	_, _, err = List(t.TempDir(), taker)
	assert.ErrorContains(t, err, "neither directories nor archives")
	assert.Equal(t, "name another one with SUBMISSIONS=dir", next.Of(err))
}

func TestFoldersOfOddNamesStayApart(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"..", ".", "a/b", "a b", "a_b", "A_b", "a\nb", "\xff", "\xfe", "<script>", "x-a_b-0123", strings.Repeat("a", 250), strings.Repeat("a", 251), "con", "é", "e\u0301"} {
		got := folder(name)
		assert.Regexp(t, `^[A-Za-z0-9_-][A-Za-z0-9_.-]*$`, got)
		assert.Less(t, len(got), 70)
		assert.Empty(t, seen[strings.ToLower(got)], "%q and %q", name, seen[got])
		seen[strings.ToLower(got)] = name
	}
}

func TestEstimate(t *testing.T) {
	now := time.Now()
	r := &tally{total: 100, done: 30, before: 10, began: now.Add(-40 * time.Second)}
	assert.Equal(t, 140*time.Second, r.remaining(now))
}

func TestCapacity(t *testing.T) {
	assert.GreaterOrEqual(t, Capacity(), 1)
}

func TestVersionNamesThisProgram(t *testing.T) {
	one, err := Version()
	require.NoError(t, err)
	assert.Regexp(t, `^(rev|sha256)-[0-9a-f]{12}$`, one)
	two, err := Version()
	require.NoError(t, err)
	assert.Equal(t, one, two)
}
