package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"rolecall/harness/progress"
)

// Verify reads all of a bundle and returns a sentence about each file that is
// missing or damaged.
func (f *Folder) Verify(ctx context.Context, display *progress.Display) (problems []string, err error) {
	task := display.Begin("reading the bundle", 0)
	defer func() { task.End(err) }()
	read := int64(0)
	heard := func(n int64) { read += n; task.Update(megabytes(read) + " of " + megabytes(f.Size())) }
	for _, file := range f.Files {
		problems = append(problems, f.problems(ctx, file, heard)...)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return problems, nil
}

// Sizes returns a sentence about each file that is missing or has another size
// than the index says.
func (f *Folder) Sizes() (problems []string) {
	for _, p := range f.pieces() {
		if problem := sizeProblem(f.root, p); problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems
}

// problems are what is wrong with a file's pieces, a sentence each.
func (f *Folder) problems(ctx context.Context, file File, heard func(int64)) (problems []string) {
	whole := sha256.New()
	for _, p := range file.Pieces {
		if problem := f.pieceProblem(ctx, p, whole, heard); problem != "" {
			problems = append(problems, problem)
		}
	}
	if len(problems) == 0 && hex.EncodeToString(whole.Sum(nil)) != file.SHA256 {
		problems = append(problems, file.Name+" is damaged: each of its pieces is as "+IndexFile+" says, and all of them together are not")
	}
	return problems
}

func (f *Folder) pieceProblem(ctx context.Context, p Piece, whole hash.Hash, heard func(int64)) string {
	if problem := sizeProblem(f.root, p); problem != "" {
		return problem
	}
	sum := sha256.New()
	file, err := openRegular(f.root, p.Name)
	if err == nil {
		_, err = io.Copy(io.MultiWriter(sum, whole, hearing(heard)), stoppable{ctx, file})
		file.Close()
	}
	switch {
	case err != nil:
		return fmt.Sprintf("%s cannot be read: %v", p.Name, err)
	case hex.EncodeToString(sum.Sum(nil)) != p.SHA256:
		return p.Name + " is damaged: it has the right size, and another SHA-256 than " + IndexFile + " says"
	}
	return ""
}

func sizeProblem(root *os.Root, p Piece) string {
	info, err := root.Lstat(p.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p.Name + " is missing"
	case err != nil:
		return fmt.Sprintf("%s cannot be read: %v", p.Name, err)
	case !info.Mode().IsRegular():
		return p.Name + " is no file"
	case info.Size() < p.Size:
		return fmt.Sprintf("%s is too short: it has %d of %d bytes", p.Name, info.Size(), p.Size)
	case info.Size() > p.Size:
		return fmt.Sprintf("%s is too long: it has %d bytes instead of %d", p.Name, info.Size(), p.Size)
	}
	return ""
}

// hearing is a writer that only tells how much was written.
type hearing func(int64)

func (h hearing) Write(p []byte) (int, error) {
	h(int64(len(p)))
	return len(p), nil
}

// stoppable is a reader that ends with a context.
type stoppable struct {
	ctx  context.Context
	from io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.from.Read(p)
}
