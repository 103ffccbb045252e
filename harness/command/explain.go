package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rolecall/harness"
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
		Args:              f.oneLabAtMost,
		ValidArgsFunction: f.completeLab,
		RunE: func(_ *cobra.Command, words []string) error {
			var result *harness.Result
			var err error
			if results != "" {
				result, err = readResults(results)
			} else {
				result, err = f.lastResult(submission, words)
			}
			if err != nil {
				return err
			}
			if len(words) == 1 {
				if result, err = f.only(result, words[0]); err != nil {
					return err
				}
			}
			explanation, err := tutor.Explain(f.course, result, hintsOf(result))
			if err != nil {
				return err
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
	cmd.Flags().StringVar(&submission, "submission", "", "the `directory` with the learner's files (default "+work+")")
	return cmd
}

func (f *front) oneLabAtMost(cmd *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	return f.oneTask(cmd, words)
}

// maxResults bounds what is read as results, in bytes: those of all labs have
// less than one MiB.
const maxResults = 64 << 20

// readResults reads a results.json, or that of a directory.
func readResults(name string) (*harness.Result, error) {
	if isDir(name) {
		name = filepath.Join(name, report.ResultsFile)
	}
	if info, err := os.Stat(name); err == nil && (!info.Mode().IsRegular() || info.Size() > maxResults) {
		return nil, next.Errorf("name the results.json that rolecall wrote", "reading %s: it is no results.json", name)
	}
	return report.Read(name)
}

// lastResult is a learner's last result: of the lab that is named, or of the one
// that was checked last.
func (f *front) lastResult(submission string, words []string) (last *harness.Result, err error) {
	if submission == "" {
		submission = f.ownSubmission()
	}
	folder, err := filepath.Abs(submission)
	if err != nil {
		return nil, fmt.Errorf("reading your last results: %w", err)
	}
	names, first := []string{f.course.Name}, "make "+f.course.Labs[0].Folder()
	for _, lab := range f.course.Labs {
		names = append(names, lab.Folder())
	}
	if len(words) == 1 {
		lab, err := f.taskNamed(words[0])
		if err != nil {
			return nil, err
		}
		if names = []string{f.course.Name}; lab.Number > 0 {
			names = []string{lab.Folder()}
		}
		first = "make " + names[0]
	}
	for _, name := range names {
		r, err := readResults(filepath.Join(folder+"-progress", name+".json"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case last == nil || r.StartedAt.After(last.StartedAt):
			last = r
		}
	}
	if last == nil {
		return nil, next.Errorf(first, "reading your last results: there are none yet")
	}
	return last, nil
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

// hintsOf are the hints that the learner had, and those that must not be told.
func hintsOf(r *harness.Result) tutor.Hints {
	hints := tutor.Hints{Beyond: map[string][]string{}}
	for _, lab := range r.Labs {
		for _, c := range lab.Checks {
			if c.Hint != "" {
				hints.Beyond[c.ID] = []string{c.Hint}
			}
		}
	}
	return hints
}

// printExplanation is for people who want to see what a tutor gets to see.
func (f *front) printExplanation(e *tutor.Explanation) {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(f.stdout, "    %-8s %s\n", name, strings.ReplaceAll(text, "\n", "\n             "))
		}
	}
	for _, lab := range e.Labs {
		heading := harness.LabResult{Number: lab.Number, Title: lab.Title}.Heading()
		fmt.Fprintf(f.stdout, "\n%s\n", heading)
		for _, c := range lab.Checks {
			fmt.Fprintf(f.stdout, "\n%s %s  %s\n", report.Sign(c.Outcome), c.ID, c.Desc)
			line("wanted", c.Wanted)
			line("found", c.Found)
			line("at", c.Position.String())
			line("why", c.Why)
			for _, hint := range c.Hints {
				line("hint", hint)
			}
			for _, e := range c.Evidence {
				switch {
				case e.Request != nil:
					line("request", fmt.Sprintf("%s: %s %s in %s → %d %s", e.Request.User, e.Request.Verb, e.Request.Resource, e.Request.Namespace, e.Request.Code, e.Request.Decision))
				case e.Output != nil:
					line("output", strings.TrimSpace(e.Output.Stdout+"\n"+e.Output.Stderr))
				}
				line("object", e.Object)
			}
		}
	}
}
