// Package labs embeds what a learner gets: the starters, the
// reference solutions, and the wrong and right submissions that the checks are
// held against.
package labs

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/tools/txtar"
)

//go:embed lab-*/starter lab-*/solution lab-*/wrong lab-*/right walkthrough program.mod program.sum
var files embed.FS

// folders are the labs by number; the walkthrough as a whole has none of its own files.
var folders = []string{1: "lab-1-pod", 2: "lab-2-token", 3: "lab-3-forbidden", 4: "lab-4-rolebinding", 5: "lab-5-success"}

// Numbers are the labs' numbers in order.
var Numbers = []int{1, 2, 3, 4, 5}

// Module and Sums are the go.mod and go.sum that learners' Go programs are
// compiled with.
func Module() (module, sums string) {
	return mustRead("program.mod"), mustRead("program.sum")
}

func mustRead(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // embedded: it is there or the build is broken
	}
	return string(text)
}

// Folder is the lab's folder in the repository, from its root.
func Folder(lab int) string { return "labs/" + folders[lab] }

// Starter copies a lab's starter into a submission and returns the files. What
// the learner has written already stays.
func Starter(lab int, submission string) ([]string, error) {
	return place(path.Join(folders[lab], "starter"), lab, submission)
}

// Solution copies a lab's reference solution into an empty place.
func Solution(lab int, submission string) ([]string, error) {
	return place(path.Join(folders[lab], "solution"), lab, submission)
}

// Solutions copies all of them.
func Solutions(submission string) error {
	for _, lab := range Numbers {
		if _, err := Solution(lab, submission); err != nil {
			return err
		}
	}
	return nil
}

// SolutionFiles are the reference solution's files by name.
func SolutionFiles(lab int) (map[string]string, error) {
	texts := map[string]string{}
	dir := path.Join(folders[lab], "solution")
	entries, err := files.ReadDir(dir)
	for _, entry := range entries {
		texts[entry.Name()] = mustRead(path.Join(dir, entry.Name()))
	}
	return texts, err
}

func place(from string, lab int, submission string) ([]string, error) {
	entries, err := files.ReadDir(from)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", from, err)
	}
	to := filepath.Join(submission, fmt.Sprintf("lab-%d", lab))
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, fmt.Errorf("making %s: %w", to, err)
	}
	var placed []string
	for _, entry := range entries {
		file := filepath.Join(to, entry.Name())
		placed = append(placed, file)
		if _, err := os.Lstat(file); err == nil {
			continue
		}
		text, err := files.ReadFile(path.Join(from, entry.Name()))
		if err == nil {
			err = os.WriteFile(file, text, 0o644)
		}
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", file, err)
		}
	}
	return placed, nil
}

// File is one file of a case, by its path in a submission.
type File = txtar.File

// Case is a submission whose verdict is known: the solutions with some files
// changed.
type Case struct {
	Name    string   // file name without .txtar
	Lab     int      // 0 for the walkthrough
	Mistake string   // or, of a right one, what differs
	Fails   string   // the one check that must fail; empty for a right one
	Removes []string // files of the solution that are not there
	Files   []File
}

// Cases reads the wrong or right submissions of a lab, 0 for the walkthrough.
func Cases(lab int, kind string) ([]Case, error) {
	dir := "walkthrough/" + kind
	if lab > 0 {
		dir = path.Join(folders[lab], kind)
	}
	entries, err := files.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading %s: %w", dir, err)
	}
	var cases []Case
	for _, entry := range entries {
		archive := txtar.Parse([]byte(mustRead(path.Join(dir, entry.Name()))))
		c := Case{Name: strings.TrimSuffix(entry.Name(), ".txtar"), Lab: lab, Files: archive.Files}
		for line := range strings.Lines(string(archive.Comment)) {
			switch key, value, _ := strings.Cut(strings.TrimSpace(line), ":"); key {
			case "fails":
				c.Fails = strings.TrimSpace(value)
			case "removes":
				c.Removes = append(c.Removes, strings.TrimSpace(value))
			default:
				c.Mistake = strings.TrimSpace(c.Mistake + " " + strings.TrimSpace(line))
			}
		}
		if wrong := kind == "wrong"; c.Mistake == "" || wrong != (c.Fails != "") {
			return nil, fmt.Errorf("reading %s/%s: a wrong submission names its mistake and the check that fails, a right one only what differs", dir, entry.Name())
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// Write lays the case out as a submission. token takes the place of @@TOKEN@@.
func (c Case) Write(submission, token string) error {
	if err := Solutions(submission); err != nil {
		return err
	}
	for _, name := range c.Removes {
		if err := os.Remove(filepath.Join(submission, filepath.FromSlash(name))); err != nil {
			return fmt.Errorf("laying out %s: %w", c.Name, err)
		}
	}
	for _, file := range c.Files {
		to := filepath.Join(submission, filepath.FromSlash(file.Name))
		text := strings.ReplaceAll(string(file.Data), "@@TOKEN@@", token)
		err := os.MkdirAll(filepath.Dir(to), 0o755)
		if err == nil {
			err = os.WriteFile(to, []byte(text), 0o644)
		}
		if err != nil {
			return fmt.Errorf("laying out %s: %w", c.Name, err)
		}
	}
	return nil
}
