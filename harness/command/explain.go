package command

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rolecall/harness"
	"rolecall/harness/learn"
	"rolecall/harness/next"
	"rolecall/harness/report"
	"rolecall/harness/tutor"
)

// explain prints what a tutor, a person or a model, may be shown of results.
func (f *front) explain() *cobra.Command {
	var submission, results string
	asJSON := false
	cmd := &cobra.Command{
		Use:               "explain [N]",
		Short:             "print what a tutor may be shown of your last results",
		Args:              f.maybeTask,
		ValidArgsFunction: f.completeLab,
		RunE: func(cmd *cobra.Command, words []string) error {
			p, _, err := f.own(submission)
			if err != nil {
				return err
			}
			result, err := f.explained(p, results, words)
			if err != nil {
				return err
			}
			hints, err := f.hintsOf(p, result)
			if err != nil {
				return err
			}
			explanation, err := tutor.Explain(f.course, result, hints)
			if err != nil {
				return err
			}
			for _, lab := range explanation.Labs {
				for _, c := range lab.Checks {
					for i, hint := range c.Hints {
						c.Hints[i] = withVariables(cmd, hint)
					}
				}
			}
			if asJSON {
				return f.printJSON(explanation)
			}
			f.printExplanation(explanation)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, as docs/tutor.md describes it")
	cmd.Flags().StringVar(&results, "results", "", "explain this results.json, a `file` or the directory that holds it")
	submissionFlag(cmd, &submission)
	return cmd
}

// explained is the result that is named, or the learner's last one, of the lab
// that is named or that was checked last.
func (f *front) explained(p *learn.Progress, results string, words []string) (*harness.Result, error) {
	if results != "" {
		_, found, err := f.named(results)
		if err != nil || len(words) == 0 {
			return found, err
		}
		return f.only(found, words[0])
	}
	if len(words) == 0 {
		return f.newest(p)
	}
	lab, err := f.taskNamed(words[0])
	if err != nil {
		return nil, err
	}
	result, err := p.Result(lab)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, next.Errorf("make "+f.course.Word(lab), "reading your last results: there are none yet")
	}
	return result, err
}

// newest is the learner's result of the lab that was checked last.
func (f *front) newest(p *learn.Progress) (*harness.Result, error) {
	all, err := p.Results()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, next.Errorf("make "+f.course.Labs[0].Folder(), "reading your last results: there are none yet")
	}
	return slices.MaxFunc(all, func(a, b *harness.Result) int { return a.StartedAt.Compare(b.StartedAt) }), nil
}

// only is a result without labs but one.
func (f *front) only(r *harness.Result, word string) (*harness.Result, error) {
	lab, err := f.taskNamed(word)
	if err != nil {
		return nil, err
	}
	for _, l := range r.Labs {
		if l.Slug == lab.Slug {
			one := *r
			one.Labs = []harness.LabResult{l}
			return &one, nil
		}
	}
	return nil, fmt.Errorf("explaining %s: it is not in these results", lab.Heading())
}

// hintsOf are the hints that the learner was given, and those that must not be
// told.
func (f *front) hintsOf(p *learn.Progress, r *harness.Result) (tutor.Hints, error) {
	hints := tutor.Hints{Reached: map[string][]string{}, Beyond: map[string][]string{}}
	for _, of := range r.Labs {
		lab, err := f.taskNamed(f.course.Word(harness.Lab{Number: of.Number}))
		if err != nil {
			continue // of another course; tutor.Explain leaves it out
		}
		state, err := p.Of(lab)
		if err != nil {
			return hints, err
		}
		texts, err := f.course.Hints(lab)
		if err != nil {
			return hints, err
		}
		for _, c := range of.Checks {
			levels := []string{texts[c.ID].Idea, c.Hint, texts[c.ID].Similar}
			if c.Slip || texts[c.ID] == (harness.Hint{}) { // it is said at once
				hints.Reached[c.ID] = append(hints.Reached[c.ID], c.Hint)
				levels[1] = ""
			}
			for i, text := range levels {
				switch {
				case text == "":
				case i < state.Hints[c.ID]:
					hints.Reached[c.ID] = append(hints.Reached[c.ID], text)
				default:
					hints.Beyond[c.ID] = append(hints.Beyond[c.ID], text)
				}
			}
		}
	}
	return hints, nil
}

// printExplanation is for people who want to see what a tutor gets to see.
func (f *front) printExplanation(e *tutor.Explanation) {
	line := func(name, text string) {
		if text != "" {
			f.print("    %-8s %s\n", name, strings.ReplaceAll(text, "\n", "\n             "))
		}
	}
	for _, lab := range e.Labs {
		heading := harness.LabResult{Number: lab.Number, Title: lab.Title}.Heading()
		f.print("\n%s\n", heading)
		for _, c := range lab.Checks {
			f.print("\n%s %s  %s\n", report.Sign(c.Outcome), c.ID, c.Desc)
			line("wanted", c.Wanted)
			line("found", c.Found)
			line("at", c.Position.String())
			line("why", c.Why)
			for _, hint := range c.Hints {
				line("hint", strings.TrimSpace(markdown(hint, false, 0, 0)))
			}
			for _, e := range c.Evidence {
				switch {
				case e.Request != nil:
					line("request", fmt.Sprintf("%s: %s %s in %s → %d %s", e.Request.User, e.Request.Verb, e.Request.Resource, e.Request.Namespace, e.Request.Code, e.Request.Decision))
				case e.Output != nil:
					line("output", strings.TrimSpace(e.Output.Stdout+"\n"+e.Output.Stderr))
				}
				line("evidence", e.Object)
			}
		}
	}
}
