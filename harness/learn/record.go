package learn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2/maybe"
	"go.yaml.in/yaml/v3"

	"rolecall/harness"
	"rolecall/harness/next"
	"rolecall/harness/report"
)

const (
	// version is of the form of progress.yaml. Fields are added without a new one.
	version = 1
	// maxRecord bounds what is read of progress.yaml, in bytes.
	maxRecord = 256 << 10
)

// File is what the progress is called in its folder.
const File = "progress.yaml"

// comment is the top of the file.
const comment = `# How far you are with the labs. rolecall writes this file after each check, for make status, make next
# and make hint. It is yours: read it, change it, delete it. Nobody is graded by it.
# Times are in UTC. The last result of each lab is in the file beside it that has the lab's name.

`

// record is the content of progress.yaml. What somebody else added stays.
type record struct {
	Version int             `yaml:"version"`
	Last    string          `yaml:"last,omitempty"` // the lab that was checked last
	Labs    map[string]*lab `yaml:"labs"`
	Others  map[string]any  `yaml:",inline"`
}

// lab is what is known of one lab.
type lab struct {
	Attempts int              `yaml:"attempts"`
	Outcome  harness.Outcome  `yaml:"outcome,omitempty"` // of the last check
	Passed   *time.Time       `yaml:"passed,omitempty"`  // for the first time
	Hints    map[string]*hint `yaml:"hints,omitempty"`   // by check id
	Compared bool             `yaml:"compared,omitempty"`
	Others   map[string]any   `yaml:",inline"`
}

// hint is what was given for one check.
type hint struct {
	Level   int `yaml:"level"`
	Attempt int `yaml:"attempt"` // the lab's attempts when that level was given
}

// lab is the entry of a lab, which is made if need be.
func (r *record) lab(word string) *lab {
	if r.Labs[word] == nil {
		r.Labs[word] = &lab{}
	}
	return r.Labs[word]
}

// read reads progress.yaml. One that cannot be read is kept under another name,
// and a new one begins. One that a newer rolecall wrote stays, and is an error.
func (p *Progress) read() (*record, error) {
	file := filepath.Join(p.dir, File)
	text, err := bounded(file, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return &record{Version: version, Labs: map[string]*lab{}}, nil
	}
	known := &record{}
	if err == nil {
		err = yaml.Unmarshal(text, known)
	}
	switch { // a part that cannot be read leaves the others as they are
	case known.Version > version:
		return nil, next.Errorf("use the newer rolecall, or move the file away", "reading %s: a newer rolecall wrote it", file)
	case err == nil && known.Version < 1:
		err = errors.New("it has no version")
	}
	if err != nil {
		aside, moved := setAside(file)
		if moved != nil {
			return nil, next.Errorf("move it away", "reading %s: %w", file, err)
		}
		if p.say != nil {
			p.say(fmt.Sprintf("your progress could not be read and begins anew; what was there is now %s (%s)", aside, report.OneLine(err.Error(), 200)))
		}
		known = &record{Version: version}
	}
	known.mend()
	return known, nil
}

// mend makes the values that a person may have written ones that can be.
func (r *record) mend() {
	if r.Labs == nil {
		r.Labs = map[string]*lab{}
	}
	for word, kept := range r.Labs {
		if kept == nil {
			delete(r.Labs, word)
			continue
		}
		kept.Attempts = max(kept.Attempts, 0)
		for id, h := range kept.Hints {
			if h == nil {
				delete(kept.Hints, id)
				continue
			}
			h.Level, h.Attempt = min(max(h.Level, 0), Levels), min(max(h.Attempt, 0), kept.Attempts)
		}
	}
}

// write writes progress.yaml, whole or not at all.
func (p *Progress) write(known *record) error {
	var text bytes.Buffer
	text.WriteString(comment)
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(known); err != nil {
		return fmt.Errorf("writing the learner's progress: %w", err)
	}
	return p.store(File, text.Bytes())
}

// keep writes a lab's result into the file of its name.
func (p *Progress) keep(result *harness.Result, of harness.LabResult) error {
	one := *result
	one.Labs = []harness.LabResult{of}
	one.Sum()
	one.DurationMs = of.DurationMs
	text, err := report.Native(&one)
	if err != nil {
		return fmt.Errorf("writing the result of %s: %w", of.Heading(), err)
	}
	return p.store(p.word(of.Number)+".json", text)
}

// Result is the last result of a lab. The error is fs.ErrNotExist where it was
// not checked yet, or its file is gone.
func (p *Progress) Result(lab harness.Lab) (*harness.Result, error) {
	file := filepath.Join(p.dir, p.course.Word(lab)+".json")
	result, err := report.Read(file)
	if err == nil && (len(result.Labs) != 1 || result.Labs[0].Number != lab.Number) {
		err = fmt.Errorf("reading %s: it is not the result of %s", file, lab.Heading())
	}
	if err != nil {
		return nil, next.Errorf("make "+p.course.Word(lab), "%w", err)
	}
	return result, nil
}

// Results are the last results of all labs that were checked, in the order in
// which they are taken.
func (p *Progress) Results() (all []*harness.Result, err error) {
	for _, lab := range p.course.Way() {
		result, err := p.Result(lab)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			all = append(all, result)
		}
	}
	return all, nil
}

// Ready returns why nothing can be kept in the folder, which need not be there
// yet.
func (p *Progress) Ready() error {
	where := p.dir
	if _, err := os.Stat(where); errors.Is(err, fs.ErrNotExist) {
		where = filepath.Dir(where)
	}
	probe, err := os.CreateTemp(where, ".rolecall-")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return p.unkept(err)
	}
	_, err = p.read()
	return err
}

// unkept is why nothing was kept. The name of a file that is not the learner's
// says nothing.
func (p *Progress) unkept(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	if err == nil {
		return nil
	}
	return next.Errorf("free some disk space, or make the folder writable", "keeping your progress in %s: %w", p.dir, err)
}

func (p *Progress) store(name string, text []byte) error {
	err := os.MkdirAll(p.dir, 0o755)
	if err == nil {
		err = maybe.WriteFile(filepath.Join(p.dir, name), text, 0o644)
	}
	return p.unkept(err)
}

// bounded reads a regular file of at most limit bytes.
func bounded(file string, limit int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	text, err := io.ReadAll(io.LimitReader(opened, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return text, err
}

// setAside gives a file another name, which it returns.
func setAside(file string) (string, error) {
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.unread-%d", file, n)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return aside, os.Rename(file, aside)
		} else if err != nil {
			return "", err
		}
	}
}
