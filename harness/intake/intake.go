// Package intake takes in what somebody handed in: a directory, a .zip or a
// .tar.gz. It lays the lab folders out in a fresh folder and lets nothing out
// of it, whatever an archive says. The rest of a submission is left aside.
package intake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rolecall/harness"
	"rolecall/harness/next"
)

// Bounds of a submission. They are far from what a lab needs, and small enough
// for many to be taken in side by side.
const (
	maxArchive = 16 << 20 // bytes of an archive
	maxTotal   = 64 << 20 // bytes of all that comes out of one, or of a directory
	maxEntries = 10_000   // files and folders
	maxRatio   = 100      // bytes out for a byte in, beyond the first freeBytes
	freeBytes  = 4 << 20
	maxDepth   = 10  // folders in folders
	maxName    = 200 // bytes of one part of a path
	maxStrays  = 3   // that a note names
)

// Intake takes in submissions to some labs of a course.
type Intake struct {
	course  harness.Course
	folders []string // of the labs
	labs    string   // the same in a sentence
}

// New returns an Intake for labs of a course.
func New(course harness.Course, labs []harness.Lab) *Intake {
	return &Intake{course: course, folders: folders(labs), labs: Folders(labs)}
}

// Refusal is why a submission cannot be graded as it is. A person must look.
type Refusal struct {
	Reason  string // a sentence without its full stop
	Nothing bool   // nothing was handed in
}

func (r *Refusal) Error() string { return r.Reason }

// refuse makes a Refusal.
func refuse(format string, args ...any) error { return &Refusal{Reason: fmt.Sprintf(format, args...)} }

// AsRefusal tells a refusal from an error of ours.
func AsRefusal(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }

// Submission is one that was taken in.
type Submission struct {
	Dir    string   // holds the lab folders that were handed in
	Digest string   // of what was handed in
	Notes  []string // what its submitter should know of how it was taken
}

// Take lays a submission out below to, a folder that does not exist yet and
// that the caller removes, also after a refusal.
func (i *Intake) Take(from, to string) (Submission, error) {
	digest, err := i.Digest(from)
	taken := Submission{Dir: to, Digest: digest}
	if err != nil {
		return taken, err
	}
	err = os.Mkdir(to, 0o700)
	if err != nil {
		return taken, noRoom(err)
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return taken, noRoom(err)
	}
	defer root.Close()
	l := &layout{Intake: i, root: root, strays: map[string][]string{}}
	if info, err := os.Stat(from); err == nil && info.IsDir() {
		strays, err := l.directory(from)
		taken.Notes = i.notes(strays)
		return taken, err
	}
	if err := l.archive(from); err != nil {
		return taken, err
	}
	chosen, err := i.choose(l.around)
	taken.Dir, taken.Notes = filepath.Join(to, l.folderOf(chosen)), i.notes(l.strays[chosen])
	return taken, err
}

// notes says of lab folders that the course does not have that they were left
// aside.
func (i *Intake) notes(strays []string) []string {
	if len(strays) == 0 {
		return nil
	}
	slices.Sort(strays)
	if more := len(strays) - maxStrays; more > 0 {
		strays = append(strays[:maxStrays], fmt.Sprintf("%d more", more))
	}
	were := "was"
	if len(strays) > 1 {
		were = "were"
	}
	return []string{fmt.Sprintf("%s %s left aside: this course has %s", listed(strays), were, Folders(i.course.Labs))}
}

// archive takes an archive in. Its first bytes tell its format: names lie.
func (l *layout) archive(from string) error {
	file, err := os.Open(from)
	if err != nil {
		return notThere(from, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return notThere(from, err)
	}
	l.room = max(freeBytes, min(maxTotal, maxRatio*info.Size()))
	head := make([]byte, 4)
	n, _ := io.ReadFull(file, head)
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte("PK")):
		return l.zip(file, info.Size())
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return l.tarGz(file)
	case n == 0:
		return refuse("the archive is empty: 0 bytes; pack %s into a .zip or .tar.gz and hand that in", l.labs)
	}
	return refuse("it is neither a directory, nor a .zip, nor a .tar.gz; pack it with: zip -r work.zip %s", strings.Join(l.folders, " "))
}

// IsArchive reports whether a file is, by its name, meant to be a submission.
func IsArchive(name string) bool {
	for _, end := range []string{".zip", ".tar.gz", ".tgz"} {
		if len(name) > len(end) && strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

func notThere(from string, err error) error {
	return next.Errorf("name a directory, a .zip or a .tar.gz that you can read with SUBMISSION=", "opening submission %q: %w", filepath.Base(from), err)
}

func noRoom(err error) error {
	return next.Errorf("free some disk space", "laying out the submission: %w", err)
}
