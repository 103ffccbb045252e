package command

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/google/renameio/v2/maybe"
	"github.com/spf13/cobra"

	"rolecall/harness"
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
		RunE: func(*cobra.Command, []string) error {
			if submission == "" {
				submission = f.ownSubmission()
			}
			found, err := f.found(results, submission)
			if err != nil {
				return err
			}
			if isDir(out) {
				out = filepath.Join(out, report.Page.File)
			}
			if err := writePage(found, out); err != nil {
				return err
			}
			fmt.Fprintf(f.stdout, "%s is written: open it in a browser.\n", out)
			return nil
		},
	}
	cmd.Flags().StringVar(&results, "results", "", "a results.json, or the `directory` that has one, instead of what was checked last")
	cmd.Flags().StringVar(&submission, "submission", "", "the `directory` with the learner's files (default "+work+")")
	cmd.Flags().StringVar(&out, "out", report.Page.File, "the `file` to write")
	return cmd
}

// found are the results that are named, or else a submission's last ones.
func (f *front) found(results, submission string) ([]*harness.Result, error) {
	if results == "" {
		return f.last(submission)
	}
	if isDir(results) {
		results = filepath.Join(results, report.ResultsFile)
	}
	r, err := report.Read(results)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, next.Errorf("make "+f.course.Name+" RESULTS=dir", "reading results: there is no %s", results)
	case err != nil:
		return nil, next.Errorf("name a results.json with RESULTS=", "%w", err)
	}
	return []*harness.Result{r}, nil
}

// last are a submission's last results, lab by lab in the order of the course,
// and the story's.
func (f *front) last(submission string) (last []*harness.Result, err error) {
	whole, err := filepath.Abs(submission)
	if err != nil {
		return nil, fmt.Errorf("looking for results: %w", err)
	}
	names := []string{}
	for _, lab := range f.course.Labs {
		names = append(names, lab.Folder())
	}
	for _, name := range append(names, f.course.Name) {
		r, err := report.Read(filepath.Join(whole+"-progress", name+".json"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, next.Errorf("check the lab again", "%w", err)
		default:
			last = append(last, r)
		}
	}
	if len(last) == 0 {
		return nil, next.Errorf("make "+f.course.Labs[0].Folder(), "writing a page: nothing was checked yet in %s", submission)
	}
	return last, nil
}

// writePage writes the page on results into a file, but over nothing else than a
// page.
func writePage(results []*harness.Result, file string) error {
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

// browse opens a file in the user's browser, where there is a screen for one.
func browse(file string) error {
	switch {
	case runtime.GOOS == "windows":
		return exec.Command("rundll32", "url.dll,FileProtocolHandler", file).Run()
	case runtime.GOOS == "darwin":
		return exec.Command("open", file).Run()
	case os.Getenv("DISPLAY")+os.Getenv("WAYLAND_DISPLAY") == "":
		return errors.New("there is no screen")
	}
	return exec.Command("xdg-open", file).Run()
}
