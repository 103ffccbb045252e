// Package bundle writes what rolecall needs on a machine without a network into
// a folder that is copied or served, checks such a folder, and installs what is
// in it. Nothing is used before its SHA-256 has been compared with the one in
// the folder's index, and nothing in the index or in an archive can name a file
// outside the folder that it belongs in. The index itself is not signed: a
// bundle is as good as the medium or the network that it came by.
package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"

	"rolecall/harness/next"
)

// IndexFile is the file of a bundle that says what else there is. It is written
// last: without it there is no bundle.
const IndexFile = "bundle.json"

const (
	format = 1
	// maxFile is how long a file on FAT32 can be, in bytes.
	maxFile = 4<<30 - 1
	// Bounds for an index that somebody else may have written.
	maxIndex  = 1 << 20  // bytes of it
	maxFiles  = 100      // files, and pieces of a file
	maxBundle = 64 << 30 // bytes of all files
)

// ErrNone says that there is no bundle.
var ErrNone = errors.New("there is no " + IndexFile)

// Index says what a bundle holds.
type Index struct {
	Format   int    `json:"format"`
	Rolecall string `json:"rolecall"` // the version that wrote it
	Files    []File `json:"files"`
}

// File is something that a bundle holds, in one piece or several.
type File struct {
	Name    string  `json:"name"`
	Content Content `json:"content"`
	For     string  `json:"for"` // what it is for, a sentence for people
	OS      string  `json:"os,omitempty"`
	Arch    string  `json:"arch"`
	Image   string  `json:"image,omitempty"` // the node image's name
	Size    int64   `json:"size"`            // bytes of all pieces
	SHA256  string  `json:"sha256"`          // of all pieces, one behind the other
	Pieces  []Piece `json:"pieces"`
}

// Piece is a file in a bundle's folder. Where a File has one piece, it has the
// File's name; of several, each has a number behind it.
type Piece struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Content is what a File is.
type Content string

// What a bundle can hold.
const (
	Program   Content = "rolecall"  // rolecall itself
	Go        Content = "go"        // a Go toolchain, for learners' programs
	NodeImage Content = "kind-node" // what kind's node is started from
)

// name is the one name that a file of its content, system and architecture can
// have.
func (f File) name() string {
	switch f.Content {
	case Program:
		return "rolecall-" + f.OS + "-" + f.Arch
	case Go:
		return "go-" + f.OS + "-" + f.Arch + ".tar.zst"
	default:
		return "kind-node-" + f.Arch + ".tar.zst"
	}
}

// pieceName is the name of piece i of n.
func pieceName(file string, i, n int) string {
	if n == 1 {
		return file
	}
	return fmt.Sprintf("%s.%03d", file, i)
}

// Find returns the file of that content for a system and an architecture, as
// GOOS and GOARCH; the system of a node image is "".
func (x Index) Find(content Content, goos, goarch string) (File, bool) {
	for _, f := range x.Files {
		if f.Content == content && f.OS == goos && f.Arch == goarch {
			return f, true
		}
	}
	return File{}, false
}

// pieces are all pieces of all files.
func (x Index) pieces() (all []Piece) {
	for _, f := range x.Files {
		all = append(all, f.Pieces...)
	}
	return all
}

// Size is how large all files are, in bytes.
func (x Index) Size() (size int64) {
	for _, f := range x.Files {
		size += f.Size
	}
	return size
}

func (x Index) String() string {
	files := len(x.pieces())
	if files == 1 {
		return fmt.Sprintf("1 file, %s", megabytes(x.Size()))
	}
	return fmt.Sprintf("%d files, %s", files, megabytes(x.Size()))
}

func megabytes(size int64) string { return fmt.Sprintf("%d MB", (size+500_000)/1_000_000) }

// readIndex reads an index and refuses what no rolecall would have written.
func readIndex(from io.Reader) (Index, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxIndex+1))
	if err != nil {
		return Index{}, fmt.Errorf("reading %s: %w", IndexFile, err)
	}
	x, err := parseIndex(text)
	if err != nil {
		return Index{}, fmt.Errorf("reading %s: %w", IndexFile, err)
	}
	return x, nil
}

func parseIndex(text []byte) (x Index, err error) {
	if len(text) > maxIndex {
		return x, fmt.Errorf("it is longer than %d bytes", maxIndex)
	}
	var version struct{ Format int }
	if err := json.Unmarshal(text, &version); err != nil {
		return x, fmt.Errorf("it is no index of a bundle: %w", err)
	}
	if version.Format != format {
		return x, next.Errorf("use the rolecall that is in the bundle", "its format is %d, and this rolecall reads format %d", version.Format, format)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&x); err != nil {
		return x, fmt.Errorf("it is no index of a bundle: %w", err)
	}
	return x, x.check()
}

// What an index may hold; the first two end up in names of files.
var (
	word      = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	digest    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	imageName = regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9._:/@-]{0,255}$`)
)

// check refuses an index that is not as a rolecall writes it.
func (x Index) check() error {
	if len(x.Files) == 0 || len(x.Files) > maxFiles {
		return fmt.Errorf("it lists %d files, and a bundle has 1 to %d", len(x.Files), maxFiles)
	}
	seen := map[string]bool{}
	for _, f := range x.Files {
		if err := f.check(); err != nil {
			return err
		}
		if seen[f.Name] {
			return fmt.Errorf("it lists %s twice", f.Name)
		}
		seen[f.Name] = true
	}
	if x.Size() > maxBundle {
		return fmt.Errorf("its files have %d GB, and a bundle has at most %d", x.Size()/1e9, int64(maxBundle)/1_000_000_000)
	}
	return nil
}

func (f File) check() error {
	switch {
	case f.Content != Program && f.Content != Go && f.Content != NodeImage:
		return fmt.Errorf("it lists %q, whose content %q is unknown", f.Name, f.Content)
	case !word.MatchString(f.Arch), f.Content == NodeImage && f.OS != "", f.Content != NodeImage && !word.MatchString(f.OS), f.Name != f.name():
		return fmt.Errorf("it lists a file %q, which is not the name of a bundle's file", f.Name)
	case f.Content == NodeImage && !imageName.MatchString(f.Image):
		return fmt.Errorf("%s is listed with %q, which is not the name of an image", f.Name, f.Image)
	case !digest.MatchString(f.SHA256):
		return fmt.Errorf("%s is listed without its SHA-256", f.Name)
	case len(f.Pieces) == 0 || len(f.Pieces) > maxFiles:
		return fmt.Errorf("%s is listed in %d pieces, and a file has 1 to %d", f.Name, len(f.Pieces), maxFiles)
	}
	size := int64(0)
	for i, p := range f.Pieces {
		switch {
		case p.Name != pieceName(f.Name, i, len(f.Pieces)):
			return fmt.Errorf("%s is listed with a piece %q, which is not the name of its piece", f.Name, p.Name)
		case p.Size < 1 || p.Size > maxFile:
			return fmt.Errorf("%s is listed with %d bytes, and a file has 1 to %d", p.Name, p.Size, int64(maxFile))
		case !digest.MatchString(p.SHA256):
			return fmt.Errorf("%s is listed without its SHA-256", p.Name)
		case len(f.Pieces) == 1 && p.SHA256 != f.SHA256:
			return fmt.Errorf("%s is listed with two SHA-256", p.Name)
		}
		size += p.Size // at most maxFiles times maxFile
	}
	if size != f.Size {
		return fmt.Errorf("%s is listed with %d bytes, and its pieces have %d", f.Name, f.Size, size)
	}
	return nil
}

// Folder is a bundle in a folder of this machine.
type Folder struct {
	Index
	root *os.Root
}

// Open opens a bundle and reads its index. The error is ErrNone where the
// folder has none.
func Open(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the bundle %s: %w", dir, none(err))
	}
	f := &Folder{root: root}
	if err := f.read(); err != nil {
		root.Close()
		return nil, fmt.Errorf("opening the bundle %s: %w", dir, err)
	}
	return f, nil
}

func (f *Folder) read() error {
	file, err := openRegular(f.root, IndexFile)
	if err != nil {
		return none(err)
	}
	defer file.Close()
	f.Index, err = readIndex(file)
	return err
}

// none says what is missing rather than what a system call said.
func none(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return next.Errorf("name the folder that has "+IndexFile+" in it", "%w", ErrNone)
	}
	return err
}

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Close() }

// errNotRegular says that something is not a plain file: to open a pipe could
// take forever.
var errNotRegular = errors.New("it is no file")

func openRegular(root *os.Root, name string) (*os.File, error) {
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("opening %s: %w", name, errNotRegular)
	}
	return root.Open(name)
}
