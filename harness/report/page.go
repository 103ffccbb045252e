package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"path/filepath"
	"slices"
	"strings"

	"rolecall/harness"
	"rolecall/harness/check"
)

var (
	//go:embed page.html
	page string
	// Style is what all pages have in common.
	//go:embed page.css
	Style string
	//go:embed timeline.css
	timelineStyle string
	//go:embed matrix.css
	matrixStyle string

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"sign": Sign, "word": func(o harness.Outcome) string { return looks[o].counted }}).Parse(page))
)

// Page is the result as a page of its own for its submitter: it needs nothing
// else, and has nothing of anybody else's.
var Page = Format{Name: "html", File: "report.html", render: func(r *harness.Result, _ func(string) string) ([]byte, error) { return Together(r) }}

// Bounds of a page, whatever is in the results that it shows.
const (
	maxLabs   = 40
	maxChecks = 40 // of a lab
	maxAsides = 20
	maxField  = 1200 // bytes of what is said of a check
)

// pageView is what the page shows.
type pageView struct {
	Policy               template.HTMLAttr
	Style                template.CSS
	Name, Sentence, When string
	Outcome              harness.Outcome
	Asides               []string
	Labs                 []labView
}

type labView struct {
	harness.LabResult
	ID, When string // When is "" where all labs were checked in one run
	Checks   []checkView
	Timeline timelineView
	Matrices []matrixView
}

type checkView struct {
	harness.CheckResult
	Name     string
	Anchor   string
	Points   string
	Told     []toldView
	Seen     []string // but the requests and the access
	Requests []refView
	Matrices []refView
	Open     bool // what a person needs in order to go on
}

// toldView is a field of what is said of a check.
type toldView struct{ Name, Text string }

// refView leads to another place of the page.
type refView struct {
	Anchor, Text string
	Outcome      harness.Outcome
}

// Together is one page on the labs of one or more results of a submission, in
// their order. It is made of them alone: the same results give the same bytes.
func Together(results ...*harness.Result) ([]byte, error) {
	if len(results) == 0 {
		return nil, fmt.Errorf("writing a page: there is no result")
	}
	css := Style + timelineStyle + matrixStyle
	v := pageView{Policy: Policy(css, ""), Style: template.CSS(css)}
	sum := *results[0]
	sum.Labs = nil
	whens := map[string]bool{}
	for _, r := range results {
		whens[when(r)] = true
		sum.Labs = append(sum.Labs, r.Labs...)
	}
	if len(results) > 1 {
		sum.Sum()
	}
	v.Name = OneLine(cmp.Or(filepath.Base(filepath.ToSlash(sum.Submission)), "rolecall"), 200)
	v.Outcome, v.Sentence = sum.Outcome, sentence(&sum)
	if len(whens) == 1 {
		v.When = when(results[0])
	}
	for _, r := range results {
		for _, aside := range Asides(r) {
			if len(v.Asides) < maxAsides && !slices.Contains(v.Asides, aside) {
				v.Asides = append(v.Asides, aside)
			}
		}
		if r.Review != nil {
			continue // no check was made
		}
		for _, lab := range first(r.Labs, maxLabs-len(v.Labs)) {
			l := labOf(lab, fmt.Sprintf("lab-%d", len(v.Labs)+1))
			if len(whens) > 1 {
				l.When = when(r)
			}
			v.Labs = append(v.Labs, l)
		}
	}
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, v)
	return out.Bytes(), err
}

// when is where and when a result was found.
func when(r *harness.Result) string {
	if r.Cluster.Provider == "" {
		return ""
	}
	return fmt.Sprintf("checked on %s, Kubernetes %s, cluster %s",
		r.StartedAt.UTC().Format("2006-01-02 15:04 UTC"), OneLine(r.Cluster.Kubernetes, 40), OneLine(r.Cluster.Provider, 40))
}

// labOf is a lab under an id of the page.
func labOf(lab harness.LabResult, id string) labView {
	l := labView{LabResult: lab, ID: id}
	l.Title = OneLine(l.Title, 200)
	lab.Checks = first(lab.Checks, maxChecks)
	l.Timeline = timelineOf(lab, id)
	for i, c := range lab.Checks {
		v := checkView{
			CheckResult: c, Name: OneLine(c.ID, 100), Anchor: checkAnchor(id, i), Points: fmt.Sprintf("%d/%d", c.Points, c.MaxPoints),
			Requests: l.Timeline.decided(i), Open: c.Outcome == harness.Fail || c.Outcome == harness.Error,
		}
		v.Desc = OneLine(c.Desc, 300)
		if c.Outcome == harness.Error {
			v.Told = append(v.Told, toldView{"verdict", notYours})
		}
		for _, f := range told(c, "") {
			v.Told = append(v.Told, toldView{f.name, check.Printable(f.text, maxField)})
		}
		for _, e := range first(c.Evidence, maxEvidence) {
			switch {
			case e.Request != nil:
			case e.Access != nil:
				m := matrixOf(*e.Access, fmt.Sprintf("%s-access-%d", id, len(l.Matrices)+1))
				l.Matrices = append(l.Matrices, m)
				v.Matrices = append(v.Matrices, refView{Anchor: m.ID, Text: "access in " + m.Namespace})
			default:
				v.Seen = append(v.Seen, check.Printable(evidence(e), maxField))
			}
		}
		l.Checks = append(l.Checks, v)
	}
	return l
}

// checkAnchor leads to a check.
func checkAnchor(lab string, i int) string { return fmt.Sprintf("%s-check-%d", lab, i+1) }

// first are the first few of many.
func first[T any](all []T, few int) []T { return all[:max(0, min(few, len(all)))] }

// plural is a number of things in words.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, strings.TrimSuffix(one, "s"))
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
