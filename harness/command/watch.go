package command

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rolecall/harness"
	"rolecall/harness/cluster"
	"rolecall/harness/learn/watch"
	"rolecall/harness/report"
)

// watch checks a lab whenever its files change.
func (f *front) watch() *cobra.Command {
	submission := ""
	cmd := &cobra.Command{
		Use:               "watch [N]",
		Short:             "check a lab whenever you save one of its files",
		Args:              f.noneOrOneLab,
		ValidArgsFunction: f.completeLab,
		RunE: func(cmd *cobra.Command, words []string) error {
			ctx := cmd.Context()
			if submission == "" {
				submission = f.ownSubmission()
			}
			first := 0
			if len(words) > 0 {
				first = slices.IndexFunc(f.course.Labs, func(l harness.Lab) bool { return fmt.Sprint(l.Number) == words[0] })
			}
			if _, err := f.start(cmd, f.course.Labs[first], submission); err != nil {
				return err
			}
			w := &watched{front: f, cmd: cmd, submission: submission}
			if err := w.choose(ctx); err != nil {
				return err
			}
			stop, err := w.guard()
			if err != nil {
				return err
			}
			defer stop()
			defer w.let(context.WithoutCancel(ctx))
			if err := w.hold(ctx); err != nil {
				return err
			}
			return w.watch(ctx, first)
		},
	}
	cmd.Flags().StringVar(&submission, "submission", "", "the `directory` with the learner's files (default "+work+")")
	f.clusterFlags(cmd)
	return cmd
}

// noneOrOneLab allows the number of a lab.
func (f *front) noneOrOneLab(cmd *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	return f.oneLab(cmd, words)
}

// watched is a learner's submission while it is watched, and the cluster that is
// kept for it.
type watched struct {
	*front
	cmd        *cobra.Command
	cluster    cluster.Cluster
	submission string
	session    *harness.Session // nil where there is none yet
}

// watch watches in a terminal, or prints plain lines.
func (w *watched) watch(ctx context.Context, first int) error {
	labs := watch.Labs{
		Submission: w.submission, Labs: w.course.Labs, First: first,
		Check: w.check, Ready: w.ready,
		Explain: func(err error) string { return explained(w.cmd, err) },
		Actions: []watch.Action{
			{Key: "t", Name: "task", Do: w.taskText},
			{Key: "r", Name: "reset", Question: w.restarts, Do: w.restartLab},
		},
	}
	if w.course.Story != nil {
		labs.Labs = append(slices.Clone(labs.Labs), *w.course.Story)
	}
	if in, ok := w.stdin.(*os.File); ok && isTerminal(w.stdout) && isTerminal(in) {
		w.display = nil // the screen is the watcher's
		return labs.Screen(ctx, w.stdin, w.stdout)
	}
	lab := labs.Labs[first]
	labs.Watch(ctx, lab, nil, func() {}, func(v watch.Verdict) {
		if v.Err != nil {
			fmt.Fprintln(w.stdout, labs.Explain(v.Err))
		} else {
			report.NewTerminal(w.stdout, false).Show(v.Result, true)
		}
		fmt.Fprintf(w.stdout, "\nWaiting for a change of %s.\n", lab.Folder())
	})
	return nil
}

// choose finds the cluster, and stays with that choice.
func (w *watched) choose(ctx context.Context) (err error) {
	if w.cluster, err = cluster.Choose(ctx, w.clusters(), w.want, w.display.Say); err == nil {
		w.want.Provider = w.cluster.Provider()
	}
	return err
}

// hold connects to the cluster, if that is not done.
func (w *watched) hold(ctx context.Context) (err error) {
	if w.session != nil {
		return nil
	}
	if err := w.choose(ctx); err != nil {
		return err
	}
	w.session, err = harness.Open(ctx, w.course, w.cluster, harness.Options{Home: w.home, Say: w.display.Say})
	return err
}

// let lets go of the cluster.
func (w *watched) let(ctx context.Context) {
	if w.session == nil {
		return
	}
	_ = w.session.Sweep(ctx) // a later run does it otherwise
	_ = w.session.Close(ctx)
	w.session = nil
}

// check checks a lab. A cluster that something was wrong with is left, and
// looked for anew by the next check.
func (w *watched) check(ctx context.Context, lab harness.Lab, observer harness.Observer) (*harness.Result, error) {
	if err := w.hold(ctx); err != nil {
		return nil, err
	}
	result, err := w.session.Run(ctx, []harness.Lab{lab}, w.submission, observer)
	if err != nil || result.Outcome == harness.Error {
		w.let(context.WithoutCancel(ctx))
	}
	if err != nil {
		return nil, err
	}
	for i := range result.Labs {
		for j, c := range result.Labs[i].Checks {
			result.Labs[i].Checks[j] = wordedCheck(w.cmd, c)
		}
	}
	return result, nil
}

// ready makes the next check quick, where starting pods takes long, and lets
// others use the cluster until then.
func (w *watched) ready(ctx context.Context) {
	if w.session == nil {
		return
	}
	if !w.front.quick(w.cluster) {
		_ = w.session.Ahead(ctx) // the next check starts them otherwise
	}
	w.session.Rest()
}

// restarts asks whether to start a lab over; the story has no files of its own.
func (w *watched) restarts(lab harness.Lab) string {
	if lab.Number == 0 {
		return ""
	}
	return w.askRestart(lab, w.submission)
}

// restartLab starts a lab over.
func (w *watched) restartLab(lab harness.Lab) (string, error) {
	kept, files, err := w.startOver(lab, w.submission)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("What you wrote is in %s.\nEdit %s.", kept, strings.Join(files, " and ")), nil
}

// taskText is a lab's text.
func (w *watched) taskText(lab harness.Lab) (string, error) {
	text, err := fs.ReadFile(w.course.Files, path.Join(w.course.Dir(lab), "README.md"))
	if err != nil {
		return "", fmt.Errorf("reading the task: %w", err)
	}
	return markdown(withVariables(w.cmd, string(text)), true), nil
}
