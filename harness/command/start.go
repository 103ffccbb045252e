package command

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2/maybe"
	"github.com/spf13/cobra"

	"rolecall/harness"
	"rolecall/harness/next"
)

// ownSubmission is the submission of a learner who names none: work/ in the
// current folder, or the one that this folder is or belongs to.
func (f *front) ownSubmission() string {
	if isDir(work) {
		return work
	}
	here, err := os.Getwd()
	if err != nil {
		return work
	}
	for _, lab := range f.course.Labs {
		switch {
		case isDir(lab.Folder()):
			return "."
		case filepath.Base(here) == lab.Folder():
			return ".."
		}
	}
	return work
}

// submissionOr is the submission that is named, or else the learner's own,
// which must have been begun.
func (f *front) submissionOr(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	own := f.ownSubmission()
	if !isDir(own) {
		return "", next.Errorf("make "+f.course.Labs[0].Folder(), "opening your files: there is no folder %s yet", own)
	}
	return own, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// start puts a lab's starter into a submission that has no folder for the lab,
// and says what to edit.
func (f *front) start(cmd *cobra.Command, lab harness.Lab, submission string) (started bool, err error) {
	files, placed, err := f.place(lab, submission)
	if err != nil || !placed {
		return false, err
	}
	f.print("Lab %d begins. The task: %s\n", lab.Number, f.whereTask(cmd, lab))
	f.edit(cmd, lab, files)
	return true, nil
}

// place puts a lab's starter into a submission that has no folder for the lab.
func (f *front) place(lab harness.Lab, submission string) (files []string, placed bool, err error) {
	if _, err := os.Lstat(filepath.Join(submission, lab.Folder())); err != nil {
		placed = true
		if files, err = f.course.Starter(lab, submission); err != nil {
			return nil, false, err
		}
	}
	return files, placed, f.forward(lab, submission)
}

func (f *front) edit(cmd *cobra.Command, lab harness.Lab, files []string) {
	f.print("Edit %s, then run %s again.\n", strings.Join(files, " and "), withVariables(cmd, "make "+lab.Folder()))
}

// forwarder is a Makefile for work/, where make would otherwise take a lab's
// folder for what is to be made, and be done.
const forwarder = `# Runs make in the folder above, where rolecall is.
goals := $(or $(MAKECMDGOALS),help)
dry   := $(if $(findstring n,$(firstword -$(MAKEFLAGS))),-n)
MAKEFLAGS += -q # the Makefile there says why
.PHONY: $(goals)
$(goals): ; @MAKEFLAGS= $(MAKE) --no-print-directory $(dry) -C .. $@ $(MAKEOVERRIDES)
`

// forward makes a learner's work/ in the repository a folder where make does
// what it does in the repository.
func (f *front) forward(lab harness.Lab, submission string) error {
	file := filepath.Join(submission, "Makefile")
	if submission != work || !isDir(filepath.FromSlash(f.course.Source(lab))) {
		return nil
	}
	if _, err := os.Lstat(file); err == nil {
		return nil
	}
	if err := maybe.WriteFile(file, []byte(forwarder), 0o644); err != nil {
		return next.Errorf("free some disk space", "writing %s: %w", file, err)
	}
	return nil
}

// restart puts a lab's starter back and keeps what the learner wrote.
func (f *front) restart() *cobra.Command {
	submission := ""
	cmd := &cobra.Command{
		Use:               "restart N",
		Short:             "start a lab over; what you wrote is kept beside it",
		Args:              f.oneLab,
		ValidArgsFunction: f.completeLab,
		RunE: func(cmd *cobra.Command, words []string) error {
			lab, err := f.course.Named(words[0])
			if err != nil {
				return err
			}
			if submission == "" {
				submission = f.ownSubmission()
			}
			if started, err := f.start(cmd, lab, submission); started || err != nil {
				return err
			}
			sure, err := f.ask(cmd.Context(), f.askRestart(lab, submission))
			if err != nil {
				return err
			}
			if !sure {
				fmt.Fprintln(f.stdout, "Nothing was changed.")
				return nil
			}
			kept, files, err := f.startOver(lab, submission)
			if err != nil {
				return err
			}
			f.print("What you wrote is in %s.\n", kept)
			f.edit(cmd, lab, files)
			return nil
		},
	}
	submissionFlag(cmd, &submission)
	f.yesFlag(cmd)
	f.clusterFlags(cmd) // for the command that it names
	return cmd
}

// askRestart asks whether to start a lab over.
func (f *front) askRestart(lab harness.Lab, submission string) string {
	return fmt.Sprintf("Start lab %d over? What you wrote moves to %s.", lab.Number, keeps(lab, submission))
}

// startOver puts a lab's starter back. It returns where what was there is kept.
func (f *front) startOver(lab harness.Lab, submission string) (kept string, files []string, err error) {
	kept = keeps(lab, submission)
	if err := os.Rename(filepath.Join(submission, lab.Folder()), kept); err != nil {
		return "", nil, fmt.Errorf("keeping what you wrote: %w", err)
	}
	files, err = f.course.Starter(lab, submission)
	return kept, files, err
}

// keeps is where what a learner wrote is kept when the lab starts over.
func keeps(lab harness.Lab, submission string) string {
	return unused(filepath.Join(submission, "kept-"+lab.Folder()))
}

// unused is a path under which nothing is yet: the one wished for, or that with
// a number.
func unused(path string) string {
	name := path
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d", path, n)
	}
}

// ask reports whether the user says yes.
func (f *front) ask(ctx context.Context, question string) (bool, error) {
	if f.yes {
		return true, nil
	}
	fmt.Fprint(f.stdout, question, " [y/N] ")
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(f.stdin).ReadString('\n')
		answers <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-answers:
		return answer == "y" || answer == "yes", nil
	case <-ctx.Done():
		fmt.Fprintln(f.stdout)
		return false, ctx.Err()
	}
}
