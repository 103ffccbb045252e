package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rolecall/harness"
	"rolecall/harness/cluster"
	"rolecall/harness/evidence"
	"rolecall/harness/grade"
	"rolecall/harness/gradebook"
	"rolecall/harness/intake"
	"rolecall/harness/next"
	"rolecall/harness/report"
)

// grading are the flags of commands that grade, or verify what was graded.
type grading struct {
	out     string
	formats string
	key     string
	labs    string // as for harness.Course.Select
	version string // of this program, "" to find it out: that reads all of it
}

func (f *front) gradingFlags(cmd *cobra.Command, g *grading) {
	f.outFlags(cmd, g)
	cmd.Flags().StringVar(&g.formats, "formats", "", "write some `of` "+strings.Join(append(report.FormatNames(), gradebook.ImportNames()...), ","))
	f.ownedFlags(cmd)
}

func (f *front) outFlags(cmd *cobra.Command, g *grading) {
	cmd.Flags().StringVar(&g.out, "out", "", "the `directory` for results, formats and evidence")
	cmd.Flags().StringVar(&g.key, "key", "", "the `file` with the ed25519 key for evidence (default: one in rolecall's home)")
	f.labsFlag(cmd, &g.labs)
}

// settings are what this checkout grades by.
func (f *front) settings(g grading) (s grade.Settings, err error) {
	if g.out == "" {
		return s, next.Errorf("name one with OUT=dir", "choosing a directory for the results: none is named")
	}
	s = grade.Settings{Course: f.course, Home: f.home}
	if s.Labs, err = f.course.Select(g.labs); err != nil {
		return s, err
	}
	_, formats := gradebook.ParseImports(g.formats)
	if s.Formats, err = report.ParseFormats(formats, os.Getenv); err != nil {
		return s, err
	}
	s.Formats = append(s.Formats, report.Page)
	if s.Version = g.version; s.Version == "" {
		if s.Version, err = grade.Version(); err != nil {
			return s, err
		}
	}
	s.Key, err = f.evidenceKey(g.key)
	return s, err
}

func (f *front) evidenceKey(file string) (*evidence.Key, error) {
	if file != "" {
		return evidence.ReadKey(file)
	}
	return evidence.OwnKey(f.home)
}

// gradingProvider is the provider of clusters for grading. Unless told
// otherwise it is the one that starts quickest, since whatever is not as new is
// replaced.
func (f *front) gradingProvider(cmd *cobra.Command) (cluster.Provider, error) {
	all := f.clusters()
	if f.want.Provider == cluster.Auto {
		if quick := cluster.Quick(cmd.Context(), all); quick != nil {
			return quick, nil
		}
	}
	c, err := cluster.ChooseOwned(cmd.Context(), all, f.want, f.display.Say)
	if err != nil {
		return nil, err
	}
	return cluster.Find(all, c.Provider())
}

// grade grades one submission on a cluster of its own.
func (f *front) grade() *cobra.Command {
	var g grading
	submission, keep, notes := "", false, []string{}
	cmd := &cobra.Command{
		Use:   "grade",
		Short: "grade one submission on a cluster of its own",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := f.settings(g)
			if err != nil {
				return err
			}
			if imports, _ := gradebook.ParseImports(g.formats); len(imports) > 0 {
				return next.Errorf("run make grade-all SUBMISSIONS=dir", "choosing formats: %s is a file of a class", imports[0].Name)
			}
			if submission, err = f.submissionOr(submission); err != nil {
				return err
			}
			provider, err := f.gradingProvider(cmd)
			if err != nil {
				return err
			}
			c, ours := provider.Cluster(grade.ClusterName(f.want.Name)).(cluster.Owned)
			if !ours {
				return fmt.Errorf("grading: %s clusters are not rolecall's own", provider.Name())
			}
			terminal := report.NewTerminal(f.stdout, isTerminal(f.stdout))
			grader := grade.Grader{
				Settings: settings, Cluster: c, Keep: keep, Notes: notes, Say: f.display.Say,
				Observer: &observer{cmd: cmd, shows: terminal},
			}
			result, err := grader.Grade(cmd.Context(), submission, g.out)
			if err != nil {
				return err
			}
			if result.Cluster.Kubernetes == "" && result.Review == nil { // no lab ran, for one reason
				fmt.Fprintln(f.stdout, report.Explain(result.Labs[0].Checks[0]))
			}
			terminal.Summary(result)
			fmt.Fprintf(f.stdout, "results: %s\n", filepath.Join(g.out, report.ResultsFile))
			return exitStatus(result.ExitStatus())
		},
	}
	cmd.Flags().StringVar(&submission, "submission", "", "a `directory` or an archive (default "+work+")")
	cmd.Flags().StringArrayVar(&notes, "note", nil, "what its submitter should know of how it was chosen, in a `sentence`")
	cmd.Flags().StringVar(&g.version, "version", "", "the `version` of this program, where grade-all knows it")
	cmd.Flags().BoolVar(&keep, "keep", false, "take the cluster that the last submission handed on, if it is as new, and hand it on")
	f.gradingFlags(cmd, &g)
	return cmd
}

// gradeAll grades a folder of submissions, each in a process of its own.
func (f *front) gradeAll() *cobra.Command {
	var g grading
	var budget grade.Budget
	submissions, roster, regrade, count, memory, fresh := "", "", "", 0, 4096, false
	cmd := &cobra.Command{
		Use:   "grade-all",
		Short: "grade every submission and write a gradebook; run it again to resume",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := f.settings(g)
			if err != nil {
				return err
			}
			list, missing, err := f.class(submissions, roster, settings)
			if err != nil {
				return err
			}
			provider, err := f.gradingProvider(cmd)
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding the rolecall command: %w", err)
			}
			if count < 1 {
				count = grade.Capacity()
			}
			budget.Memory = int64(memory) << 20
			all := grade.All{
				Settings: settings, Out: g.out, Missing: missing, Regrade: regrade, Count: min(count, len(list)), Budget: budget,
				Display: f.display, Lines: f.stdout,
			}
			all.Imports, _ = gradebook.ParseImports(g.formats)
			workers := grade.Workers{
				Program: self, Arguments: append(g.arguments(), "--version="+settings.Version), Provider: provider, Home: f.home, Name: f.want.Name,
				Keep: !fresh,
			}
			book, err := all.Grade(cmd.Context(), workers, list)
			if err != nil {
				return err
			}
			for _, row := range book.Rows {
				if row.Result != nil && row.Result.Outcome == harness.NeedsReview {
					fmt.Fprintf(f.stdout, "needs review: %s: %s\n", report.OneLine(row.Name, 100), report.OneLine(row.Result.Review.Reason, 300))
				}
			}
			fmt.Fprintf(f.stdout, "gradebook: %s\n", filepath.Join(g.out, "gradebook.html"))
			if cmd.Context().Err() != nil {
				fmt.Fprintf(f.stderr, "Interrupted; %s. The same command goes on: %s\n", book.Progress(), typed(cmd))
				return exit(2)
			}
			return exitStatus(book.ExitStatus())
		},
	}
	cmd.Flags().StringVar(&submissions, "submissions", "", "the `directory` that holds them")
	cmd.Flags().StringVar(&roster, "roster", "", "a CSV `file` of the students and their ids")
	cmd.Flags().StringVar(&regrade, "regrade", "", "grade the submission of this `name` again, or of this student or id")
	cmd.Flags().IntVar(&count, "workers", 0, "how many to grade at a time (default: as many as this machine can)")
	cmd.Flags().BoolVar(&fresh, "fresh", false, "make a new cluster for each submission, and prove of none that it is as new")
	cmd.Flags().DurationVar(&budget.Time, "time", 15*time.Minute, "how long one submission may take")
	cmd.Flags().IntVar(&memory, "memory", memory, "how much memory grading one may take, in `MiB`")
	f.gradingFlags(cmd, &g)
	return cmd
}

// class lists the submissions in a folder, with their students, and the students
// who handed in nothing. It says what it leaves out.
func (f *front) class(dir, roster string, settings grade.Settings) ([]grade.Submission, []grade.Student, error) {
	var students grade.Roster
	if roster != "" {
		var err error
		if students, err = grade.ReadRoster(roster); err != nil {
			return nil, nil, err
		}
	}
	list, others, err := grade.List(dir, intake.New(settings.Course, settings.Labs))
	if err != nil {
		return nil, nil, err
	}
	for _, name := range others {
		fmt.Fprintf(f.stdout, "left out, no submission: %s\n", report.OneLine(name, 100))
	}
	for _, s := range list {
		for _, note := range s.Notes {
			fmt.Fprintln(f.stdout, note)
		}
	}
	if roster == "" {
		return list, nil, nil
	}
	missing, strangers := students.Enrol(list)
	for _, name := range strangers {
		fmt.Fprintf(f.stdout, "nobody on the roster: %s\n", report.OneLine(name, 100))
	}
	if len(missing) > 0 {
		fmt.Fprintf(f.stdout, "handed in nothing: %d of %d on the roster\n", len(missing), len(students))
	}
	return list, missing, nil
}

// arguments are the flags that the process of each submission gets too.
func (g grading) arguments() []string {
	_, formats := gradebook.ParseImports(g.formats)
	args := []string{"--formats=" + formats, "--labs=" + g.labs}
	if g.key != "" {
		args = append(args, "--key="+g.key)
	}
	return args
}

// verifyEvidence compares what grade wrote with its evidence.
func (f *front) verifyEvidence() *cobra.Command {
	var g grading
	asJSON := false
	cmd := &cobra.Command{
		Use:   "verify-evidence",
		Short: "verify graded results against their signed evidence",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if g.out == "" {
				return next.Errorf("name the directory that grade wrote with OUT=dir", "verifying evidence: no directory is named")
			}
			key, err := f.evidenceKey(g.key)
			if err != nil {
				return err
			}
			labs, err := f.course.Select(g.labs)
			if err != nil {
				return err
			}
			if class := filepath.Join(g.out, "submissions"); isDir(class) {
				return f.verifyClass(g.out, key, labs, asJSON)
			}
			v, err := evidence.Verify(g.out, key, labs)
			if err != nil {
				return errors.Join(err, exit(1)) // it was looked at, and does not hold
			}
			if asJSON {
				return f.printJSON(shown(v))
			}
			fmt.Fprintf(f.stdout, "%s: %s, %d of %d points, as signed by %s\n", report.OneLine(v.Result.Submission, 100), v.Result.Outcome, v.Result.Points, v.Result.MaxPoints, v.Manifest.Key)
			fmt.Fprintf(f.stdout, "every digest matches; %d requests that the verdicts cite are in the audit log as cited; %d pods\n", v.Requests, v.Pods)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	f.outFlags(cmd, &g)
	f.homeFlag(cmd)
	return cmd
}

// shown is what verify-evidence tells a script of a result.
func shown(v evidence.Verified) map[string]any {
	return map[string]any{
		"submission": v.Result.Submission, "outcome": v.Result.Outcome, "points": v.Result.Points, "maxPoints": v.Result.MaxPoints,
		"key": v.Manifest.Key, "requests": v.Requests, "pods": v.Pods,
	}
}

// verifyClass verifies each submission that grade-all graded, and the gradebook
// against them.
func (f *front) verifyClass(out string, key *evidence.Key, labs []harness.Lab, asJSON bool) error {
	entries, err := os.ReadDir(filepath.Join(out, "submissions"))
	if err != nil {
		return fmt.Errorf("verifying evidence: %w", err)
	}
	var results []*harness.Result
	list := []map[string]any{}
	var wrong error
	for _, entry := range entries {
		v, err := evidence.Verify(filepath.Join(out, "submissions", entry.Name()), key, labs)
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("%s: %w", entry.Name(), err))
			continue
		}
		results, list = append(results, &v.Result), append(list, shown(v))
	}
	if wrong == nil {
		wrong = gradebook.Verify(out, labs, results)
	}
	if wrong != nil {
		return errors.Join(wrong, exit(1))
	}
	if asJSON {
		return f.printJSON(list)
	}
	fmt.Fprintf(f.stdout, "%d submissions are as signed by %s, and gradebook.csv says what they say\n", len(results), key.ID())
	return nil
}
