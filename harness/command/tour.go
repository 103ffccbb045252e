package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/harness/next"
	"rolecall/harness/progress"
	"rolecall/harness/report"
)

// tour shows a newcomer the course's tour: a run like any other, whose checks
// are looked at one by one.
func (f *front) tour() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tour",
		Short: "see in a minute what it is about; there is nothing to write",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.course.Tour == nil {
				return hint(cmd, errors.New("the course has no tour"))
			}
			return f.guide(cmd, *f.course.Tour)
		},
	}
	f.clusterFlags(cmd)
	return cmd
}

// errSeenEnough is why a tour that its viewer has left is over.
var errSeenEnough = errors.New("seen enough")

func (f *front) guide(cmd *cobra.Command, tour harness.Lab) error {
	screens, err := f.course.Screens()
	if err != nil {
		return err
	}
	on, err := cluster.Choose(cmd.Context(), f.clusters(), f.want, f.display.Say)
	if err != nil {
		return err
	}
	nothing, err := os.MkdirTemp("", "rolecall-tour-")
	if err != nil {
		return next.Errorf("free some disk space", "making a folder: %w", err)
	}
	defer os.RemoveAll(nothing)
	ctx, leave := context.WithCancelCause(cmd.Context())
	defer leave(nil)
	g := &guide{front: f, cmd: cmd, screens: screens, ctx: ctx, leave: leave}
	if keyboard, isFile := f.stdin.(*os.File); isFile && isTerminal(f.stdout) && term.IsTerminal(int(keyboard.Fd())) {
		g.keyboard, g.stops = int(keyboard.Fd()), true
		g.keys = pressed(keyboard)
	}
	result, err := harness.Run(ctx, f.course, []harness.Lab{tour}, on, nothing, harness.Options{Home: f.home, Observer: g, Say: f.display.Say})
	switch {
	case errors.Is(context.Cause(ctx), errSeenEnough):
		f.print("\nWhenever you want to go on: %s\n", withVariables(cmd, "make tour"))
		return nil
	case errors.Is(err, harness.ErrInterrupted):
		return context.Cause(ctx)
	case err != nil:
		return err
	}
	if result.Outcome == harness.Pass {
		first := f.course.Labs[0]
		f.print("\nNext: %s (the task: %s)\n", withVariables(cmd, "make "+first.Folder()), f.whereTask(cmd, first))
	}
	return exitStatus(result.ExitStatus())
}

// guide is an Observer that shows a screen for each check that passed, and waits
// before the next one for a key.
type guide struct {
	*front
	cmd     *cobra.Command
	screens []harness.Screen
	shown   int
	ctx     context.Context
	leave   context.CancelCauseFunc
	waiting *progress.Task

	stops    bool // there is somebody to wait for
	keyboard int  // its file descriptor
	keys     <-chan byte
}

// LabBegins has nothing to say: the first screen does.
func (*guide) LabBegins(harness.Lab) {}

// CheckBegins tells a waiting person what comes.
func (g *guide) CheckBegins(c harness.Check) {
	if g.stops {
		g.waiting = g.display.Begin(c.Desc, 0)
	}
}

// CheckEnds shows what was seen, between the screen's texts.
func (g *guide) CheckEnds(c harness.CheckResult) {
	g.waiting.Drop()
	if c.Outcome != harness.Pass || g.ctx.Err() != nil {
		return
	}
	screen := g.screens[g.shown]
	g.shown++
	if g.stops {
		fmt.Fprint(g.stdout, "\x1b[H\x1b[2J\x1b[1m")
	}
	fmt.Fprintf(g.stdout, "\n%d of %d  %s", g.shown, len(g.screens), c.Desc)
	if g.stops {
		fmt.Fprint(g.stdout, "\x1b[0m")
	}
	fmt.Fprint(g.stdout, "\n\n")
	_ = g.printMarkdown(withVariables(g.cmd, screen.Before))
	for _, e := range c.Evidence {
		fmt.Fprintf(g.stdout, "    %s\n", strings.ReplaceAll(check.Printable(e.Object, 4000), "\n", "\n    "))
	}
	_ = g.printMarkdown(withVariables(g.cmd, screen.After))
	if g.stops && g.shown < len(g.screens) {
		g.pause()
	}
}

// LabEnds says why a tour ended before its last screen.
func (g *guide) LabEnds(lab harness.LabResult) {
	if g.ctx.Err() == nil && (lab.Outcome != harness.Pass || lab.Cleanup != "") {
		(&observer{cmd: g.cmd, shows: report.NewTerminal(g.stdout, isTerminal(g.stdout))}).LabEnds(lab)
	}
}

// pause waits for Enter, or the end.
func (g *guide) pause() {
	fmt.Fprint(g.stdout, "\nEnter goes on, q ends. ")
	before, err := term.MakeRaw(g.keyboard)
	if err != nil {
		return
	}
	defer fmt.Fprintln(g.stdout)
	defer func() { _ = term.Restore(g.keyboard, before) }()
	for {
		select {
		case <-g.ctx.Done():
			return
		case key := <-g.keys:
			switch key {
			case '\r', '\n', ' ':
				return
			case 'q', 'Q', '\x03', '\x04', 0: // Ctrl-C and Ctrl-D are keys here; 0 is the end of the input
				g.leave(errSeenEnough)
				return
			}
		}
	}
}

// pressed are the keys that are pressed from now on.
func pressed(keyboard io.Reader) <-chan byte {
	keys := make(chan byte)
	go func() {
		defer close(keys)
		key := make([]byte, 1)
		for {
			if _, err := keyboard.Read(key); err != nil {
				return
			}
			keys <- key[0]
		}
	}()
	return keys
}
