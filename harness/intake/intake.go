// Package intake takes in what somebody handed in: a directory or an archive, as
// learners and platforms pack them. It finds the labs in it, lays them out in a
// fresh folder and lets nothing out of it, whatever an archive says. Where there
// is one reading of what was handed in, it is taken, and what was assumed is
// noted; where there are two, a person must look.
package intake

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Bounds of a submission. They are far from what a lab needs, and small enough
// for many to be taken in side by side. What is no part of a lab is passed over
// within them.
const (
	maxArchive  = 256 << 20 // bytes of an archive
	maxUnpacked = 256 << 20 // bytes of all that has to be unpacked to get at the labs
	maxTotal    = 64 << 20  // bytes of the labs
	maxRatio    = 100       // bytes out for a byte in, beyond the first freeBytes
	freeBytes   = 4 << 20
	maxEntries  = 50_000 // files and folders
	maxInner    = 20     // archives inside
	maxPlaces   = 200    // that may be a lab's folder
	maxDepth    = 10     // folders in a lab's folder
	maxName     = 200    // bytes of one part of a path
	maxNamed    = 3      // of a kind that a note names
)

// Intake takes in submissions to some labs of a course.
type Intake struct {
	course harness.Course
	wanted []harness.Lab // those that have a folder
	labs   string        // their folders in a sentence
}

// New returns an Intake for labs of a course.
func New(course harness.Course, labs []harness.Lab) *Intake {
	i := &Intake{course: course, labs: Folders(labs)}
	for _, lab := range labs {
		if lab.Number > 0 {
			i.wanted = append(i.wanted, lab)
		}
	}
	return i
}

// Refusal is why a submission cannot be graded as it is. A person must look.
type Refusal struct {
	Reason  string // a sentence without its full stop
	Next    string // what to do about it, a sentence
	Nothing bool   // nothing was handed in
}

func (r *Refusal) Error() string { return r.Reason }

// refuse makes a Refusal from what to do and why.
func refuse(next, format string, args ...any) error {
	return &Refusal{Reason: fmt.Sprintf(format, args...), Next: next}
}

// AsRefusal tells a refusal from an error of ours.
func AsRefusal(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }

// Submission is one that was taken in.
type Submission struct {
	Dir    string   // holds the lab folders that were handed in
	Digest string   // of what was handed in
	Text   string   // digest of the labs' files, white space aside
	Notes  []string // what was assumed, and what was left aside
}

// Take lays a submission out in to, a folder that does not exist yet and that
// the caller removes, also after a refusal.
func (i *Intake) Take(from, to string) (Submission, error) {
	taken := Submission{Dir: to}
	handed, err := i.look(from)
	if handed == nil {
		return taken, err
	}
	defer handed.Close()
	digest, unread := handed.digest()
	taken.Digest = digest
	if err := errors.Join(err, unread); err != nil {
		return taken, err
	}
	taken.Notes, taken.Text = handed.notes, handed.text
	return taken, handed.lay(to)
}

// Digest tells two submissions apart: by the bytes of an archive, or by the
// names and contents of the labs in a directory. A refusal has one too.
func (i *Intake) Digest(from string) (string, error) {
	handed, err := i.look(from)
	if handed == nil {
		return "", err
	}
	defer handed.Close()
	digest, unread := handed.digest()
	return digest, errors.Join(err, unread)
}

// handedIn is a submission that was looked into.
type handedIn struct {
	reading
	*unpacker
	archive *os.File // nil for a directory
}

// look opens a submission and finds the labs in it. With a Refusal comes what
// was handed in, so that it has a digest.
func (i *Intake) look(from string) (*handedIn, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, notThere(from, err)
	}
	scratch, err := os.MkdirTemp("", "rolecall-intake-")
	if err != nil {
		return nil, noRoom(err)
	}
	h := &handedIn{unpacker: &unpacker{scratch: scratch, room: maxUnpacked}}
	name := filepath.Base(from)
	switch {
	case info.IsDir():
		err = h.directory(from)
	case !info.Mode().IsRegular():
		err = refuse(askFor(i.labs), "it is %s", special(info.Mode()))
	default:
		if h.archive, err = os.Open(from); err != nil {
			h.Close()
			return nil, notThere(from, err)
		}
		h.open = append(h.open, h.archive)
		err = h.unpack("", name, h.archive, info.Size())
	}
	if err == nil {
		h.reading, err = i.read(name, h.unpacker)
	}
	if _, refused := AsRefusal(err); err != nil && !refused {
		h.Close()
		return nil, err
	}
	return h, err
}

// labRoom is how many bytes the labs' files may have.
func (h *handedIn) labRoom() int64 {
	if h.archive == nil {
		return maxTotal
	}
	info, err := h.archive.Stat()
	if err != nil {
		return freeBytes
	}
	return max(freeBytes, min(maxTotal, maxRatio*info.Size()))
}

// lay writes the labs' files below a new folder.
func (h *handedIn) lay(to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return noRoom(err)
	}
	root, err := os.OpenRoot(to) // so that no name, however made, leads out of it
	if err != nil {
		return noRoom(err)
	}
	defer root.Close()
	for _, folder := range h.folders {
		if err := root.MkdirAll(folder, 0o755); err != nil {
			return noRoom(err)
		}
	}
	room := h.labRoom()
	for _, file := range h.files {
		if err := root.MkdirAll(path.Dir(file.to), 0o755); err != nil {
			return noRoom(err)
		}
		if file.target != "" {
			if err := root.Symlink(file.target, file.to); err != nil {
				return noRoom(err)
			}
			continue
		}
		if err := write(root, file, &room); err != nil {
			return err
		}
	}
	return nil
}

func write(root *os.Root, file placed, room *int64) error {
	content, err := file.open()
	if err != nil {
		return err
	}
	defer content.Close()
	out, err := root.OpenFile(file.to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return noRoom(err)
	}
	return errors.Join(spend(out, content, room), out.Close())
}

// spend copies what there is room for, and refuses the rest.
func spend(to io.Writer, content io.Reader, room *int64) error {
	n, err := io.Copy(to, io.LimitReader(content, *room+1))
	*room -= n
	var ours *os.PathError // an archive's own errors are of no path
	switch {
	case *room < 0:
		return tooMuch()
	case errors.As(err, &ours):
		return noRoom(err)
	case err != nil:
		return broken(err)
	}
	return nil
}

func tooMuch() error {
	return refuse("Look at it by hand; it may be an attack.", "it unpacks to far more than a submission needs, as a decompression bomb does")
}

// broken is an archive that cannot be read to its end.
func broken(err error) error {
	return refuse("Ask for it again, packed anew.", "the archive is broken (%s)", check.Printable(err.Error(), 200))
}

// askFor is what to do where only the submitter can help.
func askFor(labs string) string {
	return "Ask for one folder, .zip or .tar.gz that holds " + labs + "."
}

func notThere(from string, err error) error {
	return next.Errorf("name a directory, a .zip or a .tar.gz that you can read with SUBMISSION=", "opening submission %q: %w", filepath.Base(from), err)
}

func noRoom(err error) error {
	return next.Errorf("free some disk space", "laying out the submission: %w", err)
}

// shown is a name in a sentence, short and printable, in quotes where it is not
// plain.
func shown(name string) string {
	if len(name) > 80 {
		name = name[:80] + "…"
	}
	if strings.Trim(name, plainLetters) == "" && name != "" {
		return name
	}
	return fmt.Sprintf("%+q", name)
}

const plainLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./"
