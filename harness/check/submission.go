package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"unicode/utf8"
)

// MaxFile is how large a file of a submission may be, in bytes.
const MaxFile = 1 << 20

// Submission is a learner's directory. Nothing outside of it can be read
// through it, symbolic links included.
type Submission struct {
	root *os.Root
}

// OpenSubmission opens a directory. The error is for the person who named it.
func OpenSubmission(dir string) (*Submission, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("opening submission %s: it is a file; name the directory that holds lab-1 … lab-5 with SUBMISSION=dir", dir)
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening submission %s: no such directory; name one with SUBMISSION=dir, or type make lab-1 to get the starters in work/", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening submission: %w; name a directory that you may read with SUBMISSION=dir", err)
	}
	return &Submission{root: root}, nil
}

// Close releases the directory.
func (s *Submission) Close() error { return s.root.Close() }

// Has tells whether something stands under that name, of whatever kind.
func (s *Submission) Has(name string) bool {
	_, err := s.root.Lstat(name)
	return err == nil
}

// Text reads a text file. A byte-order mark is dropped and Windows line ends
// become plain ones. What is wrong with the file is a *Failure.
func (s *Submission) Text(name string) ([]byte, error) {
	want := "the text file " + name
	fail := func(got, hint string) error { return &Failure{Want: want, Got: got, Hint: hint} }

	if folder, err := s.root.Stat(path.Dir(name)); s.Has(path.Dir(name)) && (err != nil || !folder.IsDir()) {
		return nil, &Failure{Want: "the folder " + path.Dir(name), Got: "something that is no folder inside the submission", Hint: "Make it a folder; links that lead out of the submission are not followed."}
	}
	info, err := s.root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.Has(name):
		return nil, fail("a symbolic link that leads nowhere", "Replace the link by the file itself.")
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail("no such file", fmt.Sprintf("Write %s; a starter is in labs/lab-%s-*/starter.", name, labNumber(name)))
	case err != nil && s.Has(name):
		return nil, fail("something that cannot be opened inside the submission", "Use a regular file; links that lead out of the submission are not followed.")
	case err != nil:
		return nil, fmt.Errorf("reading %s of the submission: %w", name, err)
	case info.IsDir():
		return nil, fail("a folder", "Put the file itself there, not a folder of that name.")
	case !info.Mode().IsRegular():
		return nil, fail("something that is not a regular file", "Replace it by a regular file.")
	case info.Size() > MaxFile:
		return nil, fail(fmt.Sprintf("%d bytes", info.Size()), fmt.Sprintf("A file may have %d bytes at the most; check that this is the file that you meant.", MaxFile))
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
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
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

// labNumber is the 3 of lab-3/call.sh.
func labNumber(name string) string {
	var n string
	fmt.Sscanf(path.Dir(name), "lab-%s", &n)
	return n
}
