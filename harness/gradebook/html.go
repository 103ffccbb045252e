package gradebook

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/report"
)

var (
	//go:embed page.html
	page string
	//go:embed page.css
	style string
	//go:embed page.js
	script string

	pageTemplate = template.Must(template.New("page").Parse(page))
)

// maxCell bounds what the page says of one check, in bytes; all of it stands
// in the submission's results.json.
const maxCell = 1500

var signs = map[harness.Outcome]string{harness.Pass: "✓", harness.Fail: "✗", harness.Error: "!", harness.Skipped: "–"}

// view is what the page shows.
type view struct {
	Policy template.HTMLAttr
	Style  template.CSS
	Script template.JS
	Counts string
	Steps  []harness.Step
	Rows   []rowView
}

type rowView struct {
	ID, Name, Folder, Points, Max string
	Outcome                       harness.Outcome
	Missing                       string
	Checks                        []checkView
}

type checkView struct {
	ID, Check, Desc, Sign, Points, Text string
	Outcome                             harness.Outcome
}

// HTML is the class as one page that needs nothing else: readable without
// scripts; with them its columns sort. Text of learners is escaped by
// html/template, and a policy forbids any script or style but the page's own.
func (b *Book) HTML() ([]byte, error) {
	v := view{
		Policy: template.HTMLAttr(fmt.Sprintf(`content="default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action 'none'"`, hash(style), hash(script))),
		Style:  template.CSS(style), Script: template.JS(script), Steps: b.Steps,
	}
	count := map[harness.Outcome]int{}
	for i, row := range b.Rows {
		v.Rows = append(v.Rows, b.view(i, row))
		count[row.Result.Outcome]++
	}
	v.Counts = fmt.Sprintf("%d submissions: %d passed, %d not yet, %d could not be judged", len(b.Rows), count[harness.Pass], count[harness.Fail]+count[harness.Skipped], count[harness.Error])
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, v)
	return out.Bytes(), err
}

func (b *Book) view(i int, row Row) rowView {
	r := row.Result
	v := rowView{
		ID: fmt.Sprintf("s%d", i+1), Name: report.OneLine(row.Name, 200), Folder: row.Folder,
		Points: points(r.Points, r.Outcome), Max: fmt.Sprint(r.MaxPoints), Outcome: r.Outcome,
	}
	for _, step := range r.Steps {
		if step.Missing {
			v.Missing += fmt.Sprintf(" lab-%d", step.Lab)
		}
	}
	checks := row.checks()
	for _, step := range b.Steps {
		for _, defined := range step.Checks {
			c := checks[defined.ID]
			text := report.Explain(c)
			if text == "" {
				text = "nothing more was seen"
			}
			v.Checks = append(v.Checks, checkView{
				ID: v.ID + "-" + defined.ID, Check: defined.ID, Desc: defined.Desc, Outcome: c.Outcome, Sign: signs[c.Outcome],
				Points: fmt.Sprintf("%d/%d", c.Points, c.MaxPoints), Text: check.Printable(text, maxCell),
			})
		}
	}
	return v
}

// hash names a script or style in a content security policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
