package gradebook

import (
	"bytes"
	"encoding/csv"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"rolecall/harness"
	"rolecall/harness/check"
)

var update = flag.Bool("update", false, "write the golden files anew")

var class = []harness.Lab{
	{Slug: "pod", Number: 1, Title: "A pod", Checks: []harness.Check{
		{ID: "pod.manifest", Desc: "one object, a Pod", Points: 12}, {ID: "pod.running", Desc: "it runs", Points: 8}}},
	{Slug: "token", Number: 2, Title: "A call", Checks: []harness.Check{{ID: "token.runs", Desc: "it ends in time", Points: 20}}},
	{Slug: "walkthrough", Title: "The story", Checks: []harness.Check{{ID: "walkthrough.cause", Desc: "the binding is the cause"}}},
}

// row is a submission with an outcome for each check.
func row(name, folder, got string, outcomes ...harness.Outcome) Row {
	r := &harness.Result{Submission: name}
	for _, lab := range class {
		var checks []harness.CheckResult
		for _, c := range lab.Checks {
			v := harness.CheckResult{ID: c.ID, Desc: c.Desc, Outcome: outcomes[0], MaxPoints: c.Points, Evidence: []check.Evidence{}}
			switch outcomes = outcomes[1:]; v.Outcome {
			case harness.Pass:
				v.Points = c.Points
				v.Evidence = []check.Evidence{{Request: &check.Request{User: "system:serviceaccount:default:default", Verb: "list", Resource: "services", Namespace: "default", Code: 403, Decision: "forbid"}}}
			case harness.Fail:
				v.Want, v.Got, v.Hint = "a Pod", got, "Try "+got
				v.Evidence = []check.Evidence{{Output: &check.Output{Stdout: got}}}
			default:
				v.Error = "why: " + got
			}
			checks = append(checks, v)
		}
		r.Labs = append(r.Labs, harness.NewLabResult(lab, checks, 0))
	}
	r.Sum()
	r.DurationMs = 0
	return Row{Name: name, Folder: folder, Result: r}
}

// attacks are names of submissions and words of programs.
var attacks = []string{
	`<script>document.title="owned"</script>`,
	`"><img src=x onerror=document.title="owned">`,
	`</pre></details></section><h1>forged</h1>`,
	`</script><script>document.title="owned"</script>`,
	`javascript:alert(1)`, `' onmouseover='alert(1)`, `{{.Policy}}`, `<!--`, `]]>`, `&lt;b&gt;`,
	`=cmd|' /C calc'!A0`, `+1+1`, `-2+3`, `@SUM(1)`, "\t=1", "\r=1", "＝1", "  =1",
	"a,b\"c\nd", "\x1b[31m\x00\xff\u202egnp", strings.Repeat("A", 100_000),
}

func sample() *Book {
	p, f, e, s := harness.Pass, harness.Fail, harness.Error, harness.Skipped
	b := &Book{Labs: class}
	b.Rows = append(b.Rows,
		row("ada.zip", "ada.zip", "", p, p, p, p), row("bob", "bob", "a Deployment", f, s, p, s), row("cyd.tar.gz", "cyd.tar.gz", "the cluster broke", p, e, p, s))
	for _, attack := range attacks {
		b.Rows = append(b.Rows, row(attack, "x", attack, p, f, e, s))
	}
	return b
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "go test ./harness/gradebook -update writes it anew")
}

func TestFilesAreAsTheyShouldBe(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, sample().Write(dir, nil))
	for _, name := range []string{"gradebook.csv", "gradebook.html"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		golden(t, name, text)
	}
}

func TestSpreadsheetsFindNoFormula(t *testing.T) {
	text := sample().CSV()
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, 1+3+len(attacks))
	for _, line := range lines {
		require.Len(t, line, len(lines[0]))
		for _, cell := range line {
			assert.NotRegexp(t, "^ *[=+@\t\r\n＝＋－＠-]", cell)
			assert.NotContains(t, cell, "\n")
		}
	}
	assert.Equal(t, []string{"student", "id", "submission", "outcome", "points", "max_points", "lab-1", "lab-2", "pod.manifest", "pod.running", "token.runs", "walkthrough.cause"}, lines[0])
	assert.Equal(t, []string{"", "", "bob", "fail", "20", "40", "0", "20", "fail", "skipped", "pass", "skipped"}, lines[2])
	assert.Equal(t, []string{"", "", "cyd.tar.gz", "error", "", "40", "", "20", "pass", "error", "pass", "skipped"}, lines[3], "no points where we could not judge")
}

// TestPageHasNothingOfLearners parses the page as browsers do.
func TestPageHasNothingOfLearners(t *testing.T) {
	text, err := sample().HTML()
	require.NoError(t, err)
	page, err := html.Parse(bytes.NewReader(text))
	require.NoError(t, err)
	count := map[string]int{}
	ids := map[string]bool{}
	var links []string
	for n := range page.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		for _, a := range n.Attr {
			assert.False(t, strings.HasPrefix(a.Key, "on"), "a handler: %s", a.Val)
			switch a.Key {
			case "id":
				assert.False(t, ids[a.Val], "id %s twice", a.Val)
				ids[a.Val] = true
			case "href":
				links = append(links, a.Val)
			}
		}
		if n.Data == "script" {
			assert.Equal(t, script, n.FirstChild.Data)
		}
	}
	rows, checks := 3+len(attacks), 4
	assert.Equal(t, []int{1, 1, 0, rows, rows * checks, 1}, []int{count["script"], count["style"], count["img"], count["section"], count["details"], count["h1"]})
	for _, link := range links {
		switch {
		case strings.HasPrefix(link, "#"):
			assert.True(t, ids[link[1:]], "%s leads nowhere", link)
		default:
			assert.Regexp(t, `^(data:,|[a-z./]+/results\.json)$`, link)
		}
	}
	policy := "default-src 'none'; style-src '" + hash(style) + "'; script-src '" + hash(script) + "'"
	assert.True(t, bytes.Contains(text, []byte(policy)), "only the page's own script runs")
}

// TestNotGradedYet: a submission whose turn has not come has a row of its own,
// without an outcome, points or results to open.
func TestNotGradedYet(t *testing.T) {
	b := &Book{Labs: class, Rows: []Row{sample().Rows[0], {Name: "dan", Folder: "dan"}}}
	text := b.CSV()
	assert.Contains(t, string(text), ",,dan,not graded yet,,40,,,,,,\n")
	page, err := b.HTML()
	require.NoError(t, err)
	assert.Contains(t, string(page), "2 submissions: 1 passed, 0 not yet, 0 could not be judged, 1 not graded yet.")
	assert.Contains(t, string(page), `<td class="not-graded-yet">not graded yet</td><td class="points"></td>`)
	assert.Contains(t, script, `"not-graded-yet": -1`, "it sorts")
	assert.NotContains(t, string(page), "dan/results.json")
	assert.Equal(t, 2, b.ExitStatus())
}

// unread is a submission that was not graded.
func unread(name string, outcome harness.Outcome) Row {
	r := row(name, name, "", harness.Skipped, harness.Skipped, harness.Skipped, harness.Skipped)
	r.Result.Review = &harness.Review{Outcome: outcome, Reason: "it is a RAR <archive>", Next: "Unpack it."}
	r.Result.Sum()
	return r
}

// TestNeedsReview: who must be looked at comes first, says why, and has no
// points that could be taken for a grade.
func TestNeedsReview(t *testing.T) {
	b := &Book{Labs: class, Rows: []Row{sample().Rows[0], unread("cyd.rar", harness.NeedsReview), unread("dan", harness.NotHandedIn)}}
	text := b.CSV()
	lines := strings.Split(string(text), "\n")
	assert.Equal(t, ",,cyd.rar,needs-review,,40,,,,,,", lines[1])
	assert.Regexp(t, "^,,ada.zip,pass,40", lines[2])
	assert.Equal(t, ",,dan,nothing-handed-in,,40,,,,,,", lines[3])
	page, err := b.HTML()
	require.NoError(t, err)
	for _, part := range []string{
		"3 submissions: 1 passed, 0 not yet, 0 could not be judged, 1 needs review, 1 nothing handed in.",
		`<td class="needs-review">needs-review</td><td class="points"></td>`, "why: it is a RAR &lt;archive&gt;", "next: Unpack it.",
	} {
		assert.Contains(t, string(page), part)
	}
	assert.Equal(t, 3, b.ExitStatus())
	b.Rows = append(b.Rows, Row{Name: "eve"})
	assert.Equal(t, 2, b.ExitStatus(), "one that is not graded yet is graded by the same command")
}

// TestColumnsAreTheCourses: other labs, other columns and totals, also where a
// result is of fewer labs.
func TestColumnsAreTheCourses(t *testing.T) {
	labs := []harness.Lab{class[0], {Slug: "role", Number: 6, Title: "A role", Checks: []harness.Check{{ID: "role.manifest", Points: 30}}},
		{Slug: "finale", Title: "All of it", Checks: []harness.Check{{ID: "finale.cause"}}}}
	b := &Book{Labs: labs, Rows: []Row{sample().Rows[0]}}
	b.Rows[0].Result.Labs[0].Cleanup, b.Rows[0].Result.Notes = "\x1b<b>still there", []string{"<i>lab-7"}
	text := b.CSV()
	assert.Equal(t, "student,id,submission,outcome,points,max_points,lab-1,lab-6,pod.manifest,pod.running,role.manifest,finale.cause\n,,ada.zip,pass,40,50,20,,pass,pass,,\n", string(text))
	page, err := b.HTML()
	require.NoError(t, err)
	for _, part := range []string{">lab 1</th>", ">lab 6</th>", ">finale</th>", `\x1b&lt;b&gt;still there`, "note: &lt;i&gt;lab-7"} {
		assert.Contains(t, string(page), part)
	}
}

func TestSameVerdictsGiveTheSameBook(t *testing.T) {
	one, err := sample().HTML()
	require.NoError(t, err)
	two := sample()
	for _, row := range two.Rows {
		row.Result.DurationMs, row.Result.Labs[0].DurationMs = 99, 99
		row.Result.StartedAt = row.Result.StartedAt.AddDate(1, 0, 0)
	}
	again, err := two.HTML()
	require.NoError(t, err)
	assert.Equal(t, string(one), string(again), "times aside")
}

func TestExitStatus(t *testing.T) {
	b := &Book{Labs: class, Rows: []Row{row("a", "a", "", harness.Fail, harness.Skipped, harness.Pass, harness.Skipped)}}
	assert.Equal(t, 0, b.ExitStatus())
	b.Rows = append(b.Rows, row("b", "b", "", harness.Error, harness.Skipped, harness.Pass, harness.Skipped))
	assert.Equal(t, 2, b.ExitStatus())
}
