package intake

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// directory takes the lab folders of a directory in. A symbolic link stays
// one: checks read through an os.Root, which follows none that leads out, and
// say so of the file in question.
func (l *layout) directory(from string) (strays []string, err error) {
	l.room = maxTotal
	return l.each(from, func(root *os.Root, name, to string, mode fs.FileMode) error {
		switch {
		case mode.IsDir():
			return l.folder(to)
		case mode&fs.ModeSymlink != 0:
			target, err := root.Readlink(name)
			if err == nil {
				err = l.root.Symlink(target, to)
			}
			return err
		}
		file, err := open(root, name)
		if err != nil {
			return err
		}
		defer file.Close()
		return l.file(to, file)
	})
}

// each visits the lab folders of a directory and what is in them, by name in
// the directory and in the submission, in a stable order. It returns the lab
// folders beside them that the course does not have.
func (i *Intake) each(from string, visit func(root *os.Root, name, to string, mode fs.FileMode) error) (strays []string, err error) {
	root, err := os.OpenRoot(from)
	if err != nil {
		return nil, notThere(from, err)
	}
	defer root.Close()
	around, err := i.aroundLabs(root.FS())
	if err != nil {
		return nil, err
	}
	chosen, err := i.choose(around)
	if err != nil {
		return nil, err
	}
	seen := 0
	top := path.Join(".", chosen)
	err = fs.WalkDir(root.FS(), top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(name, err)
		}
		if name == top {
			return nil
		}
		to := name
		if chosen != "" {
			to = name[len(chosen)+1:]
		}
		if path.Dir(to) == "." && !i.wanted(to) {
			if i.stray(to) {
				strays = append(strays, to)
			}
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if seen++; seen > maxEntries {
			return i.tooMany()
		}
		mode := entry.Type()
		if !mode.IsDir() && !mode.IsRegular() && mode&fs.ModeSymlink == 0 { // before anything opens it
			return refuse("%s is %s; put the file itself there", shown(to), special(mode))
		}
		if err := decent(to); err != nil {
			return err
		}
		return visit(root, name, to, mode)
	})
	return strays, err
}

// aroundLabs are the folders that hold lab folders; "" is the top.
func (i *Intake) aroundLabs(dir fs.FS) (around []string, err error) {
	top, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, unreadable(".", err)
	}
	if len(top) > maxEntries {
		return nil, i.tooMany()
	}
	for _, entry := range top {
		if i.wanted(entry.Name()) {
			return []string{""}, nil
		}
	}
	for _, entry := range top {
		if !entry.IsDir() || entry.Name() == macOS {
			continue
		}
		inside, err := fs.ReadDir(dir, entry.Name())
		if err != nil {
			return nil, unreadable(entry.Name(), err)
		}
		for _, e := range inside {
			if i.wanted(e.Name()) {
				around = append(around, entry.Name())
				break
			}
		}
	}
	return around, nil
}

func open(root *os.Root, name string) (*os.File, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	return file, nil
}

func unreadable(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return refuse("%s cannot be read; make it readable with chmod +r", shown(name))
	}
	return fmt.Errorf("reading the submission: %w", err)
}
