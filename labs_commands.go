package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rolecall/harness"
	"rolecall/harness/report"
	"rolecall/labs"
	"rolecall/steps"
)

// lab checks one lab. At the first time it puts the starter into work/ and
// says what to edit.
func (o *options) lab(ctx context.Context, number int) (int, error) {
	if started, err := o.start(number); started || err != nil {
		return 1, err
	}
	step, _ := steps.Lab(number)
	return o.check(ctx, []harness.Step{step})
}

func (o *options) walkthrough(ctx context.Context) (int, error) {
	return o.check(ctx, steps.All())
}

// demo is the walkthrough on the reference solutions.
func (o *options) demo(ctx context.Context) (int, error) {
	dir, err := os.MkdirTemp("", "rolecall-demo-")
	if err != nil {
		return 2, fmt.Errorf("laying out the solutions: %w; free some disk space", err)
	}
	defer os.RemoveAll(dir)
	if err := labs.Solutions(dir); err != nil {
		return 2, err
	}
	o.submission = dir
	return o.check(ctx, steps.All())
}

// check runs steps on the submission and reports.
func (o *options) check(ctx context.Context, todo []harness.Step) (status int, err error) {
	if _, err := os.Stat(o.submission); errors.Is(err, fs.ErrNotExist) {
		return 2, fmt.Errorf("opening submission %s: no such directory; name one with SUBMISSION=dir, or type make lab-1 to get the starter in work/", o.submission)
	}
	release, err := o.Alone(ctx)
	if err != nil {
		return 2, err
	}
	defer release()
	lab, kind, err := o.Choose(ctx)
	if err != nil {
		return 2, err
	}
	result := harness.Result{StartedAt: time.Now().UTC(), Submission: o.submission}
	if err := lab.Up(ctx); err != nil {
		return 2, err
	}
	if kind == "existing" { // what a run made there goes with it
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			err = errors.Join(err, lab.Down(ctx))
		}()
	}
	module, sums := labs.Module()
	session, err := harness.Open(ctx, harness.Setting{
		Cluster: lab, Kind: kind, Submission: o.submission,
		Module: module, Sums: sums, Cache: filepath.Join(o.Home, "programs"),
	})
	if err != nil {
		return 2, err
	}
	defer session.Close()

	terminal := report.NewTerminal(os.Stdout, isTerminal(os.Stdout))
	result.Cluster = session.Facts
	result.Steps = session.Runner(terminal).Run(ctx, todo)
	result.Sum()
	terminal.Summary(&result)
	if o.results != "" {
		if err := report.Write(o.results, &result); err != nil {
			return 2, err
		}
	}
	return result.ExitStatus(), nil
}

// start puts a lab's starter into the learner's own work directory when the
// lab is not there yet. Any other submission is taken as it is.
func (o *options) start(number int) (bool, error) {
	if o.submission != "work" {
		return false, nil
	}
	if _, err := os.Stat(filepath.Join(o.submission, fmt.Sprintf("lab-%d", number))); err == nil {
		return false, nil
	}
	placed, err := labs.Starter(number, o.submission)
	if err != nil {
		return false, err
	}
	fmt.Printf("Lab %d begins. The task: %s/README.md\n", number, labs.Folder(number))
	fmt.Printf("Edit %s, then type make lab-%d again.\n", strings.Join(placed, " and "), number)
	return true, nil
}

// solution shows a reference solution, after asking.
func (o *options) solution(number int) error {
	texts, err := labs.SolutionFiles(number)
	if err != nil {
		return err
	}
	if !o.yes {
		fmt.Printf("Show the solution of lab %d? Trying once more teaches more. [y/N] ", number)
		answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
			fmt.Println("Not shown.")
			return nil
		}
	}
	names := make([]string, 0, len(texts))
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("\n# lab-%d/%s\n\n%s", number, name, texts[name])
	}
	return nil
}
