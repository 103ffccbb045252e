// Package image unpacks the layers of container images.
package image

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Layers are an image's: uncompressed tar archives, the lowest first.
type Layers struct {
	files []*os.File
	// Size is that of all together, in bytes.
	Size int64
}

// Owner says whose a file of the image is. -1, -1: nobody's in particular. nil:
// as the image has it.
type Owner func(uid, gid int, mode uint32) (int, int, uint32)

// HighestID is the last that a pod's user namespace has where it has more than
// one.
const HighestID = 65535

// Open duplicates the descriptors of the layers.
func Open(files []int, size int64) (*Layers, error) {
	layers := &Layers{Size: size}
	for _, file := range files {
		own, err := unix.FcntlInt(uintptr(file), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			layers.Close()
			return nil, err
		}
		layers.files = append(layers.files, os.NewFile(uintptr(own), "layer"))
	}
	return layers, nil
}

// Close closes them.
func (l *Layers) Close() {
	for _, file := range l.files {
		file.Close()
	}
}

// Extract writes the image into "/". The calling thread's root must be the
// container's: whatever paths and links an image holds, they lead nowhere else.
func (l *Layers) Extract(owner Owner) error {
	for _, layer := range l.files {
		reader := tar.NewReader(bufio.NewReaderSize(io.NewSectionReader(layer, 0, l.Size), 128<<10))
		x := extraction{owner: owner, written: map[string]bool{}}
		for {
			header, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("reading a layer: %w", err)
			}
			if err := x.entry(header, reader); err != nil {
				return fmt.Errorf("extracting %s: %w", header.Name, err)
			}
		}
		if err := x.finish(); err != nil {
			return err
		}
	}
	return nil
}

// extraction is that of one layer.
type extraction struct {
	owner   Owner
	written map[string]bool // what this layer made, which its opaque folders do not hide
	folders []*tar.Header
}

// Whiteouts, as the image specification has them:
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

func (x *extraction) entry(header *tar.Header, content io.Reader) error {
	target := path.Clean("/" + header.Name)
	folder, base := path.Split(target)
	if base == opaque {
		return x.hideAll(folder)
	}
	if hidden, ok := strings.CutPrefix(base, whiteout); ok {
		if hidden == "" || hidden == "." || hidden == ".." {
			return errors.New("not a whiteout")
		}
		return os.RemoveAll(folder + hidden)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for made := target; !x.written[made] && made != "/"; made = path.Dir(made) {
		x.written[made] = true
	}
	if target == "/" {
		return x.attributes("/", header)
	}
	if there, err := os.Lstat(target); err == nil && !(there.IsDir() && header.Typeflag == tar.TypeDir) {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
	}
	if err := x.make(target, header, content); err != nil {
		return err
	}
	return x.attributes(target, header)
}

// hideAll removes what lower layers have in a folder.
func (x *extraction) hideAll(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		full := path.Join(folder, entry.Name())
		switch {
		case !x.written[full]:
			err = os.RemoveAll(full)
		case entry.IsDir():
			err = x.hideAll(full)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *extraction) make(target string, header *tar.Header, content io.Reader) error {
	mode := uint32(header.Mode & 0o7777)
	switch header.Typeflag {
	case tar.TypeDir:
		if err := os.Mkdir(target, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		x.folders = append(x.folders, header)
		return nil
	case tar.TypeReg:
		file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	case tar.TypeSymlink:
		return os.Symlink(header.Linkname, target)
	case tar.TypeLink:
		return os.Link(path.Clean("/"+header.Linkname), target)
	case tar.TypeFifo:
		return unix.Mkfifo(target, mode)
	default:
		return nil // Device nodes cannot be made in a user namespace; the container gets its own /dev.
	}
}

// attributes sets owner, mode and time. Folders get their time at the end, when
// nothing changes it any more.
func (x *extraction) attributes(target string, header *tar.Header) error {
	switch header.Typeflag {
	case tar.TypeDir, tar.TypeReg, tar.TypeSymlink, tar.TypeFifo:
	default:
		return nil
	}
	uid, gid, mode := header.Uid, header.Gid, uint32(header.Mode&0o7777)
	known := uid >= 0 && uid <= HighestID && gid >= 0 && gid <= HighestID
	if x.owner != nil {
		uid, gid, mode = x.owner(uid, gid, mode)
	}
	if known && (uid >= 0 || gid >= 0) {
		if err := os.Lchown(target, uid, gid); err != nil {
			return err
		}
	}
	if header.Typeflag == tar.TypeSymlink {
		return setTime(target, header.ModTime)
	}
	if err := unix.Chmod(target, mode); err != nil {
		return err
	}
	return setTime(target, header.ModTime)
}

func (x *extraction) finish() error {
	for _, header := range x.folders {
		target := path.Clean("/" + header.Name)
		if err := setTime(target, header.ModTime); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("extracting %s: %w", header.Name, err)
		}
	}
	return nil
}

func setTime(target string, t time.Time) error {
	times := []unix.Timespec{unix.NsecToTimespec(t.UnixNano()), unix.NsecToTimespec(t.UnixNano())}
	return unix.UtimesNanoAt(unix.AT_FDCWD, target, times, unix.AT_SYMLINK_NOFOLLOW)
}
