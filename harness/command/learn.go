package command

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/learn"
	"rolecall/harness/next"
	"rolecall/harness/report"
	"rolecall/harness/wrap"
)

// learner is the progress that a check of a submission is kept in; nil where
// none is kept.
func (f *front) learner(c checking) *learn.Progress {
	if c.demo {
		return nil
	}
	p, err := learn.Open(f.course, c.submission, f.display.Say)
	if err == nil && isDir(c.submission) {
		if err = p.Ready(); err == nil {
			return p
		}
	}
	if err != nil && c.submission == f.ownSubmission() { // any other may well be somewhere that is not to be written to
		f.display.Say("note: " + err.Error())
	}
	return nil
}

// hinted are the checks that the course has hints for, by id.
func (f *front) hinted(labs []harness.Lab) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, lab := range labs {
		hints, err := f.course.Hints(lab)
		if err != nil {
			return nil, err
		}
		for id := range hints {
			ids[id] = true
		}
	}
	return ids, nil
}

// meaning says what a lab that passed has shown.
func (f *front) meaning(cmd *cobra.Command, lab harness.Lab) error {
	means, err := f.course.Meaning(lab)
	if err == nil && means != "" {
		f.print("\nWhat it means\n\n")
		err = f.printMarkdown(withVariables(cmd, means) + "\n")
	}
	fmt.Fprintln(f.stdout)
	return err
}

// passed says what a lab that passed has shown, and how to compare.
func (f *front) passed(cmd *cobra.Command, lab harness.Lab) error {
	if err := f.meaning(cmd, lab); err != nil {
		return err
	}
	if lab.Number > 0 {
		f.print("Compare: %s (yours and the reference solution)\n", withVariables(cmd, fmt.Sprintf("make difference-%d", lab.Number)))
	}
	return nil
}

// own is the progress of the learner whose submission is named, or of the one
// who works here.
func (f *front) own(submission string) (*learn.Progress, string, error) {
	if submission == "" {
		submission = f.ownSubmission()
	}
	p, err := learn.Open(f.course, submission, f.display.Say)
	return p, submission, err
}

// next begins the first lab that is not passed.
func (f *front) next() *cobra.Command {
	submission := ""
	cmd := &cobra.Command{
		Use:   "next",
		Short: "begin the first lab that is not passed",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, submission, err := f.own(submission)
			if err != nil {
				return err
			}
			state, unfinished, err := p.Next()
			if err != nil {
				return err
			}
			lab := state.Lab
			switch {
			case !unfinished:
				fmt.Fprintln(f.stdout, withVariables(cmd, "You have passed every lab. make status shows since when."))
				return nil
			case lab.Number == 0:
				f.print("%s. The task: %s\nRun %s.\n", lab.Heading(), f.whereTask(cmd, lab), withVariables(cmd, "make "+f.course.Word(lab)))
				return nil
			}
			started, err := f.start(cmd, lab, submission)
			if err == nil && !started {
				f.print("%s. The task: %s\n", lab.Heading(), f.whereTask(cmd, lab))
				f.edit(cmd, lab, theirs(lab, submission))
			}
			return err
		},
	}
	submissionFlag(cmd, &submission)
	f.clusterFlags(cmd) // for the commands that it names
	return cmd
}

// theirs are the paths of a lab's files in a submission, as the learner chose to
// name them.
func theirs(lab harness.Lab, submission string) (paths []string) {
	for _, file := range lab.Files {
		names := file.Names()
		chosen := names[0]
		for _, name := range names {
			if matches, _ := filepath.Glob(filepath.Join(submission, lab.Folder(), name)); len(matches) > 0 {
				chosen = name
			}
		}
		paths = append(paths, filepath.Join(submission, lab.Folder(), chosen))
	}
	return paths
}

// hint gives a hint on the lab that is named, or that was checked last.
func (f *front) hint() *cobra.Command {
	submission := ""
	cmd := &cobra.Command{
		Use:               "hint [N]",
		Short:             "get a hint on the first check that failed; the next one opens after another attempt",
		Args:              f.maybeTask,
		ValidArgsFunction: f.completeLab,
		RunE: func(cmd *cobra.Command, words []string) error {
			p, _, err := f.own(submission)
			if err != nil {
				return err
			}
			lab, known, err := p.Last()
			if len(words) == 1 {
				known = true
				lab, err = f.taskNamed(words[0])
			}
			if err != nil {
				return err
			}
			if !known {
				return next.Errorf("make "+f.course.Labs[0].Folder(), "giving a hint: no lab was checked yet")
			}
			return f.hintFrom(cmd, p, lab)
		},
	}
	submissionFlag(cmd, &submission)
	f.clusterFlags(cmd) // for the commands that it names
	return cmd
}

// hintFrom gives the next hint on a lab.
func (f *front) hintFrom(cmd *cobra.Command, p *learn.Progress, lab harness.Lab) error {
	given, err := p.Hint(lab)
	if errors.Is(err, learn.ErrPassed) {
		f.print("%s\n\nEvery check passed the last time, so there is nothing to hint at. %s goes on.\n", lab.Heading(), withVariables(cmd, "make next"))
		return nil
	}
	if err != nil {
		return err
	}
	return f.showHint(cmd, given)
}

// maybeTask takes what oneTask takes, or nothing.
func (f *front) maybeTask(cmd *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	return f.oneTask(cmd, words)
}

// showHint prints the step that was opened, or all that are open.
func (f *front) showHint(cmd *cobra.Command, h *learn.Hint) error {
	f.print("%s\n%s %s  %s\n", h.Lab.Heading(), report.Sign(harness.Fail), h.Check.ID, h.Check.Desc)
	steps := h.Steps
	if h.New { // and what was found, which is another thing at each attempt
		steps = steps[max(0, min(len(steps)-1, 1)):]
	}
	for _, step := range steps {
		title := fmt.Sprintf("Hint %d of %d: %s", step.Level, learn.Levels, step.Title)
		if step.Level == 0 {
			title = "Hint"
		}
		f.print("\n%s\n\n", title)
		if step.Text == "" {
			f.showFound(cmd, h.Check)
		} else if err := f.printMarkdown(withVariables(cmd, step.Text) + "\n"); err != nil {
			return err
		}
	}
	again := withVariables(cmd, "make "+f.course.Word(h.Lab))
	switch {
	case steps[0].Level == 0:
		f.print("\nThen run %s again.\n", again)
	case h.Last && h.Lab.Number > 0:
		f.print("\nThat is the last hint. %s shows the reference solution, after asking.\n", withVariables(cmd, fmt.Sprintf("make solution-%d", h.Lab.Number)))
	case h.Last:
		fmt.Fprintln(f.stdout, "\nThat is the last hint.")
	case f.watching:
		fmt.Fprintln(f.stdout, "\nThe next hint opens after another attempt: change something and save it.")
	default:
		f.print("\nThe next hint opens after another attempt: change something, then run %s.\n", again)
	}
	return nil
}

// showFound prints what a check found and what it advises.
func (f *front) showFound(cmd *cobra.Command, c harness.CheckResult) {
	for _, line := range []struct{ name, text string }{{"wanted", c.Want}, {"found", c.Got}, {"hint", withVariables(cmd, c.Hint)}} {
		text := strings.ReplaceAll(check.Printable(line.text, maxFound), "\n", "\n           ")
		f.print("  %-8s %s\n", line.name, text)
	}
}

// maxFound bounds what is shown of what a check found, in bytes.
const maxFound = 4000

// difference compares the learner's files with the reference solution.
func (f *front) difference() *cobra.Command {
	submission := ""
	cmd := &cobra.Command{
		Use:               "difference N",
		Short:             "after passing a lab, compare your files with the reference solution",
		Args:              f.oneLab,
		ValidArgsFunction: f.completeLab,
		RunE: func(cmd *cobra.Command, words []string) error {
			lab, err := f.course.Named(words[0])
			if err != nil {
				return err
			}
			p, submission, err := f.own(submission)
			if err != nil {
				return err
			}
			return f.differenceFrom(cmd, p, submission, lab)
		},
	}
	submissionFlag(cmd, &submission)
	f.yesFlag(cmd)
	f.clusterFlags(cmd) // for the commands that it names
	return cmd
}

// differenceFrom shows the difference to a learner who may see it.
func (f *front) differenceFrom(cmd *cobra.Command, p *learn.Progress, submission string, lab harness.Lab) error {
	may, err := p.MayCompare(lab)
	if err != nil {
		return err
	}
	if !may && !f.yes {
		f.print("Lab %d is not passed yet, and the difference shows its solution. %s may be enough; if not, ask again.\n",
			lab.Number, f.keyOr("h", withVariables(cmd, fmt.Sprintf("make hint-%d", lab.Number))))
		return exit(1)
	}
	all, err := p.Difference(lab)
	if err != nil {
		return err
	}
	for _, one := range all {
		f.showCompared(one, submission)
	}
	f.showEffect(p, lab)
	return nil
}

func (f *front) showCompared(c learn.Compared, submission string) {
	yours := filepath.Join(submission, filepath.FromSlash(c.Yours))
	switch {
	case c.Yours == "":
		f.print("%s: you have no such file\n", c.File)
	case c.Other:
		f.print("%s: the reference is %s, in another language, so lines cannot be compared\n", yours, c.File)
	case c.Lines == "":
		f.print("%s: the same as the reference, line by line\n", yours)
	default:
		f.print("%s: - yours, + the reference\n", yours)
		for line := range strings.Lines(check.Printable(c.Lines, maxDifference)) {
			if colour := map[byte]string{'-': "31", '+': "32", '@': "36"}[line[0]]; colour != "" && isTerminal(f.stdout) {
				line = "\x1b[" + colour + "m" + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
			}
			fmt.Fprint(f.stdout, line)
		}
	}
}

// maxDifference bounds what is shown of a difference, in bytes.
const maxDifference = 64 << 10

// showEffect prints what the last check of a lab found the learner's files to
// grant, beside what is asked for.
func (f *front) showEffect(p *learn.Progress, lab harness.Lab) {
	result, err := p.Result(lab)
	if err != nil {
		return // it was not checked, or its result is gone: there is nothing to say
	}
	for _, c := range result.Labs[0].Checks {
		for _, e := range c.Evidence {
			if e.Effect != nil {
				f.print("\nIn effect, as the last check found it on the cluster:\n")
				for _, line := range e.Effect.Lines() {
					fmt.Fprintln(f.stdout, "  "+report.OneLine(line, 500))
				}
			}
		}
	}
}

// labStatus is what a script reads of how far a learner is with a lab.
type labStatus struct {
	Number   int            `json:"lab"`
	Slug     string         `json:"slug"`
	Title    string         `json:"title"`
	State    string         `json:"state"` // passed, begun, not begun
	Attempts int            `json:"attempts"`
	Outcome  string         `json:"outcome,omitempty"` // of the last check
	Passed   *time.Time     `json:"passed,omitempty"`  // for the first time
	Hints    map[string]int `json:"hints"`             // levels given, by check id
}

// progress is how far the learner is with each lab.
func (f *front) progress(submission string) []labStatus {
	list := []labStatus{}
	p, _, err := f.own(submission)
	if err != nil {
		f.display.Say("note: " + err.Error())
		return list
	}
	states, err := p.Labs()
	if err != nil {
		f.display.Say("note: " + err.Error())
	}
	for _, s := range states {
		l := labStatus{Number: s.Lab.Number, Slug: s.Lab.Slug, Title: s.Lab.Title, State: "not begun", Attempts: s.Attempts, Outcome: string(s.Outcome), Hints: s.Hints}
		if s.Begun {
			l.State = "begun"
		}
		if !s.Passed.IsZero() {
			l.State, l.Passed = "passed", &s.Passed
		}
		list = append(list, l)
	}
	return list
}

// showProgress prints a line for each lab.
func (f *front) showProgress(labs []labStatus) error {
	fmt.Fprintln(f.stdout)
	var rows [][]string
	for _, l := range labs {
		sign, state := " ", l.State
		if l.Passed != nil {
			sign, state = report.Sign(harness.Pass), "passed since "+l.Passed.Local().Format("2006-01-02 15:04")
			if l.Outcome == string(harness.Fail) {
				state += ", not at the last check"
			}
		}
		attempts := ""
		switch {
		case l.Attempts == 1:
			attempts = "1 attempt"
		case l.Attempts > 1:
			attempts = fmt.Sprintf("%d attempts", l.Attempts)
		}
		rows = append(rows, []string{sign + " " + harness.LabResult{Number: l.Number, Title: l.Title}.Heading(), state, attempts})
	}
	_, err := io.WriteString(f.stdout, wrap.Table(rows, f.columns()))
	return err
}
