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
)

// Refusal is why a submission is not taken. It is the submitter's, and the
// sentence is for them.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

// refuse makes a Refusal.
func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// AsRefusal tells a refusal from an error of ours.
func AsRefusal(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

// Taken is a submission that was taken in.
type Taken struct {
	Dir    string // holds lab-1 to lab-5, or some of them
	Digest string // of what was handed in
}

// Take lays a submission out below to, a folder that does not exist yet and
// that the caller removes, also after a refusal.
func Take(from, to string) (Taken, error) {
	digest, err := Digest(from)
	taken := Taken{Dir: to, Digest: digest}
	if err != nil {
		return taken, err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return taken, fmt.Errorf("making a place for the submission: %w", err)
	}
	place, err := os.OpenRoot(to)
	if err != nil {
		return taken, fmt.Errorf("making a place for the submission: %w", err)
	}
	defer place.Close()
	in := &layout{place: place}
	if info, err := os.Stat(from); err == nil && info.IsDir() {
		return taken, in.directory(from)
	}
	if err := in.archive(from); err != nil {
		return taken, err
	}
	chosen, err := choose(in.around)
	taken.Dir = filepath.Join(to, in.folderOf(chosen))
	return taken, err
}

// archive takes an archive in. Its first bytes tell its kind: names lie.
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
		return refuse("the archive is empty: 0 bytes; pack lab-1 to lab-5 into a .zip or .tar.gz and hand that in")
	}
	return refuse("it is neither a directory, nor a .zip, nor a .tar.gz; pack lab-1 to lab-5 with: zip -r work.zip lab-1 lab-2 lab-3 lab-4 lab-5")
}

// IsArchive tells by its name whether a file is meant to be a submission.
func IsArchive(name string) bool {
	for _, end := range []string{".zip", ".tar.gz", ".tgz"} {
		if len(name) > len(end) && name[len(name)-len(end):] == end {
			return true
		}
	}
	return false
}

func notThere(from string, err error) error {
	return fmt.Errorf("opening submission %q: %w; name a directory, a .zip or a .tar.gz that you may read with SUBMISSION=", filepath.Base(from), err)
}
