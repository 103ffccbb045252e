package steps_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/e2e/corpus"
	"rolecall/harness/learn"
	"rolecall/labs"
)

// contract are the check ids that courses grade against. It only grows.
var contract = map[string][]string{
	"pod":         {"manifest", "running", "identity", "token-mounted", "tools", "unauthenticated"},
	"token":       {"runs", "authenticated", "fresh", "ca-verified", "namespace"},
	"forbidden":   {"observed", "reported", "allowed", "unauthorized", "unverified", "answer"},
	"rolebinding": {"manifest", "namespaced", "allows-view", "no-more", "only-default"},
	"success":     {"allowed", "complete", "live", "refused"},
	"user":        {"manifest", "request", "key", "allowed", "no-more", "only-bob"},
	"openid":      {"manifest", "known", "audience", "prefix", "allowed", "others"},
	"walkthrough": {"cause"},
	"audience":    {"manifest", "mounted", "accepted", "unauthorized", "default-kept"},
	"expiry":      {"calls", "rotates", "revoked", "recovers", "stops"},
	"secret":      {"manifest", "filled", "used", "answer", "bound", "revoked"},
	"role":        {"manifest", "account", "allows", "no-more", "only-reporter", "works"},
	"names":       {"manifest", "allows", "no-more", "prints", "follows", "by-name", "stops"},
}

// course is the course in its folder on disk.
func course() (c harness.Course, folder string) {
	c = labs.Course()
	return c, filepath.Join("..", c.Path)
}

// all are the course's labs and its story.
func all(t *testing.T, c harness.Course) []harness.Lab {
	t.Helper()
	labs, err := c.Select("all")
	require.NoError(t, err)
	return labs
}

func TestCourseIsValid(t *testing.T) {
	assert.NoError(t, labs.Course().Validate())
}

func TestCourseKeepsTheContract(t *testing.T) {
	course, _ := course()
	found := map[string][]string{}
	for _, lab := range all(t, course) {
		for _, c := range lab.Checks {
			found[lab.Slug] = append(found[lab.Slug], strings.TrimPrefix(c.ID, lab.Slug+"."))
		}
		slices.Sort(found[lab.Slug])
		if lab.Number > 0 {
			assert.Equal(t, 20, lab.Points(), "points of %s", lab.Slug)
		}
	}
	for _, ids := range contract {
		slices.Sort(ids)
	}
	assert.Equal(t, contract, found)
}

// TestTextsAreComplete: each says how to get a hint and, in three sentences, what
// was shown, and leads on; each check has its hints.
func TestTextsAreComplete(t *testing.T) {
	course, folder := course()
	for _, lab := range all(t, course) {
		file := filepath.Join(folder, course.Dir(lab), "README.md")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(text), "```bash\nmake hint\n```", file)
		means, err := course.Meaning(lab)
		require.NoError(t, err)
		assert.Len(t, regexp.MustCompile(`\.(\s|$)`).FindAllString(means, -1), 3, "%s: ## What it means has three sentences", file)
		hints, err := course.Hints(lab)
		require.NoError(t, err)
		assert.Len(t, hints, len(lab.Checks), file)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		assert.Regexp(t, `^Next: \[.*\]\(.*\)$`, lines[len(lines)-1], file)
		assert.NotContains(t, string(text), "<!-- real output", "%s lacks the output of a real run", file)
	}
}

// TestEveryWrongSubmissionGetsItsHints takes what the author's gate holds each
// wrong submission to through the learner's three hints: the second is the one
// that its file names.
func TestEveryWrongSubmissionGetsItsHints(t *testing.T) {
	course, folder := course()
	for _, lab := range all(t, course) {
		cases, err := corpus.Cases(os.DirFS(folder), course, lab, corpus.Wrong)
		require.NoError(t, err)
		hints, err := course.Hints(lab)
		require.NoError(t, err)
		for _, c := range cases {
			progress, err := learn.Open(course, filepath.Join(t.TempDir(), "work"), nil)
			require.NoError(t, err)
			var given *learn.Hint
			for range learn.Levels {
				require.NoError(t, progress.Record(failing(lab, c)))
				given, err = progress.Hint(lab)
				require.NoError(t, err, c.File)
				assert.True(t, given.New, c.File)
			}
			assert.Equal(t, c.Fails, given.Check.ID, c.File)
			assert.Equal(t, []string{hints[c.Fails].Idea, "", hints[c.Fails].Similar}, []string{given.Steps[0].Text, given.Steps[1].Text, given.Steps[2].Text}, c.File)
			assert.Equal(t, c.Hint, given.Check.Hint, c.File)
			assert.NotEmpty(t, given.Check.Hint, c.File)
		}
	}
}

// failing is the result of a lab in which a wrong submission's check failed.
func failing(lab harness.Lab, c corpus.Case) *harness.Result {
	var checks []harness.CheckResult
	for _, of := range lab.Checks {
		result := harness.NewCheckResult(of)
		result.Outcome = harness.Pass
		if of.ID == c.Fails {
			result.Outcome, result.Want, result.Got, result.Hint = harness.Fail, c.Wanted, c.Found, c.Hint
		}
		checks = append(checks, result)
	}
	result := &harness.Result{Labs: []harness.LabResult{harness.NewLabResult(lab, checks, 0)}}
	result.Sum()
	return result
}

// TestHintsGiveNothingAway holds all three hints to lines that no solution has,
// but for those of the starters and those that say nothing by themselves.
func TestHintsGiveNothingAway(t *testing.T) {
	course, folder := course()
	solutions, starters := map[string]string{}, map[string]string{} // each line's lab
	for _, lab := range course.Labs {
		lines(t, course.Solution, lab, solutions)
		lines(t, course.Starter, lab, starters)
	}
	holds := func(what, text string) {
		for line := range strings.Lines(text) {
			line = plain(line)
			assert.False(t, solutions[line] != "" && starters[line] == "" && !trivial(line), "%s holds a line of the solution of %s: %s", what, solutions[line], line)
		}
		for line, lab := range solutions {
			assert.False(t, starters[line] == "" && len(line) > 20 && strings.Contains(text, line), "%s holds a line of the solution of %s: %s", what, lab, line)
		}
	}
	for _, lab := range all(t, course) {
		hints, err := course.Hints(lab)
		require.NoError(t, err)
		for id, hint := range hints {
			holds("the idea of "+id, hint.Idea)
			holds("what is like "+id, hint.Similar)
		}
		cases, err := corpus.Cases(os.DirFS(folder), course, lab, corpus.Wrong)
		require.NoError(t, err)
		for _, c := range cases {
			holds(c.File, c.Hint)
		}
	}
	for line, says := range map[string]bool{
		"name: view": true, `command: ["sleep", "infinity"]`: true, "- kind: ServiceAccount": true, "403) exit 3 ;;": true, "verb: list": true,
		"spec:": false, "}": false, "esac": false, "answer=$(": false, "": false,
	} {
		assert.Equal(t, says, !trivial(line), line)
	}
}

// lines adds the lines of some files of a lab's.
func lines(t *testing.T, lay func(harness.Lab, string) ([]string, error), lab harness.Lab, all map[string]string) {
	t.Helper()
	files, err := lay(lab, t.TempDir())
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			all[plain(line)] = lab.Folder()
		}
	}
}

// plain is a line without what does not matter to who copies it.
func plain(line string) string {
	return strings.Join(strings.Fields(strings.Trim(strings.TrimSpace(line), "`\\")), " ")
}

// trivial reports whether a line of a file says nothing of how a lab is solved:
// a word, a bracket, or the key of what follows.
func trivial(line string) bool {
	return !strings.Contains(line, " ") && (len(line) <= 8 || strings.HasSuffix(line, ":") || strings.HasSuffix(line, "$("))
}

// TestStartersAreWhatIsAskedFor holds starters and solutions to the files that
// the lab asks for, and a starter to leave something to do.
func TestStartersAreWhatIsAskedFor(t *testing.T) {
	course, _ := course()
	for _, lab := range course.Labs {
		for kind, lay := range map[string]func(harness.Lab, string) ([]string, error){"starter": course.Starter, "solution": course.Solution} {
			files, err := lay(lab, t.TempDir())
			require.NoError(t, err)
			todo := false
			for _, file := range files {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				todo = todo || strings.Contains(string(text), "TODO")
			}
			assert.Equal(t, kind == "starter", todo, "%s of %s: TODO", kind, lab.Slug)
			for _, asked := range lab.Files {
				there := slices.ContainsFunc(files, func(file string) bool { return slices.Contains(asked.Names(), filepath.Base(file)) })
				assert.True(t, there || asked.Optional, "%s of %s lacks %s", kind, lab.Slug, asked.Name)
			}
		}
	}
}

// TestCasesNameTheirMistake reads all wrong and right submissions. Those that
// are wrong name a check of their lab, and what the learner is told.
func TestCasesNameTheirMistake(t *testing.T) {
	course, folder := course()
	caught := map[string]bool{}
	count := map[string]int{}
	for _, lab := range all(t, course) {
		var ids []string
		for _, c := range lab.Checks {
			ids = append(ids, c.ID)
		}
		for _, verdict := range []string{corpus.Wrong, corpus.Right} {
			cases, err := corpus.Cases(os.DirFS(folder), course, lab, verdict)
			require.NoError(t, err)
			count[verdict] += len(cases)
			for _, c := range cases {
				require.NoError(t, c.Write(course, t.TempDir(), "token"), c.File)
				if verdict == corpus.Right {
					continue
				}
				assert.Contains(t, ids, c.Fails, c.File)
				caught[c.Fails] = true
				assert.True(t, c.Wanted != "" && c.Found != "" && c.Hint != "",
					"%s lacks what the learner is told: go test -C harness/e2e -run 'TestGate/%s$' -args --update", c.File, lab.Folder())
			}
		}
		for _, id := range ids {
			assert.True(t, caught[id], "no wrong submission is for %s", id)
		}
	}
	assert.GreaterOrEqual(t, count[corpus.Wrong], 60)
	assert.GreaterOrEqual(t, count[corpus.Right], 20)
}
