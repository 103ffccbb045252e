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
	"rolecall/harness/report"
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
	assert.Equal(t, []int{1, 1, 0, rows, rows*checks + 1, 1}, []int{count["script"], count["style"], count["img"], count["section"], count["details"], count["h1"]})
	for _, link := range links {
		switch {
		case strings.HasPrefix(link, "#"):
			assert.True(t, ids[link[1:]], "%s leads nowhere", link)
		default:
			assert.Regexp(t, `^(data:,|[a-z./]+/(results\.json|report\.html))$`, link)
		}
	}
	policy := string(report.Policy(report.Style+style, script))
	assert.Contains(t, policy, "default-src 'none'; style-src 'sha256-")
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
		"3 submissions: 1 passed, 0 not yet, 0 could not be judged, 1 to review, 1 handed in nothing.",
		`<td class="needs-review">needs-review</td><td class="points"></td>`, "why: it is a RAR &lt;archive&gt;", "next: Unpack it.", `<a href="#s1">cyd.rar</a>: it is a RAR &lt;archive&gt;. Unpack it.`,
	} {
		assert.Contains(t, string(page), part)
	}
	assert.Equal(t, 3, b.ExitStatus())
	b.Rows = append(b.Rows, Row{Name: "eve"})
	assert.Equal(t, 2, b.ExitStatus(), "one that is not graded yet is graded by the same command")
}

// TestStudents: who is known goes by name and id; who handed in nothing has a row.
func TestStudents(t *testing.T) {
	ada := sample().Rows[0]
	ada.Student, ada.ID, ada.Notes = "Ada <Lovelace>", "7", []string{"ada (1).zip counts"}
	b := &Book{Title: "k8s", Labs: class, Rows: []Row{ada, {Student: "=Bob", ID: "8"}}}
	text := string(b.CSV())
	assert.Contains(t, text, "\nAda <Lovelace>,7,ada.zip,pass,40,40,")
	assert.Contains(t, text, "\n'=Bob,8,,nothing-handed-in,,40,,,,,,\n")
	page, err := b.HTML()
	require.NoError(t, err)
	for _, part := range []string{"1 submissions: 1 passed", "1 handed in nothing", "Ada &lt;Lovelace&gt;</a><small>7, ada.zip</small>", "<p>note: ada (1).zip counts</p>"} {
		assert.Contains(t, string(page), part)
	}
	assert.Equal(t, 0, b.ExitStatus())
	assert.Equal(t, "1 of 1 are graded", b.Progress())

	dir := t.TempDir()
	chosen, rest := ParseImports("junit moodle,canvas")
	assert.Equal(t, "junit", rest)
	require.NoError(t, b.Write(dir, chosen))
	for name, want := range map[string]string{
		"moodle.csv": "Identifier,Full name,Grade,Maximum Grade,Last modified (grade)\nParticipant 7,Ada <Lovelace>,40,40,\n",
		"canvas.csv": "Student,ID,SIS User ID,SIS Login ID,Section,k8s\n\"    Points Possible\",,,,,40\nAda <Lovelace>,7,,,,40\n",
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

// TestSummary counts labs and checks, and names what most learners met.
func TestSummary(t *testing.T) {
	p, f, e, s := harness.Pass, harness.Fail, harness.Error, harness.Skipped
	b := &Book{Labs: class, Rows: []Row{
		row("a", "a", "x", p, p, p, p), row("b", "b", "one", f, s, p, s), row("c", "c", "two", f, s, f, s), row("d", "d", "x", p, e, f, s),
		row("e", "e", "one", f, s, f, s), unread("g", harness.NeedsReview), {Name: "h"},
	}}
	b.Rows[4].Result.Labs[1].Missing = true
	for _, i := range []int{2, 3, 4} {
		b.Rows[i].Result.Labs[1].Checks[0].Hint = "Compile it."
	}
	labs, checks := b.labTallies(), b.checkTallies()
	assert.Equal(t, tally{Name: "lab 1", Passed: 1, Failed: 3, Errors: 1}, labs[0])
	assert.Equal(t, tally{Name: "lab 2", Passed: 2, Failed: 2, Missing: 1}, labs[1])
	assert.Equal(t, tally{Name: "pod.running", Desc: "it runs", Passed: 1, Errors: 1, Skipped: 3}, checks[1])
	assert.Equal(t, []message{{2, "pod.manifest", "Try one", "one"}, {2, "token.runs", "Compile it.", "two"}}, b.messages())
}

// TestEqual points out submissions of the same text, and nothing that was not
// read.
func TestEqual(t *testing.T) {
	p := harness.Pass
	b := &Book{Labs: class, Rows: []Row{row("ada", "a", "", p, p, p, p), row("bob", "b", "", p, p, p, p), row("cyd", "c", "", p, p, p, p), row("dan", "d", "", p, p, p, p), row("eve", "e", "", p, p, p, p)}}
	for i, text := range []string{"1", "2", "1", "", ""} {
		b.Rows[i].Result.Text = text
	}
	page, err := b.HTML()
	require.NoError(t, err)
	assert.Contains(t, string(page), `<li><a href="#s1">ada</a>, <a href="#s3">cyd</a></li>`)
	assert.Equal(t, 1, strings.Count(string(page), "Equal submissions"))
	b.Rows[2].Result.Text = ""
	page, err = b.HTML()
	require.NoError(t, err)
	assert.NotContains(t, string(page), "Equal submissions")
}

// TestVerify: a gradebook says what the results say, or it was changed.
func TestVerify(t *testing.T) {
	p, f, e, s := harness.Pass, harness.Fail, harness.Error, harness.Skipped
	b := &Book{Labs: class, Rows: []Row{row("ada", "a", "", p, p, p, p), row("bob", "b", "", f, s, p, s), row("cyd", "c", "", p, e, p, s), unread("eve", harness.NeedsReview), {Name: "fay"}, {Student: "Gus", ID: "7"}}}
	var results []*harness.Result
	for _, row := range b.Rows[:4] {
		results = append(results, row.Result)
	}
	verify := func(change ...string) error {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "gradebook.csv"), []byte(strings.NewReplacer(change...).Replace(string(b.CSV()))), 0o644))
		return Verify(dir, class, results)
	}
	assert.NoError(t, verify())
	assert.NoError(t, verify(",,ada,", "Ada,7,ada,"), "a student comes from a name or a roster")
	for _, change := range [][]string{
		{"bob,fail,20", "bob,fail,40"}, {"bob,fail", "bob,pass"}, {"skipped,pass,skipped\n", "pass,pass,skipped\n"}, {"eve,needs-review,,", "eve,needs-review,0,"},
		{"fay,not graded yet,,", "fay,not graded yet,40,"}, {",nothing-handed-in,,", ",nothing-handed-in,40,"}, {"bob,fail,20,40,0,20,fail,skipped,pass,skipped", "bob,not graded yet,,40,,,,,,"},
	} {
		assert.ErrorContains(t, verify(change...), "it was changed after grading", "%v", change)
	}
	assert.ErrorContains(t, verify("lab-2", "lab-9"), "its columns are of other labs")
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
