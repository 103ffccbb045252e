package command

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/google/renameio/v2/maybe"
	"github.com/spf13/cobra"

	"rolecall/harness"
	"rolecall/harness/learn"
	"rolecall/harness/next"
	"rolecall/harness/report"
)

// report writes the page on what was checked last, or on any results.
func (f *front) report() *cobra.Command {
	var submission, results, out string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "write a page on what was checked last",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, submission, err := f.own(submission)
			if err != nil {
				return err
			}
			beside := submission + learn.Suffix
			var found []*harness.Result
			if results == "" {
				found, err = f.last(p, submission)
			} else {
				var one *harness.Result
				beside, one, err = f.named(results)
				found = []*harness.Result{one}
			}
			if err != nil {
				return err
			}
			if out == "" {
				out = beside
			}
			if isDir(out) {
				out = filepath.Join(out, report.Page.File)
			}
			if err := writePage(cmd, found, out); err != nil {
				return err
			}
			f.print("%s is written: open it in a browser.\n", out)
			return nil
		},
	}
	cmd.Flags().StringVar(&results, "results", "", "a results.json, or the `directory` that has one, instead of what was checked last")
	submissionFlag(cmd, &submission)
	cmd.Flags().StringVar(&out, "out", "", "the `file` to write (default "+report.Page.File+" beside the results)")
	return cmd
}

// named is the result in a file or a directory, and the directory.
func (f *front) named(results string) (dir string, found *harness.Result, err error) {
	if isDir(results) {
		results = filepath.Join(results, report.ResultsFile)
	}
	r, err := report.Read(results)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, next.Errorf("make "+f.course.Name+" RESULTS=dir", "reading results: there is no %s", results)
	case err != nil:
		return "", nil, next.Errorf("name a results.json with RESULTS=", "%w", err)
	}
	return filepath.Dir(results), r, nil
}

// last are a submission's last results, without the hints that the learner was
// not given.
func (f *front) last(p *learn.Progress, submission string) ([]*harness.Result, error) {
	last, err := p.Results()
	if err == nil && len(last) == 0 {
		err = next.Errorf("make "+f.course.Labs[0].Folder(), "writing a page: nothing was checked yet in %s", submission)
	}
	if err != nil {
		return nil, err
	}
	for _, r := range last {
		hints, err := f.hintsOf(p, r)
		if err != nil {
			return nil, err
		}
		for i := range r.Labs {
			for j := range r.Labs[i].Checks {
				if c := &r.Labs[i].Checks[j]; !slices.Contains(hints.Reached[c.ID], c.Hint) {
					c.Hint = ""
				}
			}
		}
	}
	return last, nil
}

// writePage writes the page on results into a file, but over nothing else than a
// page. Its advice is worded for the user of a command.
func writePage(cmd *cobra.Command, results []*harness.Result, file string) error {
	for _, result := range results {
		for _, lab := range result.Labs {
			for i, c := range lab.Checks {
				lab.Checks[i] = wordedCheck(cmd, c)
			}
		}
	}
	page, err := report.Together(results...)
	if err != nil {
		return err
	}
	if there, err := os.ReadFile(file); err == nil && !bytes.HasPrefix(there, []byte("<!DOCTYPE html>")) {
		return next.Errorf("name another file with OUT=file", "writing the page: %s is there, and it is no page", file)
	}
	if err := maybe.WriteFile(file, page, 0o644); err != nil {
		return next.Errorf("name a file that can be written with OUT=file", "writing the page: %w", err)
	}
	return nil
}

// browse opens a file in the user's browser, where there is a screen for one. The
// browser uses that folder for temporary files.
func browse(file, temporary string) error {
	opener := exec.Command("xdg-open", file)
	switch {
	case runtime.GOOS == "windows":
		opener = exec.Command("rundll32", "url.dll,FileProtocolHandler", file)
	case runtime.GOOS == "darwin":
		opener = exec.Command("open", file)
	case os.Getenv("DISPLAY")+os.Getenv("WAYLAND_DISPLAY") == "":
		return errors.New("there is no screen")
	}
	opener.Env = append(os.Environ(), temporaries+"="+temporary)
	return opener.Run()
}
