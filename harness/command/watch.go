package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rolecall/harness"
	"rolecall/harness/cluster"
	"rolecall/harness/learn"
	"rolecall/harness/learn/watch"
	"rolecall/harness/report"
	"rolecall/harness/wrap"
)

// watch checks a lab whenever its files change.
func (f *front) watch() *cobra.Command {
	submission, problems := "", false
	cmd := &cobra.Command{
		Use:               "watch [N]",
		Short:             "check a lab whenever you save one of its files",
		Args:              f.maybeTask,
		ValidArgsFunction: f.completeLab,
		RunE: func(cmd *cobra.Command, words []string) error {
			ctx := cmd.Context()
			p, submission, err := f.own(submission)
			if err != nil {
				return err
			}
			way := f.course.Way()
			first, err := f.firstWatched(p, words)
			if err != nil {
				return err
			}
			if lab := way[first]; lab.Number > 0 {
				if _, err := f.start(cmd, lab, submission); err != nil {
					return err
				}
			}
			waits, err := f.hinted(way)
			if err != nil {
				return err
			}
			w := &watched{front: f, cmd: cmd, progress: p, waits: waits, submission: submission, problems: problems}
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
	submissionFlag(cmd, &submission)
	cmd.Flags().BoolVar(&problems, "problems", false, "print plain lines, and each failure in a line that editors read")
	f.clusterFlags(cmd)
	return cmd
}

// firstWatched is the index of the lab that is named, or else of the first that
// is not passed.
func (f *front) firstWatched(p *learn.Progress, words []string) (int, error) {
	state, unfinished, err := p.Next()
	lab := state.Lab
	if len(words) == 1 {
		lab, err = f.taskNamed(words[0])
	} else if !unfinished {
		lab = f.course.Labs[0]
	}
	return slices.IndexFunc(f.course.Way(), func(l harness.Lab) bool { return l.Number == lab.Number }), err
}

// watched is a learner's submission while it is watched, and the cluster that is
// kept for it.
type watched struct {
	*front
	cmd        *cobra.Command
	progress   *learn.Progress
	waits      map[string]bool // as in observer
	cluster    cluster.Cluster
	submission string
	problems   bool             // for an editor
	session    *harness.Session // nil where there is none yet
	temporary  string           // the folder for temporary files of what outlives the watcher
}

// watch watches in a terminal, or prints plain lines.
func (w *watched) watch(ctx context.Context, first int) error {
	labs := watch.Labs{
		Submission: w.submission, Labs: w.course.Way(), First: first,
		Check: w.check, Judged: w.judged, Ready: w.ready, Report: w.report,
		Actions: []watch.Action{
			{Key: "h", Name: "hint", Do: w.shown(w.hint)},
			{Key: "d", Name: "difference", Do: w.shown(w.difference)},
			{Key: "o", Name: "page", Do: w.openPage},
			{Key: "t", Name: "task", Do: w.shown((*front).taskOf)},
			{Key: "l", Name: "list", Do: w.shown(w.list)},
			{Key: "r", Name: "reset", Question: w.restarts, Do: w.restartLab},
		},
	}
	if isTerminal(w.stdout) && isTerminal(w.stdin) && !w.problems {
		w.display = nil // the screen is the watcher's
		return labs.Screen(ctx, w.stdin, w.stdout)
	}
	lab := labs.Labs[first]
	labs.Watch(ctx, lab, nil, func() {}, func(v watch.Verdict) {
		fmt.Fprintln(w.stdout, w.report(lab, v, true))
		if w.problems && v.Err == nil {
			fmt.Fprintln(w.stdout, report.Problems(v.Result, w.submission))
		}
		fmt.Fprintf(w.stdout, "Waiting for a change of %s.\n", labs.Watched(lab))
	})
	return nil
}

// report is a verdict on a lab as checking the lab alone would print it.
func (w *watched) report(lab harness.Lab, v watch.Verdict, evidence bool) string {
	if v.Err != nil {
		return explained(w.cmd, v.Err) + "\n"
	}
	text, err := w.shown(func(f *front, _ *cobra.Command, lab harness.Lab) error {
		terminal := report.NewTerminal(f.stdout, isTerminal(f.stdout))
		terminal.Submission = w.submission
		o := &observer{cmd: w.cmd, shows: terminal, waits: w.waits, brief: !evidence}
		v.Result.Replay(o)
		terminal.Summary(v.Result)
		if v.Note != nil {
			f.print("note: %s\n", explained(w.cmd, v.Note))
		}
		keys := isTerminal(f.stdin) && !w.problems
		switch {
		case o.stuck && keys:
			fmt.Fprintln(f.stdout, "Stuck? Press h for a hint; hints cost no points.")
		case o.stuck:
			fmt.Fprintln(f.stdout, withVariables(w.cmd, stuck))
		case v.Result.Outcome != harness.Pass:
		case keys:
			if err := f.meaning(w.cmd, lab); err != nil {
				return err
			}
			fmt.Fprintln(f.stdout, "Press d to compare with the reference solution, n for the next lab.")
		default:
			return f.meaning(w.cmd, lab)
		}
		return nil
	})(lab)
	if err != nil {
		return explained(w.cmd, err) + "\n"
	}
	return text
}

// shown is a command on a lab as a text.
func (w *watched) shown(command func(*front, *cobra.Command, harness.Lab) error) func(harness.Lab) (string, error) {
	return func(lab harness.Lab) (string, error) {
		text := &styled{plain: !isTerminal(w.stdout)}
		f := *w.front
		f.stdout, f.display, f.watching, f.screen = text, nil, true, wrap.Columns(w.stdout)
		err := command(&f, w.cmd, lab)
		if err != nil && err != error(exit(1)) { //nolint:errorlint // alone: not yet, and the text says what
			return "", errors.New(explained(w.cmd, err))
		}
		return text.String(), nil
	}
}

func (w *watched) hint(f *front, cmd *cobra.Command, lab harness.Lab) error {
	return f.hintFrom(cmd, w.progress, lab)
}

func (w *watched) difference(f *front, cmd *cobra.Command, lab harness.Lab) error {
	if lab.Number == 0 {
		fmt.Fprintln(f.stdout, "This one has no files of its own.")
		return nil
	}
	return f.differenceFrom(cmd, w.progress, w.submission, lab)
}

func (w *watched) list(f *front, _ *cobra.Command, _ harness.Lab) error {
	return f.showProgress(f.progress(w.submission))
}

// styled is a text that may have a terminal's colours.
type styled struct {
	strings.Builder
	plain bool
}

// Styled reports whether it may.
func (s *styled) Styled() bool { return !s.plain }

// judged keeps a result as the learner's progress and refreshes the page.
func (w *watched) judged(result *harness.Result) error {
	if err := w.progress.Record(result); err != nil {
		return err
	}
	return w.writePage()
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
	if lab.Number > 0 {
		if _, _, err := w.place(lab, w.submission); err != nil {
			return nil, err
		}
	}
	if err := w.hold(ctx); err != nil {
		return nil, err
	}
	result, err := w.session.Run(ctx, []harness.Lab{lab}, w.submission, observer)
	if err != nil || result.Outcome == harness.Error {
		w.let(context.WithoutCancel(ctx))
	}
	return result, err
}

// ready makes the next check quick, and lets others use the cluster until then.
func (w *watched) ready(ctx context.Context) {
	if w.session == nil {
		return
	}
	if _, ours := w.cluster.(cluster.Owned); ours {
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

// writePage writes the page on what was checked last beside the progress.
func (w *watched) writePage() error {
	found, err := w.last(w.progress, w.submission)
	if err == nil {
		err = writePage(w.cmd, found, w.page())
	}
	return err
}

// page is where the watcher's page is.
func (w *watched) page() string { return filepath.Join(w.submission+learn.Suffix, report.Page.File) }

// openPage opens the page where there is a screen for it, and says where it is.
func (w *watched) openPage(harness.Lab) (string, error) {
	if err := w.writePage(); err != nil {
		return "", errors.New(explained(w.cmd, err))
	}
	_ = browse(w.page(), w.temporary) // the learner opens it otherwise
	return "The page is " + w.page() + ". It is written anew after each check: open it in a browser and reload it.", nil
}
