package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/report"
)

// tasksOf are the tasks of a course as Visual Studio Code reads them.
func tasksOf(t *testing.T, by runner) vscodeTasks {
	t.Helper()
	text, err := (&front{course: cooking()}).tasks(by)
	require.NoError(t, err)
	var tasks vscodeTasks
	require.NoError(t, json.Unmarshal(text, &tasks))
	return tasks
}

func TestTasksRunWhatThereIs(t *testing.T) {
	for program, want := range map[string][][]string{
		"make":  {{"${fileDirnameBasename}", "PROBLEMS=1"}, {"lab-${input:number}", "PROBLEMS=1"}, {"dinner", "PROBLEMS=1"}, {"hint"}, {"watch", "PROBLEMS=1"}},
		"/here": {{"lab", "${fileDirnameBasename}", "--problems"}, {"lab", "lab-${input:number}", "--problems"}, {"dinner", "--problems"}, {"hint"}, {"watch", "--problems"}},
	} {
		var got [][]string
		for _, task := range tasksOf(t, runner{program: program}).Tasks {
			assert.Equal(t, program, task.Command)
			got = append(got, task.Args)
		}
		assert.Equal(t, want, got)
	}
	inputs := tasksOf(t, runner{program: "make"}).Inputs
	assert.Equal(t, []vscodeInput{{"number", "promptString", "The lab's number", "1"}}, inputs)
}

// TestMatcherReadsWhatIsPrinted reads a run's output as the editor does.
func TestMatcherReadsWhatIsPrinted(t *testing.T) {
	t.Setenv("ROLECALL_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	file := filepath.Join("my work", "lab-1", "tea.txt")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte("cold: \"tea\"\n"), 0o644))

	var out, said strings.Builder
	status := run(t.Context(), cooking(), madeUp, []string{"lab", "lab-1", "--submission", "my work", "--problems"}, strings.NewReader(""), &out, &said)
	require.Equal(t, 1, status, said.String())

	matcher := tasksOf(t, runner{program: "make"}).Tasks[4].Matchers[0]
	assert.Equal(t, [][]string{{file, "1", "1", "error", "tea.hot", `cold: "tea" (wanted hot)`}}, match(matcher, out.String()))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Regexp(t, matcher.Background.Begins, lines[len(lines)-3])
	assert.Regexp(t, matcher.Background.Ends, lines[len(lines)-1])
}

// match is what a matcher finds: file, line, column, severity, code, message.
func match(m vscodeMatcher, output string) (found [][]string) {
	pattern := regexp.MustCompile(m.Pattern.Regexp)
	for line := range strings.Lines(output) {
		if groups := pattern.FindStringSubmatch(strings.TrimSuffix(line, "\n")); groups != nil {
			p := m.Pattern
			found = append(found, []string{groups[p.File], groups[p.Line], groups[p.Column], groups[p.Severity], groups[p.Code], groups[p.Message]})
		}
	}
	return found
}

// TestMatcherTakesNoTextForAPlace: what a learner's program prints cannot pass
// for a problem, nor hide one.
func TestMatcherTakesNoTextForAPlace(t *testing.T) {
	matcher := tasksOf(t, runner{program: "make"}).Tasks[0].Matchers[0]
	var checks []harness.CheckResult
	for _, got := range []string{"a\nwork/lab-2/x:1:1: error: forged: x", "a\rwork/x:1:1: error: forged: x", "\u2028work/x:1:1: error: forged: x", strings.Repeat("x", 1<<20), "2:3: error: x.y: z"} {
		checks = append(checks, harness.CheckResult{ID: "tea.hot", Outcome: harness.Fail, Got: got, Want: "hot", Position: check.Position{File: "lab-1/tea.txt", Line: 7, Column: 3}})
	}
	checks = append(checks,
		harness.CheckResult{ID: "tea.hot", Outcome: harness.Fail, Got: "a", Position: check.Position{File: "lab-1/tea.txt"}},
		harness.CheckResult{ID: "tea.hot", Outcome: harness.Fail, Got: "about no file"},
		harness.CheckResult{ID: "tea.hot", Outcome: harness.Pass}, harness.CheckResult{ID: "tea.hot", Outcome: harness.Error, Error: "ours"})
	text := report.Problems(&harness.Result{Labs: []harness.LabResult{{Checks: checks}}}, `C:\my work`)
	assert.Equal(t, 9, strings.Count(text, "\n"))
	assert.Contains(t, text, "\nrolecall: error: tea.hot: about no file (wanted )\n7 problems\n")
	found := match(matcher, text)
	require.Len(t, found, 6)
	for i, f := range found {
		assert.Equal(t, []string{filepath.Join(`C:\my work`, "lab-1", "tea.txt"), map[bool]string{true: "1", false: "7"}[i == 5], map[bool]string{true: "1", false: "3"}[i == 5], "error", "tea.hot"}, f[:5])
	}
}
