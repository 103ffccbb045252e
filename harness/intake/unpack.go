package intake

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// entry is a file or folder of what was handed in.
type entry struct {
	name   string // from the top, with slashes; of one in an archive inside, below the archive's name
	dir    bool
	size   int64                           // in bytes, as the archive has it
	target string                          // of a symbolic link in a directory
	odd    string                          // what it is, where it cannot be taken
	open   func() (io.ReadCloser, error)   // of a file that can be taken
	packed func() (*os.File, int64, error) // of a file that may be an archive: its bytes at random
}

// unpacker lists what was handed in. What it has to decompress on the way goes
// into files in scratch.
type unpacker struct {
	entries []entry
	scratch string
	room    int64 // bytes that may still be decompressed
	open    []io.Closer
}

// Close releases what was opened and unpacked.
func (u *unpacker) Close() error {
	var errs []error
	for _, c := range u.open {
		errs = append(errs, c.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(u.scratch))...)
}

// add takes note of an entry.
func (u *unpacker) add(e entry) error {
	if len(u.entries) >= maxEntries {
		return refuse("Remove what is no part of a lab and grade it again.", "it holds more than %d files and folders", maxEntries)
	}
	u.entries = append(u.entries, e)
	return nil
}

// unpack lists an archive whose first bytes tell its format. Its entries go
// below a folder of that name.
func (u *unpacker) unpack(below, name string, archive io.ReaderAt, size int64) error {
	if size > maxArchive {
		return refuse("Unpack it into a folder of the same name and grade that.", "the archive has %d bytes, and at most %d are opened", size, maxArchive)
	}
	head := make([]byte, headSize)
	n, _ := archive.ReadAt(head, 0)
	switch kind := kindOf(head[:n]); kind {
	case "zip":
		return u.zip(below, archive, size)
	case "tar":
		return u.tar(below, io.NewSectionReader(archive, 0, size))
	case "gzip", "bzip2", "xz":
		spooled, err := u.spool(func() (io.Reader, error) { return decompress(kind, io.NewSectionReader(archive, 0, size)) }, size)
		if err != nil {
			return err
		}
		return u.tar(below, spooled)
	case "":
		if n == 0 {
			return refuse("Ask for it again: the upload may have failed.", "it is empty: 0 bytes")
		}
		return refuse("Put it into a folder of its own in the way that the labs ask for, or ask for that.", "it is neither a directory, nor a .zip, nor a .tar.gz")
	default:
		return refuse("Unpack it by hand into a folder of the same name, or ask for a .zip.", "it is %s, which is not opened here", kind)
	}
}

// spool decompresses a stream into a file.
func (u *unpacker) spool(stream func() (io.Reader, error), size int64) (*os.File, error) {
	file, err := os.CreateTemp(u.scratch, "unpacked-")
	if err != nil {
		return nil, noRoom(err)
	}
	u.open = append(u.open, file)
	content, err := stream()
	if err != nil {
		return nil, broken(err)
	}
	room := min(u.room, max(freeBytes, maxRatio*size))
	before := room
	err = spend(file, content, &room)
	u.room -= before - max(room, 0)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	return file, err
}

// outside refuses a name that would lead out of where it is unpacked.
func outside(name string) error {
	if strings.HasPrefix(name, "/") || len(name) > 1 && name[1] == ':' || slices.Contains(strings.Split(name, "/"), "..") {
		return refuse("Look at it by hand; it may be an attack.", "it holds %s, whose name leads out of the submission", shown(name))
	}
	return nil
}

// encrypted is bit 0 of a zip entry's flags.
const encrypted = 1

// zip lists a zip archive.
func (u *unpacker) zip(below string, file io.ReaderAt, size int64) error {
	directory := &metered{file, maxDirectory}
	archive, err := zip.NewReader(directory, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are looked at one by one
		return broken(err)
	}
	directory.room = int64(^uint64(0) >> 1)
	for _, file := range archive.File {
		name := strings.ReplaceAll(file.Name, `\`, "/") // as old Windows packers write it
		if err := outside(name); err != nil {
			return err
		}
		mode := file.Mode()
		e := entry{name: path.Join(below, name), dir: strings.HasSuffix(name, "/") || mode.IsDir(), size: int64(min(file.UncompressedSize64, 1<<62))}
		switch {
		case e.dir:
		case !mode.IsRegular():
			e.odd = special(mode)
		case file.Flags&encrypted != 0:
			e.odd = "encrypted with a password"
		default:
			e.open = func() (io.ReadCloser, error) {
				content, err := file.Open()
				if err != nil {
					return nil, broken(err)
				}
				return content, nil
			}
			e.packed = func() (*os.File, int64, error) {
				inner, err := u.spool(func() (io.Reader, error) { return file.Open() }, size)
				return inner, e.size, err
			}
		}
		if err := u.add(e); err != nil {
			return err
		}
	}
	return nil
}

// maxDirectory bounds, in bytes, the list of files at the end of a zip, which is
// read into memory.
const maxDirectory = 16 << 20

// metered reads so many bytes and no more.
type metered struct {
	io.ReaderAt
	room int64
}

func (m *metered) ReadAt(p []byte, at int64) (int, error) {
	if m.room -= int64(len(p)); m.room < 0 {
		return 0, fmt.Errorf("its list of files has more than %d bytes", maxDirectory)
	}
	return m.ReaderAt.ReadAt(p, at)
}

// tar lists a tar archive. Its reader takes whole blocks and no more, so that
// the file's offset is where an entry's content begins.
func (u *unpacker) tar(below string, file interface {
	io.ReadSeeker
	io.ReaderAt
}) error {
	archive := tar.NewReader(file)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return broken(err)
		}
		if err := outside(header.Name); err != nil {
			return err
		}
		at, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return noRoom(err)
		}
		e := entry{name: path.Join(below, header.Name), dir: header.Typeflag == tar.TypeDir, size: header.Size}
		content := func() *io.SectionReader { return io.NewSectionReader(file, at, header.Size) }
		switch header.Typeflag {
		case tar.TypeDir:
		case tar.TypeReg:
			e.open = func() (io.ReadCloser, error) { return io.NopCloser(content()), nil }
			e.packed = func() (*os.File, int64, error) {
				inner, err := u.spool(func() (io.Reader, error) { return content(), nil }, header.Size)
				return inner, header.Size, err
			}
		case tar.TypeLink:
			e.odd = "a hard link"
		default:
			e.odd = special(header.FileInfo().Mode())
		}
		if err := u.add(e); err != nil {
			return err
		}
	}
}

// directory lists a directory. A symbolic link stays one: checks read through
// an os.Root, which follows none that leads out, and say so of the file in
// question.
func (u *unpacker) directory(from string) error {
	root, err := os.OpenRoot(from)
	if err != nil {
		return notThere(from, err)
	}
	u.open = append(u.open, root)
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case name == "." && err == nil:
			return nil
		case err != nil && !errors.Is(err, fs.ErrPermission):
			return fmt.Errorf("reading the submission: %w", err)
		case litter(path.Base(name)):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		e := entry{name: name, dir: d.IsDir()}
		switch mode := d.Type(); {
		case err != nil:
			e.dir, e.odd = false, "a folder that cannot be read"
		case mode.IsDir():
		case mode&fs.ModeSymlink != 0:
			if e.target, err = root.Readlink(name); err != nil {
				return fmt.Errorf("reading the submission: %w", err)
			}
		case !mode.IsRegular(): // nothing opens it
			e.odd = special(mode)
		default:
			if info, err := d.Info(); err == nil {
				e.size = info.Size()
			}
			e.open = func() (io.ReadCloser, error) { return openFile(root, name) }
			e.packed = func() (*os.File, int64, error) {
				file, err := openFile(root, name)
				if err == nil {
					u.open = append(u.open, file)
				}
				return file, e.size, err
			}
		}
		return u.add(e)
	})
}

func openFile(root *os.Root, name string) (*os.File, error) {
	file, err := root.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, refuse("Make it readable with chmod -R +r and grade it again.", "%s cannot be read", shown(name))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the submission: %w", err)
	}
	return file, nil
}

// special is what an entry is that is neither file nor folder.
func special(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "not a regular file"
}

// litter is what desktops, editors and tools leave in a folder, by its name.
func litter(name string) bool {
	switch strings.ToLower(name) {
	case "__macosx", ".ds_store", "thumbs.db", "desktop.ini", ".git", "node_modules":
		return true
	}
	return strings.HasPrefix(name, "._")
}
