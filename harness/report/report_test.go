package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample has a check of each outcome, and output that wants to be escaped.
func sample() *harness.Result {
	lab := harness.Lab{Slug: "forbidden", Number: 3, Title: "Reading the 403"}
	checks := []harness.CheckResult{
		{ID: "forbidden.observed", Desc: "it was refused", Outcome: harness.Pass, Points: 4, MaxPoints: 4, Needs: []string{},
			Evidence: []check.Evidence{{Request: &check.Request{User: "u", Verb: "list", Code: 403}}}, DurationMs: 1234},
		{ID: "forbidden.reported", Desc: "it said so", Outcome: harness.Fail, MaxPoints: 4, Needs: []string{"forbidden.observed"},
			Want: "first line 403, exit status 3", Got: `exit status 0, first line "<b>200</b>"`, Hint: "Print the status.",
			Position: check.Position{File: "lab-3/call.sh", Line: 7, Column: 3},
			Evidence: []check.Evidence{
				{Request: &check.Request{User: "system:serviceaccount:default:default", Verb: "list", Resource: "services", Namespace: "default", Code: 403, Decision: "forbid", Reason: "no rule"}},
				{Output: &check.Output{Stdout: "\x1b[2J<b>200</b>\nl2\nl3\nl4\nl5\nl6\nl7\nl8\n", ExitStatus: 0}},
			}},
		{ID: "forbidden.allowed", Desc: "it is allowed", Outcome: harness.Skipped, MaxPoints: 3, Needs: []string{"forbidden.reported"}, Evidence: []check.Evidence{}, Error: "builds on forbidden.reported, which did not pass"},
		{ID: "forbidden.answer", Desc: "it is answered", Outcome: harness.Error, MaxPoints: 3, Needs: []string{}, Evidence: []check.Evidence{}, Error: "reading the audit log: EOF", Next: "make status"},
	}
	of := harness.NewLabResult(lab, checks, 2*time.Second)
	of.Cleanup = "deleting what the lab created: the pod is still there"
	result := &harness.Result{
		StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Submission: "work", Notes: []string{"lab-7 was left aside: this course has lab-3"},
		Cluster: harness.ClusterFacts{Provider: "kind", Kubernetes: "v1.37.2", AuditLog: true},
		Labs:    []harness.LabResult{of},
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
	lab := harness.Lab{Number: 3, Title: "Reading the 403"}
	for _, c := range result.Labs[0].Checks {
		lab.Checks = append(lab.Checks, harness.Check{ID: c.ID})
	}
	terminal.LabBegins(lab)
	for i, c := range result.Labs[0].Checks {
		terminal.CheckBegins(lab.Checks[i])
		terminal.CheckEnds(c)
	}
	terminal.LabEnds(result.Labs[0])
	terminal.Summary(result)
	assert.NotContains(t, out.String(), "\x1b")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Contains(t, lines[len(lines)-1], "1 of 4 checks passed", "the summary is the last line")
	golden(t, "terminal.txt", out.Bytes())
}

// TestWhatWaitsIsNotShown: a hint that waits is empty by the time it gets here,
// and what a manifest grants in full is for whoever asks for it.
func TestWhatWaitsIsNotShown(t *testing.T) {
	c := harness.CheckResult{Outcome: harness.Fail, Want: "tea", Got: "soup", Evidence: []check.Evidence{{Effect: &check.Effect{Whom: "ada"}}, {Object: "a pot"}}}
	assert.Equal(t, "wanted: tea\nfound: soup\nevidence: a pot", Explain(c))
}

// TestTerminalShowsNoControlCharacters: whatever a learner's names, files and
// programs hold, nothing of it moves a cursor, and no line of it is at the
// left, where ours are.
func TestTerminalShowsNoControlCharacters(t *testing.T) {
	var out bytes.Buffer
	terminal := NewTerminal(&out, false)
	result := hostile(attacks...)
	terminal.LabBegins(harness.Lab{Title: "t"})
	for _, c := range result.Labs[0].Checks {
		terminal.CheckEnds(c)
		c.Outcome = harness.Skipped
		terminal.CheckEnds(c)
	}
	terminal.LabEnds(result.Labs[0])
	terminal.Summary(result)
	for _, bad := range []string{"\x1b", "\x00", "\a", "\b", "\r", "\u202e", "\u2028", "\xff"} {
		assert.NotContains(t, out.String(), bad)
	}
	for line := range strings.Lines(out.String()) {
		assert.Regexp(t, `^(\n|  |[✗!] |note: |t\n)`, line)
	}
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
	text, err := xml.Marshal(junit(sample()))
	require.NoError(t, err)
	var back junitSuites
	require.NoError(t, xml.Unmarshal(text, &back))
	assert.Equal(t, []int{4, 1, 1, 1}, []int{back.Tests, back.Failures, back.Errors, back.Skipped})
	cases := back.Suites[0].Cases
	assert.NotNil(t, cases[1].Failure)
	assert.NotNil(t, cases[2].Skipped)
	assert.NotNil(t, cases[3].Error)
}

func TestWriteSaysWhereItCannot(t *testing.T) {
	err := Write(filepath.Join(os.DevNull, "out"), sample())
	assert.Contains(t, next.Of(err), "OUT=dir")
}
