package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
)

// Digest tells two submissions apart: by the bytes of an archive, or by the
// names and contents of a directory's lab folders. A refusal has one too.
func (i *Intake) Digest(from string) (string, error) {
	info, err := os.Stat(from)
	if err != nil {
		return "", notThere(from, err)
	}
	sum := sha256.New()
	switch {
	case info.IsDir():
		err = i.digestDirectory(sum, from)
	case !info.Mode().IsRegular():
		err = refuse("it is %s; hand in a directory, a .zip or a .tar.gz", special(info.Mode()))
	case info.Size() > maxArchive:
		err = refuse("the archive has %d bytes, and at most %d are taken; hand in %s only", info.Size(), maxArchive, i.labs)
	default:
		err = digestFile(sum, from)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), err
}

func digestFile(sum hash.Hash, from string) error {
	file, err := os.Open(from)
	if err != nil {
		return notThere(from, err)
	}
	defer file.Close()
	_, err = io.Copy(sum, io.LimitReader(file, maxArchive))
	return err
}

func (i *Intake) digestDirectory(sum hash.Hash, from string) error {
	bound := &layout{Intake: i, room: maxTotal}
	_, err := i.each(from, func(root *os.Root, name, to string, mode fs.FileMode) error {
		fmt.Fprintf(sum, "%s %q\n", mode.Type(), to)
		switch {
		case mode.IsDir():
			return nil
		case mode&fs.ModeSymlink != 0:
			target, err := root.Readlink(name)
			fmt.Fprintf(sum, "%q\n", target)
			return err
		}
		file, err := open(root, name)
		if err != nil {
			return err
		}
		defer file.Close()
		content := sha256.New()
		if err := bound.spend(content, file); err != nil {
			return err
		}
		_, err = sum.Write(content.Sum(nil))
		return err
	})
	return err
}
