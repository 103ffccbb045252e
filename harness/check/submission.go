package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"unicode/utf8"

	"rolecall/harness/next"
)

// MaxFile is how large a file of a submission may be, in bytes.
const MaxFile = 1 << 20

// Asked is what a lab asks for in its folder of a submission.
type Asked struct {
	Files   []File
	Starter fs.FS  // the files that learners begin with; may be nil
	Again   string // the command that brings the starter back
}

// Submission is a learner's directory. Nothing outside of it can be read
// through it, symbolic links included.
type Submission struct {
	root  *os.Root
	asked map[string]Asked // by lab folder
}

const nameIt = "name the directory that holds the lab folders, with SUBMISSION=dir"

// OpenSubmission opens a directory; asked is what labs ask for, by lab folder.
// The error is for the person who named the directory.
func OpenSubmission(dir string, asked map[string]Asked) (*Submission, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return nil, next.Errorf(nameIt, "opening submission %s: it is a file", dir)
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, next.Errorf(nameIt, "opening submission %s: no such directory", dir)
	}
	if err != nil {
		return nil, next.Errorf("name a directory that you may read, with SUBMISSION=dir", "opening submission: %w", err)
	}
	s := &Submission{root: root, asked: asked}
	if s.isLab(dir) {
		root.Close()
		return nil, next.Errorf("name the folder above it, with SUBMISSION="+filepath.Dir(filepath.Clean(dir)), "opening submission %s: it is the folder of one lab", dir)
	}
	return s, nil
}

// isLab reports whether the directory is a lab's folder rather than the folder
// that holds those.
func (s *Submission) isLab(dir string) bool {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for folder := range s.asked {
		if s.Has(folder) {
			return false
		}
	}
	for _, file := range s.asked[filepath.Base(absolute)].Files {
		for _, name := range file.Names() {
			if s.Has(name) {
				return true
			}
		}
	}
	return false
}

// Close releases the directory.
func (s *Submission) Close() error { return s.root.Close() }

// Has reports whether there is anything of that name.
func (s *Submission) Has(name string) bool {
	_, err := s.root.Lstat(name)
	return err == nil
}

// Text reads a text file. A byte-order mark is dropped and Windows line ends
// become plain ones. What is wrong with the file is a *Failure.
func (s *Submission) Text(name string) ([]byte, error) {
	want := "the text file " + name
	fail := func(got, hint string) error {
		return &Failure{Want: want, Got: got, Hint: hint, Position: Position{File: name}, Slip: true}
	}

	folder := path.Dir(name)
	if info, err := s.root.Stat(folder); s.Has(folder) && (err != nil || !info.IsDir()) {
		return nil, &Failure{Want: "the folder " + folder, Got: "something that is not a folder inside the submission", Hint: "Make it a folder; links that lead out of the submission are not followed.", Slip: true}
	}
	info, err := s.root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.Has(name):
		return nil, fail("a symbolic link that leads nowhere", "Replace the link with the file itself.")
	case errors.Is(err, fs.ErrNotExist):
		return nil, s.Missing(want, folder, path.Base(name))
	case err != nil && s.Has(name):
		return nil, fail("something that cannot be opened inside the submission", "Use a regular file; links that lead out of the submission are not followed.")
	case err != nil:
		return nil, fmt.Errorf("reading %s of the submission: %w", name, err)
	case info.IsDir():
		return nil, fail("a folder", "Put the file itself there, not a folder of that name.")
	case !info.Mode().IsRegular():
		return nil, fail("something that is not a regular file", "Replace it with a regular file.")
	case info.Size() > MaxFile:
		return nil, fail(fmt.Sprintf("%d bytes", info.Size()), fmt.Sprintf("A file may have %d bytes at most; check that this is the file that you meant.", MaxFile))
	}

	f, err := s.root.Open(name)
	if err != nil {
		return nil, fail("a file that cannot be read", "Make it readable: chmod +r "+name)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s of the submission: %w", name, err)
	}
	text = plain(text)
	switch {
	case len(text) > MaxFile:
		return nil, fail("a file that grows while it is read", "Hand in a regular file that nothing writes to.")
	case len(bytes.TrimSpace(text)) == 0:
		return nil, fail("an empty file", "The file is there but holds nothing; did you save it?")
	case bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text):
		return nil, fail("binary data", "Save the file as plain text in UTF-8.")
	}
	return text, nil
}

// plain drops a byte-order mark and makes Windows line ends plain ones.
func plain(text []byte) []byte {
	return bytes.ReplaceAll(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), []byte("\r\n"), []byte("\n"))
}

// Unchanged reports whether a file is still the lab's starter.
func (s *Submission) Unchanged(name string) bool {
	starter := s.asked[path.Dir(name)].Starter
	if starter == nil {
		return false
	}
	begun, err := fs.ReadFile(starter, path.Base(name))
	if err != nil {
		return false
	}
	text, err := s.Text(name)
	return err == nil && bytes.Equal(bytes.TrimSpace(text), bytes.TrimSpace(plain(begun)))
}

// Explain says of a failure that it is about a file, and gives it its plainest
// explanation, where it holds: the file is still the lab's starter. Any other
// error stays as it is.
func (s *Submission) Explain(err error, file string) error {
	failure, learners := AsFailure(err)
	if !learners {
		return err
	}
	explained := *failure
	if explained.Position.File == "" && s.Has(file) {
		explained.Position.File = file
	}
	if !s.Unchanged(file) {
		return &explained
	}
	explained.Slip = true
	explained.Hint = "You have not changed the starter yet: edit your own " + file + ", and save it."
	if todo := s.find(file, "TODO"); todo.Line > 0 {
		explained.Position = todo
	}
	return &explained
}

// find is where a file of the submission first has a text, or the file alone.
func (s *Submission) find(file, text string) Position {
	at := Position{File: file}
	content, err := s.Text(file)
	if err != nil {
		return at
	}
	before, _, found := bytes.Cut(content, []byte(text))
	if found {
		at.Line = bytes.Count(before, []byte("\n")) + 1
		at.Column = utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	}
	return at
}

// Only is the file that a lab asks for, where it asks for one and that was
// handed in: then whatever fails is about it.
func (s *Submission) Only(folder string) Position {
	files := s.asked[folder].Files
	if len(files) != 1 {
		return Position{}
	}
	for _, name := range files[0].Names() {
		if name = path.Join(folder, name); s.Has(name) {
			return Position{File: name}
		}
	}
	return Position{}
}
