package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Times of files in archives. Go deletes from its cache what was not used for
// five days; what is from the future it keeps, and what lies unused on a shelf
// until the course begins is kept so. No file system here counts further than
// to January 2038 at the least.
var (
	past   = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	future = time.Date(2038, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// entry is a file of an archive.
type entry struct {
	name       string // with slashes
	file       string // where it is
	executable bool
	at         time.Time
	edit       func([]byte) []byte // may be nil
}

// tree lists the files below a folder that are wanted, under names below a
// prefix. A symbolic link counts as the file that it leads to.
func tree(prefix, folder string, wanted func(name string) bool) (all []entry, err error) {
	if folder, err = filepath.EvalSymlinks(folder); err != nil { // some systems spread Go over several folders
		return nil, err
	}
	err = filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case d.IsDir() && name != "." && !wanted(name+"/"):
			return fs.SkipDir
		case d.IsDir() || !wanted(name):
			return nil
		}
		all = append(all, entry{name: path.Join(prefix, name), file: file, at: past})
		return nil
	})
	return all, err
}

// writeArchive writes a tar archive, compressed with zstd, that depends on
// names and contents of its files and on nothing else. done hears how many
// bytes were read.
func writeArchive(to io.Writer, entries []entry, done func(int64)) error {
	compressed, err := compress(to)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	total := int64(0)
	for _, e := range entries {
		size, err := e.write(archive)
		if err != nil {
			compressed.Close()
			return fmt.Errorf("adding %s: %w", e.name, err)
		}
		total += size
		done(total)
	}
	return errors.Join(archive.Close(), compressed.Close())
}

func (e entry) write(to *tar.Writer) (size int64, err error) {
	text, err := os.ReadFile(e.file)
	if err != nil {
		return 0, err
	}
	if e.edit != nil {
		text = e.edit(text)
	}
	mode := int64(0o644)
	if e.executable {
		mode = 0o755
	}
	size = int64(len(text))
	err = to.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: mode, Size: size, ModTime: e.at, Format: tar.FormatPAX})
	if err == nil {
		_, err = io.Copy(to, bytes.NewReader(text))
	}
	return size, err
}

// compress compresses what a bundle holds as NAME.zst.
func compress(to io.Writer) (*zstd.Encoder, error) {
	return zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
}

// decompress is the other way, with a bound on memory.
func decompress(from io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(from, zstd.WithDecoderMaxWindow(maxWindow))
}

// Bounds for an archive that somebody else may have written.
const (
	maxUnpacked = 8 << 30   // bytes
	maxEntries  = 1_000_000 // files
	maxWindow   = 64 << 20  // bytes that unpacking holds in memory
)

// unpack unpacks an archive into an empty folder. It takes files alone, each
// once, and nothing that would be outside the folder.
func unpack(from io.Reader, into *os.Root, done func(int64)) error {
	plain, err := decompress(from)
	if err != nil {
		return err
	}
	defer plain.Close()
	archive := tar.NewReader(plain)
	total := int64(0)
	for n := 0; ; n++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, io.LimitReader(plain, 1<<20)) // what fills its last block up
			return err
		}
		if err != nil {
			return err
		}
		if total += header.Size; n >= maxEntries || total > maxUnpacked {
			return errors.New("the archive holds more than any of ours")
		}
		if err := unpackEntry(archive, header, into); err != nil {
			return fmt.Errorf("unpacking %q: %w", header.Name, err)
		}
		done(total)
	}
}

func unpackEntry(archive io.Reader, header *tar.Header, into *os.Root) error {
	name := filepath.FromSlash(header.Name)
	switch {
	case header.Typeflag != tar.TypeReg:
		return errors.New("it is no plain file")
	case !filepath.IsLocal(name) || path.Clean(header.Name) != header.Name:
		return errors.New("its name leads out of the folder")
	}
	mode := fs.FileMode(0o644)
	if header.Mode&0o100 != 0 {
		mode = 0o755
	}
	if err := into.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := into.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, archive)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return into.Chtimes(name, header.ModTime, header.ModTime)
}
