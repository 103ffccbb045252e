package gradebook

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"

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

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"sign": report.Sign, "name": name}).Parse(page))
)

// maxCell bounds what the page says of one check, in bytes; all of it is in the
// submission's results.json.
const maxCell = 1500

// name is a lab in the head of the table.
func name(lab harness.Lab) string {
	if lab.Number == 0 {
		return lab.Slug
	}
	return fmt.Sprintf("lab %d", lab.Number)
}

// view is what the page shows.
type view struct {
	Policy template.HTMLAttr
	Style  template.CSS
	Script template.JS
	Counts string
	Labs   []harness.Lab
	Rows   []rowView
}

type rowView struct {
	ID, Name, Folder, Outcome, Class, Points, Max, Missing string
	Asides                                                 []string // beside the verdicts
	Checks                                                 []checkView
}

type checkView struct {
	ID, Check, Desc, Points, Text string
	Outcome                       harness.Outcome
}

// HTML is the class as one page that needs nothing else: readable without
// scripts; with them its columns sort. Text of learners is escaped by
// html/template, and a policy forbids any script or style but the page's own.
func (b *Book) HTML() ([]byte, error) {
	v := view{
		Policy: template.HTMLAttr(fmt.Sprintf(`content="default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action 'none'"`, hash(style), hash(script))),
		Style:  template.CSS(style), Script: template.JS(script), Labs: b.Labs,
	}
	count := map[string]int{}
	for i, row := range b.sorted() {
		v.Rows = append(v.Rows, b.view(i, row))
		count[row.outcome()]++
	}
	v.Counts = fmt.Sprintf("%d submissions: %d passed, %d not yet, %d could not be judged", len(b.Rows),
		count[string(harness.Pass)], count[string(harness.Fail)]+count[string(harness.Skipped)], count[string(harness.Error)])
	for _, other := range []string{string(harness.NeedsReview), string(harness.NotHandedIn), NotYet} {
		if count[other] > 0 {
			v.Counts += fmt.Sprintf(", %d %s", count[other], strings.ReplaceAll(other, "-", " "))
		}
	}
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, v)
	return out.Bytes(), err
}

func (b *Book) view(i int, row Row) rowView {
	v := rowView{
		ID: fmt.Sprintf("s%d", i+1), Name: row.called(),
		Outcome: row.outcome(), Class: strings.ReplaceAll(row.outcome(), " ", "-"), Points: row.points(), Max: fmt.Sprint(b.maxPoints()),
	}
	if row.Result != nil {
		v.Folder, v.Asides = row.Folder, report.Asides(row.Result)
		for _, lab := range row.Result.Labs {
			if lab.Missing {
				v.Missing += " " + lab.Folder()
			}
		}
	}
	checks := row.checks()
	for _, lab := range b.Labs {
		for _, defined := range lab.Checks {
			c := checks[defined.ID]
			text := report.Explain(c)
			switch {
			case row.Result == nil:
				text = NotYet
			case text == "":
				text = "nothing more was seen"
			}
			v.Checks = append(v.Checks, checkView{
				ID: v.ID + "-" + defined.ID, Check: defined.ID, Desc: defined.Desc, Outcome: c.Outcome,
				Points: fmt.Sprintf("%d/%d", c.Points, defined.Points), Text: check.Printable(text, maxCell),
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
