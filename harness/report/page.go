package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"rolecall/harness"
)

var (
	//go:embed page.html
	page string
	// Style is what all pages have in common.
	//go:embed page.css
	Style string

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"sign": Sign}).Parse(page))
)

// Page is the result as a page of its own for its submitter: it needs nothing
// else, and has nothing of anybody else's.
var Page = Format{Name: "html", File: "report.html", render: func(r *harness.Result, _ func(string) string) ([]byte, error) { return renderPage(r) }}

// pageView is what the page shows.
type pageView struct {
	Policy                  template.HTMLAttr
	Style                   template.CSS
	Name, Outcome, Sentence string
	Asides                  []string
	Labs                    []labView
}

type labView struct {
	harness.LabResult
	Checks []checkView
}

type checkView struct {
	harness.CheckResult
	Points, Text string
	Open         bool // what a person needs in order to go on
}

func renderPage(r *harness.Result) ([]byte, error) {
	v := pageView{
		Policy: Policy(Style, ""), Style: template.CSS(Style),
		Name: OneLine(r.Submission, 200), Outcome: string(r.Outcome), Sentence: sentence(r), Asides: Asides(r),
	}
	for _, lab := range r.Labs {
		if r.Review != nil {
			break // no check was made
		}
		l := labView{LabResult: lab}
		for _, c := range lab.Checks {
			l.Checks = append(l.Checks, checkView{c, fmt.Sprintf("%d/%d", c.Points, c.MaxPoints), Explain(c), c.Outcome == harness.Fail || c.Outcome == harness.Error})
		}
		v.Labs = append(v.Labs, l)
	}
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, v)
	return out.Bytes(), err
}

// Policy is the attribute of a content security policy that allows a page its own
// style and script and nothing else.
func Policy(style, script string) template.HTMLAttr {
	scripts := "'none'"
	if script != "" {
		scripts = "'" + hash(script) + "'"
	}
	return template.HTMLAttr(fmt.Sprintf(`content="default-src 'none'; style-src '%s'; script-src %s; img-src data:; base-uri 'none'; form-action 'none'"`, hash(style), scripts))
}

// hash names a script or style in a content security policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
