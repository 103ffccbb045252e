package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/embedded"
	"rolecall/harness/evidence"
	"rolecall/harness/grade"
	"rolecall/harness/report"
	"rolecall/labs"
	"rolecall/steps"
)

// grading are the flags of grade, grade-all and verify-evidence.
type grading struct {
	out         string
	formats     string
	key         string
	submissions string
	workers     int
	time        time.Duration
	memory      int
	keep        bool
}

func (g *grading) register(flags *flag.FlagSet) {
	flags.StringVar(&g.out, "out", "", "with grade: the `directory` for results, formats and evidence")
	flags.StringVar(&g.formats, "formats", "", "with grade: some `of` "+formatNames())
	flags.StringVar(&g.key, "key", "", "a `file` with the ed25519 key for evidence (default: one in rolecall's home)")
	flags.StringVar(&g.submissions, "submissions", "", "with grade-all: the `directory` that holds them")
	flags.IntVar(&g.workers, "workers", 0, "with grade-all: how many at a time (default: as many as this machine can)")
	flags.DurationVar(&g.time, "time", 15*time.Minute, "with grade-all: what one submission may take")
	flags.IntVar(&g.memory, "memory", 4096, "with grade-all: the memory that grading one may take, in `MiB`")
	flags.BoolVar(&g.keep, "keep", false, "with grade: reset and keep the cluster for the next submission")
}

func formatNames() string {
	var names []string
	for _, f := range report.Formats {
		names = append(names, f.Name)
	}
	return strings.Join(names, ",")
}

// course is what this checkout grades by.
func (o *options) course() (c grade.Course, err error) {
	if o.out == "" {
		return c, errors.New("choosing a place for the results: none named; type make grade SUBMISSION=dir OUT=dir")
	}
	c = grade.Course{Steps: steps.All, Cache: filepath.Join(o.Home, "programs")}
	c.Module, c.Sums = labs.Module()
	if c.Formats, err = report.ParseFormats(o.formats); err != nil {
		return c, err
	}
	if c.Version, err = grade.Version(); err != nil {
		return c, err
	}
	c.Key, err = o.evidenceKey()
	return c, err
}

func (o *options) evidenceKey() (*evidence.Key, error) {
	if o.key != "" {
		return evidence.ReadKey(o.key)
	}
	return evidence.OwnKey(o.Home)
}

// ofItsOwn is a cluster for grading, beside the one that learners use. Unless
// told otherwise it is an embedded one, since each submission gets a new one.
func (o *options) ofItsOwn(ctx context.Context, name string) (*options, cluster.Owned, string, error) {
	own := *o
	own.Name = name
	if _, impossible := embedded.Possible(); own.Cluster == "auto" && impossible == nil {
		own.Cluster = "embedded"
	}
	lab, kind, err := own.Own(ctx)
	return &own, lab, kind, err
}

// grade grades one submission on a cluster of its own.
func (o *options) grade(ctx context.Context) (int, error) {
	course, err := o.course()
	if err != nil {
		return 2, err
	}
	own, lab, kind, err := o.ofItsOwn(ctx, o.Name+"-grade")
	if err != nil {
		return 2, err
	}
	release, err := own.Alone(ctx)
	if err != nil {
		return 2, err
	}
	defer release()
	terminal := report.NewTerminal(os.Stdout, isTerminal(os.Stdout))
	g := grade.Grader{
		Course: course, Cluster: lab, Kind: kind, Keep: o.keep, Observer: terminal,
		Place: filepath.Join(o.Home, "grading", own.Name),
	}
	result, err := g.Grade(ctx, o.submission, o.out)
	if err != nil {
		return 2, err
	}
	if result.Cluster.Kubernetes == "" { // no step ran, for one reason
		fmt.Println(report.Explain(result.Steps[0].Checks[0]))
	}
	terminal.Summary(result)
	fmt.Printf("results: %s\n", filepath.Join(o.out, "results.json"))
	return result.ExitStatus(), nil
}

// gradeAll grades a folder of submissions, each in a process of its own.
func (o *options) gradeAll(ctx context.Context) (int, error) {
	course, err := o.course()
	if err != nil {
		return 2, err
	}
	submissions, others, err := grade.List(o.submissions)
	if err != nil {
		return 2, err
	}
	for _, name := range others {
		fmt.Printf("left out, neither a directory nor an archive: %s\n", report.OneLine(name, 100))
	}
	if o.workers < 1 {
		o.workers = grade.Workers()
	}
	o.workers = min(o.workers, len(submissions))
	self, err := os.Executable()
	if err != nil {
		return 2, fmt.Errorf("finding the rolecall command: %w", err)
	}
	_, _, kind, err := o.ofItsOwn(ctx, o.worker(0))
	if err != nil {
		return 2, err
	}
	if err := o.settleWorkers(ctx); err != nil {
		return 2, err
	}
	all := grade.All{
		Course: course, Out: o.out, Workers: o.workers, Display: o.Display, Lines: os.Stdout,
		Budget: grade.Budget{Time: o.time, Memory: int64(o.memory) << 20},
		Command: func(worker int, s grade.Submission, out string) *exec.Cmd {
			args := []string{"grade", "-submission", s.Path, "-out", out, "-formats", o.formats, "-home", o.Home, "-cluster", kind, "-name", o.worker(worker)}
			if o.key != "" {
				args = append(args, "-key", o.key)
			}
			if kind == "kind" { // a new one takes half a minute
				args = append(args, "-keep")
			}
			cmd := exec.Command(self, args...)
			cmd.Env = append(os.Environ(), "TMPDIR="+o.temporary(worker)) // what a killed compiler leaves goes with the rest
			return cmd
		},
		Clear: o.clear,
	}
	book, err := all.Grade(ctx, submissions)
	if err != nil {
		return 2, err
	}
	fmt.Printf("gradebook: %s\n", filepath.Join(o.out, "gradebook.html"))
	return book.ExitStatus(), nil
}

// worker names the part of everything that one worker of grade-all has.
func (o *options) worker(n int) string { return fmt.Sprintf("%s-%d", o.Name, n+1) }

// temporary is a worker's folder for temporary files.
func (o *options) temporary(worker int) string {
	return filepath.Join(o.Home, "grading", o.worker(worker)+"-tmp")
}

// settleWorkers makes the workers' folders, and clears away what is left of
// others, in an earlier run with more of them that was killed.
func (o *options) settleWorkers(ctx context.Context) error {
	for worker := range o.workers {
		if err := os.MkdirAll(o.temporary(worker), 0o700); err != nil {
			return fmt.Errorf("making a worker's folder: %w; free some disk space", err)
		}
	}
	for worker := o.workers; ; worker++ {
		if _, err := os.Stat(o.temporary(worker)); err != nil {
			return nil
		}
		if err := o.clear(ctx, worker); err != nil {
			return err
		}
	}
}

// clear takes away what a worker left.
func (o *options) clear(ctx context.Context, worker int) error {
	own, lab, _, err := o.ofItsOwn(ctx, o.worker(worker)+"-grade")
	if err != nil {
		return err
	}
	release, err := own.Alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	return errors.Join(lab.Down(ctx), os.RemoveAll(filepath.Join(o.Home, "grading", own.Name)), os.RemoveAll(o.temporary(worker)))
}

// verifyEvidence holds what make grade wrote to its evidence.
func (o *options) verifyEvidence() (int, error) {
	if o.out == "" {
		return 2, errors.New("verifying evidence: no directory named; type make verify-evidence OUT=dir")
	}
	key, err := o.evidenceKey()
	if err != nil {
		return 2, err
	}
	v, err := evidence.Verify(o.out, key, steps.All())
	if err != nil {
		fmt.Fprintln(os.Stderr, "rolecall:", err)
		return 1, nil
	}
	fmt.Printf("%s: %s, %d of %d points, as signed by %s\n", report.OneLine(v.Result.Submission, 100), v.Result.Outcome, v.Result.Points, v.Result.MaxPoints, v.Manifest.Key)
	fmt.Printf("every digest fits; %d requests that the verdicts cite are in the audit log as cited; %d pods\n", v.Requests, v.Pods)
	return 0, nil
}
