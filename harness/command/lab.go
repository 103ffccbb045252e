package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rolecall/harness"
	"rolecall/harness/cluster"
	"rolecall/harness/next"
	"rolecall/harness/report"
)

// work is where learners write, unless they name another submission.
const work = "work"

// checking are the flags of commands that check a submission.
type checking struct {
	submission string // "" for the learner's own
	labs       string // as for harness.Course.Select
	results    string // a directory
	json       bool
	hints      bool // tell in the results which hints were given
	problems   bool // also for editors
	demo       bool // of the reference solutions
}

func (c *checking) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.results, "results", "", "write results.json and junit.xml into this `directory`")
	cmd.Flags().BoolVar(&c.json, "json", false, "print results.json instead of a report")
	cmd.Flags().BoolVar(&c.problems, "problems", false, "also print each failure in a line that editors read: FILE:LINE:COLUMN: error: TEXT")
}

func (c *checking) submissionFlag(cmd *cobra.Command) {
	submissionFlag(cmd, &c.submission)
	cmd.Flags().BoolVar(&c.hints, "hints-used", false, "tell in results.json which hints you were given")
}

func submissionFlag(cmd *cobra.Command, submission *string) {
	cmd.Flags().StringVar(submission, "submission", "", "the `directory` with the learner's files (default "+work+")")
}

func (f *front) labsFlag(cmd *cobra.Command, labs *string) {
	words := []string{"all"}
	for _, part := range f.course.Parts {
		words = append(words, part.Name)
	}
	cmd.Flags().StringVar(labs, "labs", "", "which `labs`: numbers and ranges such as 1-3,5, or "+strings.Join(words, ", "))
	complete(cmd, "labs", words)
}

// lab checks one lab. The first time it puts the starter into work/ and says
// what to edit.
func (f *front) lab() *cobra.Command {
	var c checking
	cmd := &cobra.Command{
		Use:               "lab N",
		Short:             "check one lab; the first time, get its starter",
		Args:              f.oneLab,
		ValidArgsFunction: f.completeLab,
		RunE: func(cmd *cobra.Command, words []string) error {
			lab, err := f.course.Named(words[0])
			if err != nil {
				return err
			}
			if c.submission == "" || c.submission == work { // any other is taken as it is
				c.submission = f.ownSubmission()
				started, err := f.start(cmd, lab, c.submission)
				if err != nil {
					return err
				}
				if started {
					return exit(1) // not yet
				}
			}
			return f.check(cmd, []harness.Lab{lab}, c)
		},
	}
	c.register(cmd)
	c.submissionFlag(cmd)
	f.clusterFlags(cmd)
	return cmd
}

// part checks several labs; it is called as the course is.
func (f *front) part() *cobra.Command {
	var c checking
	cmd := &cobra.Command{
		Use:   f.course.Name,
		Short: "check all labs and the story that they tell together",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			labs, err := f.course.Select(c.labs)
			if err != nil {
				return err
			}
			if c.submission, err = f.submissionOr(c.submission); err != nil {
				return err
			}
			return f.check(cmd, labs, c)
		},
	}
	c.register(cmd)
	c.submissionFlag(cmd)
	f.labsFlag(cmd, &c.labs)
	f.clusterFlags(cmd)
	return cmd
}

// demo checks the reference solutions.
func (f *front) demo() *cobra.Command {
	c := checking{demo: true}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "check all labs with the reference solutions",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			labs, err := f.course.Select(c.labs)
			if err != nil {
				return err
			}
			dir, err := os.MkdirTemp("", "rolecall-demo-")
			if err != nil {
				return next.Errorf("free some disk space", "writing the solutions: %w", err)
			}
			defer os.RemoveAll(dir)
			if err := f.course.Solutions(dir); err != nil {
				return err
			}
			c.submission = dir
			return f.check(cmd, labs, c)
		},
	}
	c.register(cmd)
	f.labsFlag(cmd, &c.labs)
	f.clusterFlags(cmd)
	return cmd
}

// stuck is said under a failure whose hints wait.
const stuck = "Stuck? make hint gives a hint; hints cost no points."

// check runs labs on a submission and reports.
func (f *front) check(cmd *cobra.Command, labs []harness.Lab, c checking) error {
	ctx := cmd.Context()
	if c.json && c.problems {
		return hint(cmd, errors.New("printing a result: --json and --problems are two ways to do so"))
	}
	if c.results != "" { // now, rather than after minutes of checking
		if err := os.MkdirAll(c.results, 0o755); err != nil {
			return next.Errorf("choose another directory, for example RESULTS=results", "making a directory for the results: %w", err)
		}
	}
	on, err := cluster.Choose(ctx, f.clusters(), f.want, f.display.Say)
	if err != nil {
		return err
	}
	terminal := report.NewTerminal(f.stdout, isTerminal(f.stdout))
	terminal.Submission = c.submission
	observer := &observer{cmd: cmd}
	if !c.json {
		observer.shows = terminal
	}
	learner := f.learner(c)
	if learner != nil {
		if observer.waits, err = f.hinted(labs); err != nil {
			return err
		}
	}
	result, err := harness.Run(ctx, f.course, labs, on, c.submission, harness.Options{Home: f.home, Observer: observer, Say: f.display.Say})
	if errors.Is(err, harness.ErrInterrupted) && !observer.heard {
		return context.Cause(ctx) // there was nothing to judge yet
	}
	if err != nil {
		return err
	}
	if c.demo { // in a folder that is gone by now
		result.Submission = "reference solutions"
	}
	if learner != nil {
		if err := learner.Record(result); err != nil {
			f.display.Say("note: " + err.Error())
		}
		if c.hints {
			if err := learner.Tell(result); err != nil {
				return err
			}
		}
	}
	last := labs[len(labs)-1]
	switch {
	case c.json:
		err = f.printResult(result)
	case result.Outcome == harness.Pass:
		terminal.Summary(result)
		if learner != nil {
			err = f.passed(cmd, last)
		}
		f.onward(cmd, on, labs, c.demo)
	default:
		terminal.Summary(result)
		if observer.stuck {
			f.print("%s\n", withVariables(cmd, stuck))
		}
	}
	if c.problems {
		fmt.Fprint(f.stdout, "\n", report.Problems(result, c.submission))
	}
	if c.results != "" {
		err = errors.Join(err, report.Write(c.results, result))
		fmt.Fprintf(f.stderr, "results: %s\n", filepath.Join(c.results, report.ResultsFile))
	}
	if err != nil {
		return err
	}
	return exitStatus(result.ExitStatus())
}

// exitStatus is an exit status as an error.
func exitStatus(status int) error {
	if status == 0 {
		return nil
	}
	return exit(status)
}

func (f *front) printResult(result *harness.Result) error {
	text, err := report.Native(result)
	if err == nil {
		_, err = f.stdout.Write(text)
	}
	return err
}

// printJSON prints what a script reads.
func (f *front) printJSON(value any) error {
	out := json.NewEncoder(f.stdout)
	out.SetIndent("", "  ")
	return out.Encode(value)
}

// onward says what comes after labs that passed: the first of them after a demo, or
// the next one, and after the last lab of the default part its story.
func (f *front) onward(cmd *cobra.Command, on cluster.Cluster, labs []harness.Lab, demo bool) {
	goOn := func(lab harness.Lab) {
		f.print("Next: %s (the task: %s)\n", withVariables(cmd, "make "+f.course.Word(lab)), f.whereTask(cmd, lab))
	}
	if demo {
		goOn(labs[0])
		return
	}
	way, passed := f.course.Way(), labs[len(labs)-1]
	at := slices.IndexFunc(way, func(lab harness.Lab) bool { return lab.Slug == passed.Slug })
	switch {
	case at < 0: // the tour's
	case at < len(way)-1:
		for i, part := range f.course.Parts {
			if i > 0 && way[at+1].Number == part.First {
				f.print("That was the last lab of the part %s; the next one begins the part %s.\n", f.course.Parts[i-1].Name, part.Name)
			}
		}
		goOn(way[at+1])
	default:
		if _, ours := on.(cluster.Owned); ours {
			f.print("That was the last lab. The cluster is still there; %s deletes it.\n", withVariables(cmd, "make down"))
		}
	}
}

// labs lists the labs.
func (f *front) labs() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "labs",
		Short: "list the labs",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			type line struct {
				Number int    `json:"lab"`
				Slug   string `json:"slug"`
				Title  string `json:"title"`
				Points int    `json:"points"`
				Folder string `json:"folder"` // in a submission
				Text   string `json:"text"`   // from the root of the repository
			}
			list := []line{}
			table := tabwriter.NewWriter(f.stdout, 0, 0, 2, ' ', 0)
			for _, lab := range f.course.Labs {
				l := line{lab.Number, lab.Slug, lab.Title, lab.Points(), lab.Folder(), path.Join(f.course.Source(lab), "README.md")}
				list = append(list, l)
				fmt.Fprintf(table, "%s\t%d points\t%s\n", lab.Heading(), l.Points, f.whereTask(cmd, lab))
			}
			if asJSON {
				return f.printJSON(list)
			}
			return table.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// solution shows a reference solution, after asking.
func (f *front) solution() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "solution N",
		Short:             "show the reference solution of a lab, after asking",
		Args:              f.oneLab,
		ValidArgsFunction: f.completeLab,
		RunE: func(cmd *cobra.Command, words []string) error {
			lab, err := f.course.Named(words[0])
			if err != nil {
				return err
			}
			sure, err := f.ask(cmd.Context(), fmt.Sprintf("Show the solution of lab %d? You learn more by trying again first.", lab.Number))
			if err != nil {
				return err
			}
			if !sure {
				fmt.Fprintln(f.stdout, "Not shown.")
				return nil
			}
			files, err := fs.Glob(f.course.Files, path.Join(f.course.Dir(lab), "solution", "*"))
			for _, file := range files {
				text, read := fs.ReadFile(f.course.Files, file)
				err = errors.Join(err, read)
				fmt.Fprintf(f.stdout, "\n# %s/%s\n\n%s", lab.Folder(), path.Base(file), text)
			}
			return err
		},
	}
	f.yesFlag(cmd)
	return cmd
}

// oneLab demands the number of a lab.
func (f *front) oneLab(cmd *cobra.Command, words []string) error {
	example := fmt.Sprintf("for example %s %d", cmd.CommandPath(), f.course.Labs[0].Number)
	if byMake() {
		example = fmt.Sprintf("for example make %s-%d", cmd.Name(), f.course.Labs[0].Number)
	}
	if len(words) != 1 {
		return hint(cmd, fmt.Errorf("%s takes the number of one lab, %s", cmd.CommandPath(), example))
	}
	if _, err := f.course.Named(words[0]); err != nil {
		return fmt.Errorf("%w; %s", err, example)
	}
	return nil
}

// completeLab proposes the labs' numbers.
func (f *front) completeLab(_ *cobra.Command, words []string, _ string) (proposals []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(words) == 0 {
		for _, lab := range f.course.Labs {
			proposals = append(proposals, cobra.CompletionWithDesc(strconv.Itoa(lab.Number), lab.Title))
		}
	}
	return proposals, cobra.ShellCompDirectiveNoFileComp
}
