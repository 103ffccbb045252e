package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gojunit "github.com/joshdk/go-junit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"golang.org/x/net/html"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// runner looks up what Classroom 50's runner sets.
func runner(name string) string {
	return map[string]string{
		"CLASSROOM": "k8s", "ASSIGNMENT": "identity", "ASSIGNMENT_TYPE": "individual", "USERNAME": "ada", "OWNER": "ada",
		"SUBMISSION_TAG": "submit/2026-01-02T03-04-05Z-abc1234", "COMMIT_URL": "https://git.example/c/1", "RELEASE_URL": "https://git.example/r/1", "REVIEW_URL": "",
	}[name]
}

// all are all formats, where Classroom 50's runner is.
func all(t *testing.T) []Format {
	t.Helper()
	chosen, err := ParseFormats(strings.Join(FormatNames(), ","), runner)
	require.NoError(t, err)
	require.Len(t, chosen, len(formats))
	return chosen
}

// hostile is a run whose learner attacks whatever shows it.
func hostile(texts ...string) *harness.Result {
	var checks []harness.CheckResult
	for i, attack := range texts {
		checks = append(checks, harness.CheckResult{
			ID: fmt.Sprintf("s.%d", i), Desc: "it holds", Outcome: harness.Fail, MaxPoints: 1, Want: "w", Got: attack, Hint: "h",
			Evidence: []check.Evidence{{Output: &check.Output{Stdout: attack}}, {Object: attack}},
		}, harness.CheckResult{ID: fmt.Sprintf("s.%d-error", i), Desc: "it holds", Outcome: harness.Error, Error: attack, Evidence: []check.Evidence{}})
	}
	lab := harness.NewLabResult(harness.Lab{Slug: "s", Number: 1, Title: "t"}, checks, 0)
	lab.Cleanup = texts[0]
	result := &harness.Result{Submission: texts[0], Notes: texts, Labs: []harness.LabResult{lab}}
	result.Sum()
	return result
}

// attacks are what programs print and files are called in order to break out
// of a report.
var attacks = []string{
	"<script>alert(1)</script>",
	`"><img src=x onerror=alert(1)>`,
	"]]></failure></testcase><testcase name='forged'/>",
	"```\n# forged\n[click](javascript:alert(1)) ![](https://evil.example/x.png)\n```",
	"````\n~~~\n</pre><h1>forged</h1>",
	"| forged | pass | 100/100 |",
	"\n::error::forged\n::set-output name=score::100\n",
	"\r\n::stop-commands::x\r\n##[add-mask]secret",
	"%0A::warning::forged",
	"=HYPERLINK(\"https://evil.example\",\"x\")",
	"\x1b[2J\x1b]0;title\x07\x00\x08\xff\xfe\u202egnp.exe\u2028",
	`{"score": 100, "tests": []}`,
	"&lt;b&gt; &#x3c;script&#x3e;",
	strings.Repeat("A", 1<<20),
	strings.Repeat("`", 5000),
	strings.Repeat("line\n", 100_000),
}

func TestEachFormatIsAsItsFileSays(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteAs(dir, sample(), all(t)))
	for _, f := range all(t) {
		written, err := os.ReadFile(filepath.Join(dir, f.File))
		require.NoError(t, err)
		golden(t, f.File, written)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, len(formats)+1, "and results.json")
}

func TestPointsAddUp(t *testing.T) {
	r := sample()
	gradescope, prairie, classroom := gradescope(r), prairieLearn(r), classroom50(r, runner)
	var scores, most [3]int
	for i, test := range gradescope.Tests {
		scores[0], most[0] = scores[0]+test.Score, most[0]+test.MaxScore
		scores[1], most[1] = scores[1]+classroom.Tests[i].Score, most[1]+classroom.Tests[i].MaxScore
		scores[2], most[2] = scores[2]+prairie.Tests[i].Points, most[2]+prairie.Tests[i].MaxPoints
	}
	assert.Equal(t, [3]int{r.Points, r.Points, r.Points}, scores)
	assert.Equal(t, [3]int{r.MaxPoints, r.MaxPoints, r.MaxPoints}, most)
	assert.Equal(t, []int{r.Points, r.Points, r.MaxPoints}, []int{*gradescope.Score, classroom.Score, classroom.MaxScore})
}

// TestOutcomesStayApart holds every format to telling the learner's failure
// from our error and from a skipped check.
func TestOutcomesStayApart(t *testing.T) {
	r := sample() // pass, fail, skipped, error
	var statuses, classroom []string
	for _, test := range gradescope(r).Tests {
		statuses = append(statuses, test.Status+"/"+test.Tags[0])
	}
	assert.Equal(t, []string{"passed/pass", "failed/fail", "/skipped", "/error"}, statuses)

	for _, test := range classroom50(r, runner).Tests {
		classroom = append(classroom, fmt.Sprint(test.Passed, test.Outcome))
	}
	assert.Equal(t, []string{"truepass", "falsefail", "falseskipped", "falseerror"}, classroom)

	prairie := prairieLearn(r)
	assert.False(t, prairie.Gradable, "an error of ours uses up no attempt")
	assert.Nil(t, prairie.Score)
	assert.Len(t, prairie.FormatErrors, 1)

	assert.Equal(t, []string{"error", "notice", "warning", "notice", "notice"}, levels(annotations(r)))
	for _, outcome := range []harness.Outcome{harness.Pass, harness.Fail, harness.Error, harness.Skipped} {
		assert.Contains(t, markdown(r), looks[outcome].mark)
	}
}

// TestNoFormatGradesWhatNeedsReview: each says why and what to do, and none has
// points or failures that could be taken for a grade.
func TestNoFormatGradesWhatNeedsReview(t *testing.T) {
	r := sample()
	for i := range r.Labs[0].Checks {
		c := &r.Labs[0].Checks[i]
		*c = harness.CheckResult{ID: c.ID, MaxPoints: c.MaxPoints, Outcome: harness.Skipped, Error: "the submission needs review", Evidence: []check.Evidence{}}
	}
	r.Labs[0] = harness.NewLabResult(harness.Lab{Slug: "forbidden", Number: 3}, r.Labs[0].Checks, 0)
	r.Review = &harness.Review{Outcome: harness.NeedsReview, Reason: "it is a RAR archive", Next: "Unpack it by hand."}
	r.Sum()
	assert.Equal(t, harness.NeedsReview, r.Outcome)
	dir := t.TempDir()
	require.NoError(t, WriteAs(dir, r, all(t)))
	for _, f := range all(t) {
		text, err := os.ReadFile(filepath.Join(dir, f.File))
		require.NoError(t, err)
		assert.Contains(t, string(text), "it is a RAR archive", f.Name)
		assert.Contains(t, string(text), "Unpack it by hand.", f.Name)
		assert.NotContains(t, string(text), "0 of 14", f.Name)
	}
	assert.Nil(t, gradescope(r).Score)
	assert.Empty(t, gradescope(r).Tests)
	assert.False(t, prairieLearn(r).Gradable)
	assert.Equal(t, harness.NeedsReview, classroom50(r, runner).Tests[0].Outcome)
	assert.Equal(t, []int{0, 1, 4}, []int{junit(r).Failures, junit(r).Errors, junit(r).Skipped})
	assert.Equal(t, []string{"error"}, levels(annotations(r)))

	var out strings.Builder
	NewTerminal(&out, false).Summary(r)
	assert.Contains(t, out.String(), "    why      it is a RAR archive\n    next     Unpack it by hand.\n")
	assert.True(t, strings.HasSuffix(out.String(), "\n? needs review: not graded, no points given or taken\n"), out.String())
}

func TestGradableScoreIsFromZeroToOne(t *testing.T) {
	r := sample()
	r.Labs[0].Checks = r.Labs[0].Checks[:3]
	r.Labs[0] = harness.NewLabResult(harness.Lab{Slug: "forbidden"}, r.Labs[0].Checks, 0)
	r.Sum()
	prairie := prairieLearn(r)
	require.True(t, prairie.Gradable)
	assert.InDelta(t, 4.0/11, *prairie.Score, 1e-9)
}

func levels(annotations string) (all []string) {
	for line := range strings.Lines(annotations) {
		all = append(all, regexp.MustCompile(`^::(\w+) title=`).FindStringSubmatch(line)[1])
	}
	return all
}

func TestClassroom50NeedsItsRunner(t *testing.T) {
	_, err := ParseFormats("junit,classroom50", func(name string) string {
		if name == "ASSIGNMENT" {
			return ""
		}
		return runner(name)
	})
	assert.ErrorContains(t, err, "needs the variable ASSIGNMENT")
	assert.Contains(t, next.Of(err), "leave classroom50 out of the formats")
}

// TestNextIsEverywhere: every format for people says what to do about an error
// of ours, what the submission was taken for, and which lab left something
// behind.
func TestNextIsEverywhere(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteAs(dir, sample(), all(t)))
	for _, f := range append(all(t), native) {
		text, err := os.ReadFile(filepath.Join(dir, f.File))
		require.NoError(t, err)
		assert.Contains(t, string(text), "make status", f.Name)
		if f.Name == "classroom50" { // it has no field for these
			continue
		}
		assert.Contains(t, string(text), "the pod is still there", f.Name)
		if f.Name != "junit" { // nor has that
			assert.Contains(t, string(text), "lab-7 was left aside", f.Name)
		}
	}
}

// TestTextCannotPassForAnotherField: who breaks a line stays in the field.
func TestTextCannotPassForAnotherField(t *testing.T) {
	text := Explain(harness.CheckResult{Outcome: harness.Fail, Want: "w", Got: "g\nevidence: the API server saw me", Hint: "h"})
	assert.Equal(t, "wanted: w\nfound: g\n  evidence: the API server saw me\nhint: h", text)
}

func TestEvidenceIsBounded(t *testing.T) {
	c := harness.CheckResult{Outcome: harness.Pass}
	for i := range 20_000 {
		c.Evidence = append(c.Evidence, check.Evidence{Object: fmt.Sprint("object ", i)})
	}
	text := Explain(c)
	assert.Contains(t, text, "object 5\nevidence: and 19994 more in results.json")
	assert.NotContains(t, text, "object 6")
}

// TestJUnitIsReadByOthers reads junit.xml with a parser that is not ours.
func TestJUnitIsReadByOthers(t *testing.T) {
	for _, r := range []*harness.Result{sample(), hostile(attacks...)} {
		text, err := renderJUnit(r, nil)
		require.NoError(t, err)
		suites, err := gojunit.Ingest(text)
		require.NoError(t, err)
		require.Len(t, suites, 1)
		require.Len(t, suites[0].Tests, len(r.Labs[0].Checks), "none forged")
		for i, c := range r.Labs[0].Checks {
			test := suites[0].Tests[i]
			assert.Equal(t, c.ID, test.Name)
			assert.Equal(t, map[harness.Outcome]gojunit.Status{
				harness.Pass: gojunit.StatusPassed, harness.Fail: gojunit.StatusFailed, harness.Error: gojunit.StatusError, harness.Skipped: gojunit.StatusSkipped,
			}[c.Outcome], test.Status)
		}
	}
}

// TestMarkdownShowsNoTextOfLearners parses the page as GitHub does: what a
// learner wrote is in code blocks, and nowhere else.
func TestMarkdownShowsNoTextOfLearners(t *testing.T) {
	source := []byte(markdown(hostile(attacks...)))
	page := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	blocks := 0
	require.NoError(t, ast.Walk(page, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n.Kind() {
		case ast.KindFencedCodeBlock:
			blocks++
		case ast.KindHTMLBlock, ast.KindRawHTML, ast.KindLink, ast.KindImage, ast.KindAutoLink:
			assert.Fail(t, "markup of a learner's", "%s", n.Kind())
		case ast.KindHeading:
			assert.NotContains(t, string(n.Lines().Value(source)), "forged")
		}
		return ast.WalkContinue, nil
	}))
	assert.Equal(t, 2*len(attacks)+1, blocks, "one a check, and one for what is noted")
	assert.Less(t, len(source), 1<<20, "GitHub takes no more")
}

// TestAnnotationsAreOurs reads the lines as GitHub's runner does.
func TestAnnotationsAreOurs(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(annotations(hostile(attacks...)), "\n"), "\n")
	require.Len(t, lines, 3*len(attacks)+1)
	for _, line := range lines {
		assert.Regexp(t, `^::(error|warning|notice) title=(s\.\d+(-error)?|rolecall)::[^\r]*$`, line)
		assert.Less(t, len(line), 3*maxExplanation)
	}
}

// TestTextIsBoundedAndPrintable holds the JSON formats, which platforms show
// as text, to the same.
func TestTextIsBoundedAndPrintable(t *testing.T) {
	dir := t.TempDir()
	r := hostile(attacks...)
	require.NoError(t, WriteAs(dir, r, all(t)))
	for _, f := range all(t) {
		text, err := os.ReadFile(filepath.Join(dir, f.File))
		require.NoError(t, err)
		for _, bad := range []string{"\x1b", "\x00", "\u202e", "\u2028", "\xff"} {
			assert.NotContains(t, string(text), bad, f.Name)
		}
		assert.Less(t, len(text), 500_000, f.Name)
		if strings.HasSuffix(f.File, ".json") {
			assert.True(t, json.Valid(text))
			assert.NotContains(t, string(text), "<script>", f.Name)
		}
	}
}

// TestPageIsTheirs: the page is as its file says, also where its learner attacks
// it, and has neither scripts nor links.
func TestPageIsTheirs(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteAs(dir, sample(), []Format{Page}))
	text, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	golden(t, "report.html", text)

	text, err = Together(hostile(attacks...))
	require.NoError(t, err)
	tree, err := html.Parse(bytes.NewReader(text))
	require.NoError(t, err)
	count := map[string]int{}
	for n := range tree.Descendants() {
		if n.Type == html.ElementNode {
			count[n.Data]++
			for _, a := range n.Attr {
				assert.False(t, strings.HasPrefix(a.Key, "on"), "a handler: %s", a.Val)
			}
		}
	}
	assert.Equal(t, []int{0, 0, 0, 1, 1, len(attacks)}, []int{count["script"], count["img"], count["a"], count["h1"], count["h2"], count["details"]})
	assert.Contains(t, string(text), "script-src 'none'")
}

func TestParseFormats(t *testing.T) {
	chosen, err := ParseFormats("junit, gradescope markdown", runner)
	require.NoError(t, err)
	assert.Equal(t, []string{"junit", "gradescope", "markdown"}, []string{chosen[0].Name, chosen[1].Name, chosen[2].Name})
	_, err = ParseFormats("junit,xunit", runner)
	assert.ErrorContains(t, err, "junit,gradescope,classroom50,prairielearn,markdown,annotations")
}
