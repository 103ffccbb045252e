package gradebook

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
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
	Policy       template.HTMLAttr
	Style        template.CSS
	Script       template.JS
	Counts       string
	Outcomes     []string // that there are
	Review       []reviewView
	LabTallies   []tally
	CheckTallies []tally
	Messages     []message
	Equal        [][]rowView
	Labs         []harness.Lab
	Rows         []rowView
}

type rowView struct {
	ID, Name, Known, Folder, Outcome, Class, Points, Max, Missing string
	Asides                                                        []string // beside the verdicts
	Checks                                                        []checkView
}

type reviewView struct{ ID, Name, Why, Next string }

type checkView struct {
	ID, Check, Desc, Points, Text string
	Outcome                       harness.Outcome
}

// HTML is the class as one page that needs nothing else: readable without
// scripts; with them its columns sort and its rows are found. Text of learners
// is escaped by html/template, and a policy forbids any script or style but the
// page's own.
func (b *Book) HTML() ([]byte, error) {
	css := report.Style + style
	v := view{
		Policy: report.Policy(css, script), Style: template.CSS(css), Script: template.JS(script), Labs: b.Labs,
		LabTallies: b.labTallies(), CheckTallies: b.checkTallies(), Messages: b.messages(),
	}
	count := map[string]int{}
	submissions := 0
	for i, row := range b.sorted() {
		shown := b.view(i, row)
		v.Rows = append(v.Rows, shown)
		if count[shown.Outcome]++; count[shown.Outcome] == 1 {
			v.Outcomes = append(v.Outcomes, shown.Outcome)
		}
		if row.Name != "" {
			submissions++
		}
		if row.outcome() == string(harness.NeedsReview) {
			v.Review = append(v.Review, reviewView{shown.ID, shown.Name, report.OneLine(row.Result.Review.Reason, maxCell), report.OneLine(row.Result.Review.Next, maxCell)})
		}
	}
	slices.Sort(v.Outcomes)
	v.Counts = fmt.Sprintf("%d submissions: %d passed, %d not yet, %d could not be judged", submissions,
		count[string(harness.Pass)], count[string(harness.Fail)]+count[string(harness.Skipped)], count[string(harness.Error)])
	for _, other := range []struct{ outcome, counted string }{
		{string(harness.NeedsReview), "to review"}, {NotYet, NotYet}, {string(harness.NotHandedIn), "handed in nothing"},
	} {
		if count[other.outcome] > 0 {
			v.Counts += fmt.Sprintf(", %d %s", count[other.outcome], other.counted)
		}
	}
	v.Equal = equal(b.sorted(), v.Rows)
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, v)
	return out.Bytes(), err
}

func (b *Book) view(i int, row Row) rowView {
	v := rowView{
		ID: fmt.Sprintf("s%d", i+1), Name: report.OneLine(cmp.Or(row.Student, row.Name, row.ID), 200), Known: row.known(),
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
	for _, note := range row.Notes {
		if aside := "note: " + report.OneLine(note, maxCell); !slices.Contains(v.Asides, aside) {
			v.Asides = append(v.Asides, aside)
		}
	}
	checks := row.checks()
	for _, lab := range b.Labs {
		for _, defined := range lab.Checks {
			c := checks[defined.ID]
			text := report.Explain(c)
			switch {
			case row.Result == nil || row.Result.Review != nil:
				text = row.outcome()
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
