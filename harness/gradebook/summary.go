package gradebook

import (
	"cmp"
	"slices"
	"strings"

	"rolecall/harness"
	"rolecall/harness/report"
)

// tally is how a class did in a lab or a check.
type tally struct {
	Name, Desc                               string
	Passed, Failed, Errors, Skipped, Missing int
}

func (t *tally) count(o harness.Outcome) {
	switch o {
	case harness.Pass:
		t.Passed++
	case harness.Fail:
		t.Failed++
	case harness.Error:
		t.Errors++
	case harness.Skipped:
		t.Skipped++
	}
}

// labTallies count each lab's outcomes; one that was not handed in has not failed.
func (b *Book) labTallies() (all []tally) {
	for _, lab := range b.Labs {
		t := tally{Name: name(lab)}
		for _, row := range b.Rows {
			switch of := row.labs()[lab.Slug]; {
			case of.Missing:
				t.Missing++
			case of.Outcome == harness.Skipped: // nothing of it was reached
				t.Failed++
			default:
				t.count(of.Outcome)
			}
		}
		all = append(all, t)
	}
	return all
}

func (b *Book) checkTallies() (all []tally) {
	at := map[string]int{}
	for _, lab := range b.Labs {
		for _, c := range lab.Checks {
			at[c.ID] = len(all)
			all = append(all, tally{Name: c.ID, Desc: c.Desc})
		}
	}
	for _, row := range b.Rows {
		for id, c := range row.checks() {
			if n, known := at[id]; known {
				all[n].count(c.Outcome)
			}
		}
	}
	return all
}

// message is a failure that several learners met.
type message struct {
	Count              int
	Check, Hint, Found string
}

const (
	maxMessages = 5
	maxFound    = 200 // bytes of what was found
)

// messages are the failures that most learners met, by check and hint: what was
// found often has names in it. A lab that was not handed in is none.
func (b *Book) messages() []message {
	byHint := map[[2]string]*message{}
	for _, row := range b.sorted() {
		for _, lab := range row.labs() {
			for _, c := range lab.Checks {
				if c.Outcome != harness.Fail || lab.Missing {
					continue
				}
				key := [2]string{c.ID, cmp.Or(c.Hint, c.Got)}
				if byHint[key] == nil {
					byHint[key] = &message{Check: c.ID, Hint: report.OneLine(key[1], maxCell), Found: report.OneLine(c.Got, maxFound)}
				}
				byHint[key].Count++
			}
		}
	}
	var all []message
	for _, m := range byHint {
		if m.Count > 1 {
			all = append(all, *m)
		}
	}
	slices.SortFunc(all, func(x, y message) int {
		return cmp.Or(y.Count-x.Count, strings.Compare(x.Check, y.Check), strings.Compare(x.Hint, y.Hint))
	})
	return all[:min(len(all), maxMessages)]
}

// equal are the rows whose submissions have the same text, white space aside.
func equal(rows []Row, views []rowView) (groups [][]rowView) {
	at := map[string]int{}
	for i, row := range rows {
		if row.Result == nil || row.Result.Text == "" || row.Result.Review != nil {
			continue
		}
		n, known := at[row.Result.Text]
		if !known {
			n = len(groups)
			at[row.Result.Text] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], views[i])
	}
	return slices.DeleteFunc(groups, func(group []rowView) bool { return len(group) < 2 })
}
