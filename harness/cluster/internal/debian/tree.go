package debian

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// maxTree bounds the files that a Tree holds in memory, in bytes.
const maxTree = 512 << 20

// Tree is what some packages install, held in memory, with the paths of a
// system with merged /usr.
type Tree struct {
	arch    string
	entries map[string]*Entry
}

// Entry is one file, folder or link of a Tree.
type Entry struct {
	Header  *tar.Header // its Name is the path in the tree
	Content []byte      // of a file
}

// Plain returns the entry for writing it elsewhere, owned by root and without
// the bits that would give a program another's rights.
func (e *Entry) Plain() (*tar.Header, io.Reader) {
	h := *e.Header
	h.Uid, h.Gid, h.Mode = 0, 0, h.Mode&0o1777
	return &h, bytes.NewReader(e.Content)
}

// Unpack reads packages for arch into a Tree.
func Unpack(arch string, debs []string) (*Tree, error) {
	t := &Tree{arch: arch, entries: map[string]*Entry{}}
	room := int64(maxTree)
	for _, deb := range debs {
		err := Data(deb, func(h *tar.Header, r io.Reader) error {
			if room -= h.Size; room < 0 {
				return fmt.Errorf("the packages unpack to more than %d bytes", maxTree)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			h.Name = Merged(h.Name)
			h.Linkname = mergedLink(h)
			t.entries[h.Name] = &Entry{h, content}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

// mergedLink maps the target of a hard link, which is a path in the tree.
func mergedLink(h *tar.Header) string {
	if h.Typeflag == tar.TypeLink {
		return Merged(h.Linkname)
	}
	return h.Linkname
}

// Entry returns the entry at a path, or nil. It follows no links.
func (t *Tree) Entry(name string) *Entry { return t.entries[Merged(name)] }

// Below returns the paths of all files and links below a folder, sorted.
func (t *Tree) Below(folder string) []string {
	var names []string
	for name, e := range t.entries {
		if strings.HasPrefix(name, Merged(folder)+"/") && e.Header.Typeflag != tar.TypeDir {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Needs returns the paths of the named files and of all that they need to run:
// what links lead to, the loader and the shared libraries. Sorted.
func (t *Tree) Needs(names ...string) ([]string, error) {
	need := map[string]bool{}
	for open := slices.Clone(names); len(open) > 0; open = open[1:] {
		name := Merged(open[0])
		if need[name] {
			continue
		}
		more, err := t.directNeeds(name)
		if err != nil {
			return nil, fmt.Errorf("working out what %s needs to run: %w", name, err)
		}
		need[name] = true
		open = append(open, more...)
	}
	return slices.Sorted(maps.Keys(need)), nil
}

func (t *Tree) directNeeds(name string) ([]string, error) {
	e := t.entries[name]
	switch {
	case e == nil:
		return nil, fmt.Errorf("the packages do not have it")
	case e.Header.Typeflag == tar.TypeSymlink:
		return []string{follow(name, e.Header.Linkname)}, nil
	case e.Header.Typeflag == tar.TypeLink:
		return []string{e.Header.Linkname}, nil
	case !bytes.HasPrefix(e.Content, []byte(elf.ELFMAG)):
		return nil, nil
	}
	f, err := elf.NewFile(bytes.NewReader(e.Content))
	if err != nil {
		return nil, err
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	var more []string
	for _, l := range libraries {
		file, err := t.library(l)
		if err != nil {
			return nil, err
		}
		more = append(more, file)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			loader, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
			if err != nil {
				return nil, err
			}
			more = append(more, follow("", strings.TrimRight(string(loader), "\x00")))
		}
	}
	return more, nil
}

// library finds a shared library where Debian's loader looks.
func (t *Tree) library(name string) (string, error) {
	for _, dir := range []string{"usr/lib/" + Triplet(t.arch), "usr/lib"} {
		if p := path.Join(dir, name); t.entries[p] != nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("the packages do not have the library %s", name)
}

// Triplet is the name of the folder that Debian keeps libraries of an
// architecture in.
func Triplet(arch string) string {
	if arch == "arm64" {
		return "aarch64-linux-gnu"
	}
	return "x86_64-linux-gnu"
}

// follow returns where a symbolic link at name leads to.
func follow(name, target string) string {
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(name), target)
	}
	return Merged(strings.TrimPrefix(path.Clean("/"+target), "/"))
}
