package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample has a check of each outcome, and output that wants to be escaped.
func sample() *harness.Result {
	step := harness.Step{Slug: "forbidden", Lab: 3, Title: "Reading the 403"}
	checks := []harness.CheckResult{
		{ID: "forbidden.observed", Desc: "it was refused", Outcome: harness.Pass, Points: 4, MaxPoints: 4, Needs: []string{},
			Evidence: []check.Evidence{{Request: &check.Request{User: "u", Verb: "list", Code: 403}}}, DurationMs: 1234},
		{ID: "forbidden.reported", Desc: "it said so", Outcome: harness.Fail, MaxPoints: 4, Needs: []string{"forbidden.observed"},
			Want: "first line 403, exit status 3", Got: `exit status 0, first line "<b>200</b>"`, Hint: "Print the status.",
			Evidence: []check.Evidence{
				{Request: &check.Request{User: "system:serviceaccount:default:default", Verb: "list", Resource: "services", Namespace: "default", Code: 403, Decision: "forbid", Reason: "no rule"}},
				{Output: &check.Output{Stdout: "\x1b[2J<b>200</b>\nl2\nl3\nl4\nl5\nl6\nl7\nl8\n", ExitStatus: 0}},
			}},
		{ID: "forbidden.allowed", Desc: "it is allowed", Outcome: harness.Skipped, MaxPoints: 3, Needs: []string{"forbidden.reported"}, Evidence: []check.Evidence{}, Error: "builds on forbidden.reported, which did not pass"},
		{ID: "forbidden.answer", Desc: "it is answered", Outcome: harness.Error, MaxPoints: 3, Needs: []string{}, Evidence: []check.Evidence{}, Error: "reading the audit log: EOF; type make status"},
	}
	result := &harness.Result{
		StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Submission: "work",
		Cluster: harness.ClusterFacts{Kind: "kind", Kubernetes: "v1.37.2", AuditLog: true},
		Steps:   []harness.StepResult{harness.NewStepResult(step, checks, 2*time.Second)},
	}
	result.Sum()
	result.DurationMs = 2500
	return result
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "go test ./harness/report -update writes it anew")
}

func TestTerminalIsPlainAndTellsWhatToDo(t *testing.T) {
	var out bytes.Buffer
	terminal := NewTerminal(&out, false)
	result := sample()
	step := harness.Step{Lab: 3, Title: "Reading the 403"}
	for _, c := range result.Steps[0].Checks {
		step.Checks = append(step.Checks, harness.Check{ID: c.ID})
	}
	terminal.StepBegins(step)
	for i, c := range result.Steps[0].Checks {
		terminal.CheckBegins(step.Checks[i])
		terminal.CheckEnds(c)
	}
	terminal.StepEnds(result.Steps[0])
	terminal.Summary(result)
	assert.NotContains(t, out.String(), "\x1b")
	golden(t, "terminal.txt", out.Bytes())
}

func TestWriteReplacesWholeFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	require.NoError(t, Write(dir, sample()))
	require.NoError(t, Write(dir, sample()))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "no half-written file stays")

	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	golden(t, "results.json", text)
	var back harness.Result
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, sample(), &back, "what was written can be read")

	text, err = os.ReadFile(filepath.Join(dir, "junit.xml"))
	require.NoError(t, err)
	golden(t, "junit.xml", text)
}

func TestEveryCheckHasTheFieldsOfTheFormat(t *testing.T) {
	text, err := json.Marshal(harness.CheckResult{Needs: []string{}, Evidence: []check.Evidence{}})
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(text, &fields))
	for _, name := range []string{"id", "outcome", "points", "maxPoints", "want", "got", "hint", "evidence", "durationMs"} {
		assert.Contains(t, fields, name)
		assert.NotNil(t, fields[name], name)
	}
}

func TestJUnitTellsTheThreeApart(t *testing.T) {
	text, err := xml.Marshal(JUnit(sample()))
	require.NoError(t, err)
	var back JUnitSuites
	require.NoError(t, xml.Unmarshal(text, &back))
	assert.Equal(t, []int{4, 1, 1, 1}, []int{back.Tests, back.Failures, back.Errors, back.Skipped})
	cases := back.Suites[0].Cases
	assert.NotNil(t, cases[1].Failure)
	assert.NotNil(t, cases[2].Skipped)
	assert.NotNil(t, cases[3].Error)
}

func TestWriteSaysWhereItCannot(t *testing.T) {
	err := Write(filepath.Join(os.DevNull, "out"), sample())
	assert.ErrorContains(t, err, "OUT=dir")
}
