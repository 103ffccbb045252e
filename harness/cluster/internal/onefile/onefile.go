// Package onefile is what a release's executable carries beside the command:
// all that an embedded cluster needs, so that nothing has to be compiled,
// downloaded or installed first.
package onefile

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/klauspost/compress/zstd"

	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// Folder is where what is carried is unpacked in rolecall's folder.
const Folder = "onefile"

// The files that are carried, by their names in the archive and in the folder
// that it is unpacked into. There the machine is kubectl by another name, too.
const (
	Machine  = "machine"
	Agent    = "agent"
	LabImage = "lab-image.tar"
)

// Carried reports whether this executable carries anything. One that was built
// from source carries nothing: it compiles what it needs.
func Carried() bool { return archive != "" }

// Unpack returns the folder with what this executable carries. It is unpacked
// the first time, whole or not at all.
func Unpack(ctx context.Context, home string, display *progress.Display) (string, error) {
	folder := filepath.Join(home, Folder, digest)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := unpackOnce(ctx, folder, display); err != nil {
		return "", next.Errorf("free some disk space for "+home+", or name another folder with ROLECALL_HOME=dir", "unpacking the embedded cluster: %w", err)
	}
	return folder, nil
}

// unpackOnce fills the folder. Of several calls at once, in whatever processes,
// one does and the others wait.
func unpackOnce(ctx context.Context, folder string, display *progress.Display) (err error) {
	parent := filepath.Dir(folder)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(parent, "lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return err
	}
	defer lock.Unlock()
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	task := display.Begin("unpacking the embedded cluster", 2*time.Second)
	defer func() { task.End(err) }()
	unfinished := folder + ".new"
	if err := os.RemoveAll(unfinished); err != nil { // a killed call's
		return err
	}
	defer os.RemoveAll(unfinished)
	if err := os.Mkdir(unfinished, 0o755); err != nil {
		return err
	}
	if err := unpack(strings.NewReader(archive), unfinished); err != nil {
		return err
	}
	if err := os.Symlink(Machine, filepath.Join(unfinished, "kubectl")); err != nil {
		return err
	}
	return os.Rename(unfinished, folder)
}

// unpack writes the files of an archive into a folder. Their owner is whoever
// runs rolecall: pods of other users only read them.
func unpack(from io.Reader, folder string) error {
	plain, err := zstd.NewReader(from)
	if err != nil {
		return err
	}
	defer plain.Close()
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for files := tar.NewReader(plain); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := write(root, header.Name, fs.FileMode(header.Mode).Perm(), files); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

func write(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Chmod(mode), file.Close()) // whatever the user's umask is
}
