package learn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
	"rolecall/harness/report"
)

// bakery is a course of two labs and a story, with hints.
func bakery() harness.Course {
	lab := func(number int, slug string) harness.Lab {
		return harness.Lab{
			Number: number, Slug: slug, Title: slug, Files: []check.File{{Name: slug + ".yaml"}, {Name: "call", Form: check.ProgramFile, Optional: true}},
			Checks: []harness.Check{{ID: slug + ".first"}, {ID: slug + ".second"}},
		}
	}
	files := fstest.MapFS{}
	course := harness.Course{
		Name: "baking", Labs: []harness.Lab{lab(1, "dough"), lab(2, "oven")}, Files: files,
		Story: &harness.Lab{Slug: "eaten", Title: "eaten", Checks: []harness.Check{{ID: "eaten.all"}}},
	}
	for _, lab := range course.Way() {
		hints := ""
		for _, c := range lab.Checks {
			hints += "## " + c.ID + "\n\nThe idea of " + c.ID + ".\n\n### A similar case\n\nElsewhere.\n\n"
		}
		files[course.Dir(lab)+"/hints.md"] = &fstest.MapFile{Data: []byte(hints)}
	}
	files["lab-1-dough/solution/dough.yaml"] = &fstest.MapFile{Data: []byte("flour: 500\nwater: 300\n")}
	files["lab-1-dough/solution/call.sh"] = &fstest.MapFile{Data: []byte("echo dough\n")}
	return course
}

// learner is somebody's progress in a new folder, and what they were told.
func learner(t *testing.T) (p *Progress, submission string, told *[]string) {
	t.Helper()
	submission, told = filepath.Join(t.TempDir(), "work"), &[]string{}
	require.NoError(t, os.Mkdir(submission, 0o755))
	p, err := Open(bakery(), submission, func(line string) { *told = append(*told, line) })
	require.NoError(t, err)
	return p, submission, told
}

var morning = time.Date(2026, 1, 2, 8, 0, 0, 0, time.UTC)

// run is a run over labs of the bakery, each of which ends as its word says:
// "dough" passes, "dough.second" fails in that check, "!dough" could not be checked.
func run(words ...string) *harness.Result {
	result := &harness.Result{StartedAt: morning, Submission: "work"}
	course := bakery()
	for _, word := range words {
		for _, lab := range course.Way() {
			var checks []harness.CheckResult
			for _, c := range lab.Checks {
				r := harness.NewCheckResult(c)
				r.Outcome = harness.Pass
				switch {
				case word == "!"+lab.Slug:
					r.Outcome, r.Error = harness.Error, "the power failed"
				case word == c.ID:
					r.Outcome, r.Want, r.Got, r.Hint = harness.Fail, "bread", "stone", "Add water."
				}
				checks = append(checks, r)
			}
			if slug, _, _ := strings.Cut(strings.TrimPrefix(word, "!"), "."); slug == lab.Slug {
				result.Labs = append(result.Labs, harness.NewLabResult(lab, checks, time.Second))
			}
		}
	}
	result.Sum()
	result.DurationMs = 2500
	return result
}

func tries(t *testing.T, p *Progress, words ...string) {
	t.Helper()
	require.NoError(t, p.Record(run(words...)))
}

func TestProgressIsKept(t *testing.T) {
	p, submission, told := learner(t)
	state, ok, err := p.Next()
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, State{Lab: p.course.Labs[0], Hints: map[string]int{}}, withoutRun(state, p.course))
	assert.NoDirExists(t, submission+"-progress", "asking writes nothing")

	require.NoError(t, os.Mkdir(filepath.Join(submission, "lab-2"), 0o755))
	tries(t, p, "dough.first")
	tries(t, p, "!dough")
	tries(t, p, "dough")
	tries(t, p, "dough.second")
	states, err := p.Labs()
	require.NoError(t, err)
	require.Len(t, states, 3)
	assert.Equal(t, []any{true, 3, morning.Add(2 * time.Second)}, []any{states[0].Begun, states[0].Attempts, states[0].Passed}, "an error of ours is no attempt, and passed stays passed")
	assert.Equal(t, harness.Fail, states[0].Outcome, "though not when it was checked last")
	assert.Equal(t, []any{true, 0, true}, []any{states[1].Begun, states[1].Attempts, states[1].Passed.IsZero()}, "files of it are there")
	assert.False(t, states[2].Begun)
	state, ok, err = p.Next()
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, "oven", state.Lab.Slug)

	tries(t, p, "dough", "oven", "eaten")
	_, ok, err = p.Next()
	require.NoError(t, err)
	assert.False(t, ok, "all is passed")
	assert.Empty(t, *told)

	text, err := os.ReadFile(filepath.Join(submission+"-progress", File))
	require.NoError(t, err)
	assert.Equal(t, comment+`version: 1
last: baking
labs:
  baking:
    attempts: 1
    outcome: pass
    passed: 2026-01-02T08:00:02Z
  lab-1:
    attempts: 4
    outcome: pass
    passed: 2026-01-02T08:00:02Z
  lab-2:
    attempts: 1
    outcome: pass
    passed: 2026-01-02T08:00:02Z
`, string(text))
}

// withoutRun is a state whose lab is comparable.
func withoutRun(s State, course harness.Course) State {
	s.Lab = course.Labs[s.Lab.Number-1]
	return s
}

func TestTheLastResultOfEachLabIsKept(t *testing.T) {
	p, submission, _ := learner(t)
	tries(t, p, "dough.first", "oven", "eaten")
	for file, slug := range map[string]string{"lab-1.json": "dough", "lab-2.json": "oven", "baking.json": "eaten"} {
		result, err := report.Read(filepath.Join(submission+"-progress", file))
		require.NoError(t, err)
		require.Len(t, result.Labs, 1)
		assert.Equal(t, []any{slug, result.Labs[0].Outcome, int64(1000)}, []any{result.Labs[0].Slug, result.Outcome, result.DurationMs})
	}
	last, ok, err := p.Last()
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, "dough", last.Slug, "the first that did not pass")
	tries(t, p, "oven")
	last, _, err = p.Last()
	require.NoError(t, err)
	assert.Equal(t, "oven", last.Slug)
}

// TestDamagedProgressStopsNothing: whatever somebody made of the file, it is
// kept, and a new one begins.
func TestDamagedProgressStopsNothing(t *testing.T) {
	for name, text := range map[string]string{
		"empty":     "",
		"no YAML":   "\x00\x01",
		"a list":    "- lab-1\n",
		"words":     "version: 1\nlabs: {lab-1: {attempts: many}}\n",
		"no date":   "version: 1\nlabs: {lab-1: {passed: yesterday}}\n",
		"a bomb":    "version: 1\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
		"huge":      "version: 1\n#" + strings.Repeat("x", maxRecord),
		"unversion": "labs: {}\n",
	} {
		t.Run(name, func(t *testing.T) {
			p, submission, told := learner(t)
			file := filepath.Join(submission+"-progress", File)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			for n, aside := range []string{file + ".unread-1", file + ".unread-2"} {
				require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
				tries(t, p, "dough")
				kept, err := os.ReadFile(aside)
				require.NoError(t, err)
				assert.Equal(t, text, string(kept))
				require.Len(t, *told, n+1)
				assert.Contains(t, (*told)[n], aside)
			}
			state, err := p.Of(p.course.Labs[0])
			require.NoError(t, err)
			assert.Equal(t, 1, state.Attempts)
		})
	}
}

func TestWhatSomebodyAddedStays(t *testing.T) {
	p, submission, told := learner(t)
	file := filepath.Join(submission+"-progress", File)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte("version: 1\nmotto: carpe diem\nlast: nowhere\nlabs:\n  lab-1: {attempts: -5, mood: [good], hints: {dough.first: {level: 99, attempt: 7}, dough.second: null}}\n  lab-2: null\n  lab-9: {attempts: 2}\n"), 0o644))
	_, ok, err := p.Last()
	require.NoError(t, err)
	assert.False(t, ok)
	tries(t, p, "dough.first")
	assert.Empty(t, *told)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), "\nmotto: carpe diem\n")
	assert.Contains(t, string(text), "\n    mood:\n      - good\n")
	assert.Contains(t, string(text), "  lab-9:\n    attempts: 2\n")
	state, err := p.Of(p.course.Labs[0])
	require.NoError(t, err)
	assert.Equal(t, []any{1, map[string]int{"dough.first": Levels}}, []any{state.Attempts, state.Hints})
}

func TestANewerFileIsLeftAlone(t *testing.T) {
	p, submission, _ := learner(t)
	file := filepath.Join(submission+"-progress", File)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	for _, text := range []string{"version: 2\n", "version: 2\nlabs: [of, another, form]\n"} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		for _, err := range []error{p.Ready(), p.Record(run("dough"))} {
			require.ErrorContains(t, err, "a newer rolecall wrote it")
			assert.NotEmpty(t, next.Of(err))
		}
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, text, string(kept))
	}
}

func TestWhereNothingCanBeKept(t *testing.T) {
	p, submission, told := learner(t)
	require.NoError(t, p.Ready())
	entries, err := os.ReadDir(filepath.Dir(submission))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "looking leaves nothing")
	require.NoError(t, os.WriteFile(submission+"-progress", nil, 0o644))
	require.EqualError(t, p.Ready(), "keeping your progress in "+submission+"-progress: not a directory")
	require.Error(t, p.Record(run("dough")))
	assert.Empty(t, *told)
}
