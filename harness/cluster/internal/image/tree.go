package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// Epoch is the time of every file in our archives, so that equal content
// gives equal bytes.
var Epoch = time.Unix(1700000000, 0).UTC()

// Tree writes the files of a layer. Names are slash-separated and relative to
// the root. Folders that were not named before come before what is in them,
// with mode 0755. All belong to root.
type Tree struct {
	w     *tar.Writer
	known map[string]bool
}

// NewTree returns a Tree that writes a tar file to w.
func NewTree(w io.Writer) *Tree {
	return &Tree{w: tar.NewWriter(w), known: map[string]bool{".": true}}
}

// File adds a file.
func (t *Tree) File(name string, mode fs.FileMode, content []byte) error {
	return t.Copy(name, mode, int64(len(content)), bytes.NewReader(content))
}

// FromDisk adds the file at a path of the host.
func (t *Tree) FromDisk(name string, mode fs.FileMode, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return t.Copy(name, mode, info.Size(), f)
}

// Copy adds a file of size bytes that are read from r.
func (t *Tree) Copy(name string, mode fs.FileMode, size int64, r io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: tarMode(mode)}
	if err := t.Entry(h, r); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// Dir adds a folder.
func (t *Tree) Dir(name string, mode fs.FileMode) error {
	return t.Entry(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: tarMode(mode)}, nil)
}

// Link adds a symbolic link.
func (t *Tree) Link(name, target string) error {
	return t.Entry(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

// HardLink adds another name of a file that was added before. The mode is the
// file's: container runtimes set it again.
func (t *Tree) HardLink(name, file string, mode fs.FileMode) error {
	return t.Entry(&tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: file, Mode: tarMode(mode)}, nil)
}

// Entry adds an entry as another archive has it, with our time. A folder that
// is there already is skipped.
func (t *Tree) Entry(h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	if h.Typeflag == tar.TypeDir && t.known[name] {
		return nil
	}
	if parent := path.Dir(name); !t.known[parent] {
		if err := t.Dir(parent, 0o755); err != nil {
			return err
		}
	}
	t.known[name] = true

	out := &tar.Header{
		Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode,
		Uid: h.Uid, Gid: h.Gid, ModTime: Epoch,
	}
	if h.Typeflag == tar.TypeDir {
		out.Name += "/"
	}
	if err := t.w.WriteHeader(out); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeReg {
		if _, err := io.CopyN(t.w, r, h.Size); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the tar file.
func (t *Tree) Close() error { return t.w.Close() }

// tarMode keeps the bits beyond permissions, which tar numbers as Unix does.
func tarMode(m fs.FileMode) int64 {
	mode := int64(m.Perm())
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	return mode
}
