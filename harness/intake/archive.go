package intake

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
)

// encrypted is bit 0 of a zip entry's flags.
const encrypted = 1

// zip takes a zip archive in.
func (l *layout) zip(file *os.File, size int64) error {
	archive, err := zip.NewReader(file, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are looked at one by one
		return broken(err)
	}
	for _, entry := range archive.File {
		name := strings.ReplaceAll(entry.Name, `\`, "/") // as old Windows packers write it
		to, err := l.path(name)
		if err != nil {
			return err
		}
		if to == "" {
			continue
		}
		switch mode := entry.Mode(); {
		case strings.HasSuffix(name, "/") || mode.IsDir():
			err = l.folder(to)
		case !mode.IsRegular():
			err = refuse("%s is %s; put the file itself there", shown(name), special(mode))
		case entry.Flags&encrypted != 0:
			err = refuse("%s is encrypted; pack it without a password", shown(name))
		default:
			err = l.zipped(to, entry)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *layout) zipped(to string, entry *zip.File) error {
	content, err := entry.Open()
	if err != nil {
		return broken(err)
	}
	defer content.Close()
	return l.file(to, content)
}

// tarGz takes a compressed tar archive in. What is left aside counts too: it
// has to be unpacked to get past it.
func (l *layout) tarGz(file *os.File) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return broken(err)
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return broken(err)
	}
	archive := tar.NewReader(unpacked)
	for {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return broken(err)
		}
		to, err := l.path(entry.Name)
		if err != nil {
			return err
		}
		switch mode := entry.FileInfo().Mode(); {
		case to == "":
			err = l.spend(io.Discard, archive)
		case entry.Typeflag == tar.TypeDir:
			err = l.folder(to)
		case entry.Typeflag == tar.TypeLink:
			err = refuse("%s is a hard link; pack the file itself", shown(entry.Name))
		case entry.Typeflag != tar.TypeReg:
			err = refuse("%s is %s; put the file itself there", shown(entry.Name), special(mode))
		default:
			err = l.file(to, archive)
		}
		if err != nil {
			return err
		}
	}
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
