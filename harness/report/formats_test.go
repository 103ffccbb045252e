package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	junit "github.com/joshdk/go-junit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"rolecall/harness"
	"rolecall/harness/check"
)

// runner is what Classroom 50's runner sets.
func runner(t *testing.T) {
	for name, value := range map[string]string{
		"CLASSROOM": "k8s", "ASSIGNMENT": "identity", "ASSIGNMENT_TYPE": "individual", "USERNAME": "ada", "OWNER": "ada",
		"SUBMISSION_TAG": "submit/2026-01-02T03-04-05Z-abc1234", "COMMIT_URL": "https://git.example/c/1", "RELEASE_URL": "https://git.example/r/1", "REVIEW_URL": "",
	} {
		t.Setenv(name, value)
	}
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
	result := &harness.Result{Submission: texts[0], Steps: []harness.StepResult{harness.NewStepResult(harness.Step{Slug: "s", Lab: 1, Title: "t"}, checks, 0)}}
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
	runner(t)
	dir := t.TempDir()
	require.NoError(t, WriteAs(dir, sample(), Formats))
	for _, f := range Formats {
		written, err := os.ReadFile(filepath.Join(dir, f.File))
		require.NoError(t, err)
		golden(t, f.File, written)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, len(Formats)+1, "and results.json")
}

func TestPointsAddUp(t *testing.T) {
	r := sample()
	gradescope, prairie := Gradescope(r), PrairieLearn(r)
	runner(t)
	classroom, err := Classroom50(r, os.Getenv)
	require.NoError(t, err)
	var scores, most [3]int
	for i, test := range gradescope.Tests {
		scores[0], most[0] = scores[0]+test.Score, most[0]+test.MaxScore
		scores[1], most[1] = scores[1]+classroom.Tests[i].Score, most[1]+classroom.Tests[i].MaxScore
		scores[2], most[2] = scores[2]+prairie.Tests[i].Points, most[2]+prairie.Tests[i].MaxPoints
	}
	assert.Equal(t, [3]int{r.Points, r.Points, r.Points}, scores)
	assert.Equal(t, [3]int{r.MaxPoints, r.MaxPoints, r.MaxPoints}, most)
	assert.Equal(t, []int{r.Points, r.Points, r.MaxPoints}, []int{gradescope.Score, classroom.Score, classroom.MaxScore})
}

// TestOutcomesStayApart holds every format to telling the learner's failure
// from our error and from a skipped check.
func TestOutcomesStayApart(t *testing.T) {
	r := sample() // pass, fail, skipped, error
	var gradescope, classroom []string
	for _, test := range Gradescope(r).Tests {
		gradescope = append(gradescope, test.Status+"/"+test.Tags[0])
	}
	assert.Equal(t, []string{"passed/pass", "failed/fail", "/skipped", "/error"}, gradescope)

	runner(t)
	c50, err := Classroom50(r, os.Getenv)
	require.NoError(t, err)
	for _, test := range c50.Tests {
		classroom = append(classroom, fmt.Sprint(test.Passed, test.Outcome))
	}
	assert.Equal(t, []string{"truepass", "falsefail", "falseskipped", "falseerror"}, classroom)

	prairie := PrairieLearn(r)
	assert.False(t, prairie.Gradable, "an error of ours uses up no attempt")
	assert.Nil(t, prairie.Score)
	assert.Len(t, prairie.FormatErrors, 1)

	assert.Equal(t, []string{"error", "notice", "warning"}, levels(Annotations(r)))
	for _, mark := range marks {
		assert.Contains(t, Markdown(r), mark)
	}
}

func TestGradableScoreIsFromZeroToOne(t *testing.T) {
	r := sample()
	r.Steps[0].Checks = r.Steps[0].Checks[:3]
	r.Steps[0] = harness.NewStepResult(harness.Step{Slug: "forbidden"}, r.Steps[0].Checks, 0)
	r.Sum()
	prairie := PrairieLearn(r)
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
	_, err := Classroom50(sample(), func(string) string { return "" })
	assert.ErrorContains(t, err, "USERNAME is not set")
	assert.Error(t, WriteAs(t.TempDir(), sample(), Formats), "and nothing is written for it")
}

// TestJUnitIsReadByOthers reads junit.xml with a parser that is not ours.
func TestJUnitIsReadByOthers(t *testing.T) {
	for _, r := range []*harness.Result{sample(), hostile(attacks...)} {
		text, err := renderJUnit(r)
		require.NoError(t, err)
		suites, err := junit.Ingest(text)
		require.NoError(t, err)
		require.Len(t, suites, 1)
		require.Len(t, suites[0].Tests, len(r.Steps[0].Checks), "none forged")
		for i, c := range r.Steps[0].Checks {
			test := suites[0].Tests[i]
			assert.Equal(t, c.ID, test.Name)
			assert.Equal(t, map[harness.Outcome]junit.Status{
				harness.Pass: junit.StatusPassed, harness.Fail: junit.StatusFailed, harness.Error: junit.StatusError, harness.Skipped: junit.StatusSkipped,
			}[c.Outcome], test.Status)
		}
	}
}

// TestMarkdownShowsNoTextOfLearners parses the page as GitHub does: what a
// learner wrote is in code blocks, and nowhere else.
func TestMarkdownShowsNoTextOfLearners(t *testing.T) {
	source := []byte(Markdown(hostile(attacks...)))
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
	assert.Equal(t, 2*len(attacks), blocks, "one a check")
	assert.Less(t, len(source), 1<<20, "GitHub takes no more")
}

// TestAnnotationsAreOurs reads the lines as GitHub's runner does.
func TestAnnotationsAreOurs(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(Annotations(hostile(attacks...)), "\n"), "\n")
	require.Len(t, lines, 2*len(attacks))
	for _, line := range lines {
		assert.Regexp(t, `^::(error|warning) title=s\.\d+(-error)?::[^\r]*$`, line)
		assert.Less(t, len(line), 3*maxExplanation)
	}
}

// TestTextIsBoundedAndPrintable holds the JSON formats, which platforms show
// as text, to the same.
func TestTextIsBoundedAndPrintable(t *testing.T) {
	runner(t)
	dir := t.TempDir()
	r := hostile(attacks...)
	require.NoError(t, WriteAs(dir, r, Formats))
	for _, f := range Formats {
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

func TestParseFormats(t *testing.T) {
	chosen, err := ParseFormats("junit, gradescope markdown")
	require.NoError(t, err)
	assert.Equal(t, []string{"junit", "gradescope", "markdown"}, []string{chosen[0].Name, chosen[1].Name, chosen[2].Name})
	_, err = ParseFormats("junit,xunit")
	assert.ErrorContains(t, err, "junit,gradescope,classroom50,prairielearn,markdown,annotations")
}
