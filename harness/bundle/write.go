package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2/maybe"
)

// unfinished begins the name of a file that is being written.
const unfinished = ".rolecall-unfinished-"

// writer writes a bundle into a folder. What was there before stays until all
// of the new one is written.
type writer struct {
	dir   string
	root  *os.Root
	limit int64 // bytes of a piece
	files []File
}

func newWriter(dir string, limit int64) (*writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	w := &writer{dir: dir, root: root, limit: limit}
	return w, w.removeUnfinished() // of a call that was killed
}

// close gives up what was not committed.
func (w *writer) close() error { return errors.Join(w.removeUnfinished(), w.root.Close()) }

func (w *writer) removeUnfinished() error {
	entries, err := os.ReadDir(w.dir)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), unfinished) {
			err = errors.Join(err, w.root.Remove(entry.Name()))
		}
	}
	return err
}

// add adds a file; fill writes what is in it.
func (w *writer) add(ctx context.Context, f File, fill func(io.Writer) error) error {
	f.Name = f.name()
	s := &splitter{ctx: ctx, root: w.root, name: f.Name, limit: w.limit, whole: sha256.New()}
	err := fill(s)
	if err = errors.Join(err, s.end()); err != nil {
		return err
	}
	f.SHA256 = hex.EncodeToString(s.whole.Sum(nil))
	for i, p := range s.pieces {
		f.Size += p.Size
		p.Name = pieceName(f.Name, i, len(s.pieces))
		f.Pieces = append(f.Pieces, p)
	}
	w.files = append(w.files, f)
	return nil
}

// commit makes what was added the bundle of the folder, instead of one that was
// there before. In between there is none.
func (w *writer) commit(rolecall string) (Index, error) {
	x := Index{Format: format, Rolecall: rolecall, Files: w.files}
	if err := x.check(); err != nil {
		return x, err
	}
	text, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return x, err
	}
	if err := w.removeOld(); err != nil {
		return x, err
	}
	for _, f := range w.files {
		for i, p := range f.Pieces {
			if err := w.root.Rename(unfinishedPiece(f.Name, i), p.Name); err != nil {
				return x, err
			}
		}
	}
	return x, maybe.WriteFile(filepath.Join(w.dir, IndexFile), append(text, '\n'), 0o644)
}

// removeOld removes an earlier bundle: its index first, and then what that
// lists and nothing else, since the folder may have other files.
func (w *writer) removeOld() error {
	old, err := Open(w.dir)
	if err == nil {
		defer old.Close()
	}
	if err := w.root.Remove(IndexFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil { // there was none, or none of ours
		return nil
	}
	for _, p := range old.pieces() {
		if err := w.root.Remove(p.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func unfinishedPiece(file string, i int) string { return fmt.Sprintf("%s%s.%03d", unfinished, file, i) }

// splitter writes a stream into pieces until its context ends.
type splitter struct {
	ctx    context.Context
	root   *os.Root
	name   string
	limit  int64
	whole  hash.Hash
	pieces []Piece

	file  *os.File // the last piece; nil if none is open
	piece hash.Hash
}

func (s *splitter) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		if s.ctx.Err() != nil {
			return written, context.Cause(s.ctx)
		}
		if s.file == nil {
			if err := s.begin(); err != nil {
				return written, err
			}
		}
		last := &s.pieces[len(s.pieces)-1]
		n, err := s.file.Write(p[:min(int64(len(p)), s.limit-last.Size)])
		s.whole.Write(p[:n])
		s.piece.Write(p[:n])
		last.Size += int64(n)
		written, p = written+n, p[n:]
		if err == nil && last.Size == s.limit {
			err = s.end()
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (s *splitter) begin() (err error) {
	if len(s.pieces) == maxFiles {
		return fmt.Errorf("%s is too large: a file has at most %d pieces of %d bytes", s.name, maxFiles, s.limit)
	}
	s.file, err = s.root.OpenFile(unfinishedPiece(s.name, len(s.pieces)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	s.pieces, s.piece = append(s.pieces, Piece{}), sha256.New()
	return err
}

// end completes the last piece. The medium may be pulled out as soon as the
// index is there, so the piece must have reached it.
func (s *splitter) end() error {
	if s.file == nil {
		return nil
	}
	s.pieces[len(s.pieces)-1].SHA256 = hex.EncodeToString(s.piece.Sum(nil))
	err := errors.Join(s.file.Sync(), s.file.Close())
	s.file = nil
	return err
}
