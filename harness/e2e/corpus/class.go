package corpus

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rolecall/harness"
)

// HandedIn is a submission whose grade is known.
type HandedIn struct {
	Name      string // in the folder of submissions
	Points    int
	NotPassed []string // checks that do not pass, the story's aside
	Refused   bool     // it cannot be graded as it is: it needs review
}

// class is a folder of submissions in the making. Its first error is kept.
type class struct {
	dir      string
	course   harness.Course
	solution map[string]string
	all      []HandedIn
	err      error
}

// Class writes a class for a course into dir: submissions that are right,
// wrong, broken and hostile, as directories, zips and tar.gzs. It holds every
// broken and hostile one, and an even sample of the rest, size in all; the same
// at each call. folder is the course's.
func Class(dir string, course harness.Course, folder fs.FS, size int) ([]HandedIn, error) {
	course = byDefault(course)
	c := &class{dir: dir, course: course}
	c.solution = c.written(Case{})
	c.broken()
	c.hostile()
	var cases []Case
	labs, err := course.Select("all")
	c.try(err)
	for _, lab := range labs {
		for _, verdict := range []string{Wrong, Right} {
			some, err := Cases(folder, course, lab, verdict)
			c.try(err)
			cases = append(cases, slices.DeleteFunc(some, Case.NeedsToken)...) // those are made for one cluster
		}
	}
	cases = append(cases, Case{Name: "solution"}) // nothing is changed
	many := max(0, min(size-len(c.all), len(cases)))
	for i := range many {
		one := cases[i*len(cases)/many]
		var failed []string
		if one.Fails != "" {
			failed = []string{one.Fails}
		}
		c.add(fmt.Sprintf("%s-%s", one.Lab.Slug, one.Name), i, c.written(one), failed)
	}
	return c.all, c.err
}

// add hands files in. Of those checks fail.
func (c *class) add(name string, shape int, files map[string]string, failed []string) {
	h := graded(c.course, failed)
	h.Name = c.handIn(name, shape, files)
	c.all = append(c.all, h)
}

// refuse hands in something that is not taken in.
func (c *class) refuse(name string, content []byte) {
	c.try(os.WriteFile(filepath.Join(c.dir, name), content, 0o644))
	c.all = append(c.all, HandedIn{Name: name, Refused: true})
}

// takeWhole hands in an archive in which all that the solution has is found.
func (c *class) takeWhole(name string, content []byte) {
	c.try(os.WriteFile(filepath.Join(c.dir, name), content, 0o644))
	h := graded(c.course, nil)
	h.Name = name
	c.all = append(c.all, h)
}

func (c *class) try(err error) { c.err = errors.Join(c.err, err) }

// with are the solution's files with some changed.
func (c *class) with(changes map[string]string) map[string]string {
	files := maps.Clone(c.solution)
	maps.Copy(files, changes)
	return files
}

// byDefault is the course without the labs that are graded only where they are
// named.
func byDefault(course harness.Course) harness.Course {
	part := course.Default()
	course.Labs = slices.DeleteFunc(slices.Clone(course.Labs), func(l harness.Lab) bool { return l.Number < part.First || l.Number > part.Last })
	return course
}

// graded is what becomes of a submission of which some checks fail: those that
// need them are skipped, all others pass.
func graded(course harness.Course, failed []string) (h HandedIn) {
	lost := map[string]bool{}
	for _, id := range failed {
		lost[id] = true
	}
	for _, lab := range byDefault(course).Labs {
		for _, c := range lab.Checks {
			lost[c.ID] = lost[c.ID] || slices.ContainsFunc(c.Needs, func(id string) bool { return lost[id] })
			if lost[c.ID] {
				h.NotPassed = append(h.NotPassed, c.ID)
			} else {
				h.Points += c.Points
			}
		}
	}
	return h
}

// written are the files of a case by name.
func (c *class) written(one Case) map[string]string {
	files := map[string]string{}
	dir, err := os.MkdirTemp("", "rolecall-class-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = one.Write(c.course, dir, "")
	}
	if err == nil {
		err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			relative, _ := filepath.Rel(dir, name)
			files[filepath.ToSlash(relative)] = string(text)
			return err
		})
	}
	c.try(err)
	return files
}

// handIn stores files as one of the shapes that submissions come in.
func (c *class) handIn(name string, shape int, files map[string]string) string {
	switch shape % 4 {
	case 1:
		name += ".zip"
		c.try(os.WriteFile(filepath.Join(c.dir, name), zipped("", files), 0o644))
	case 2:
		name += ".tar.gz"
		c.try(os.WriteFile(filepath.Join(c.dir, name), tarred(files), 0o644))
	case 3:
		name += ".zip"
		c.try(os.WriteFile(filepath.Join(c.dir, name), zipped("my work/", files), 0o644))
	default:
		for file, text := range files {
			to := filepath.Join(c.dir, name, filepath.FromSlash(file))
			c.try(os.MkdirAll(filepath.Dir(to), 0o755))
			c.try(os.WriteFile(to, []byte(text), 0o644))
		}
	}
	return name
}

// zipped is a zip of files. Writing to memory cannot fail.
func zipped(wrapper string, files map[string]string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, _ := w.Create(wrapper + name)
		_, _ = io.WriteString(f, files[name])
	}
	_ = w.Close()
	return out.Bytes()
}

// tarred is a tar.gz of files, and of other entries, which hold zeros.
func tarred(files map[string]string, others ...tar.Header) []byte {
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	w := tar.NewWriter(packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))})
		_, _ = io.WriteString(w, files[name])
	}
	for _, other := range others {
		_ = w.WriteHeader(&other)
		_, _ = io.CopyN(w, zeros{}, other.Size)
	}
	_, _ = w.Close(), packed.Close()
	return out.Bytes()
}

// zeros is a file without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// broken are submissions that went wrong on their way, or are not complete.
func (c *class) broken() {
	whole := zipped("", c.solution)
	first := len(c.all)
	for name, archive := range map[string][]byte{
		"broken-cut-short.zip":        whole[:len(whole)/2],
		"broken-empty.zip":            {},
		"broken-word-document.zip":    []byte("PK\x03\x04 is what it begins with"),
		"broken-no-folders.zip":       zipped("", map[string]string{"call.sh": "curl\n"}),
		"broken-rar.tar.gz":           []byte("Rar!\x1a\x07\x01\x00"),
		"broken-two-of-them.zip":      zipped("", map[string]string{"a/lab-1/pod.yaml": "x", "b/lab-1/pod.yaml": "y"}),
		"broken-tar-cut-short.tar.gz": tarred(c.solution)[:500],
	} {
		c.refuse(name, archive)
	}
	c.takeWhole("zip-of-a-zip.zip", zipped("", map[string]string{"work.zip": string(whole)}))
	for _, lab := range c.course.Labs {
		files := maps.Clone(c.solution)
		maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(name, lab.Folder()+"/") })
		var failed []string
		for _, check := range lab.Checks {
			failed = append(failed, check.ID)
		}
		c.add("without-"+lab.Folder(), lab.Number, files, failed)
	}
	for name, change := range map[string]struct {
		file, text string
		fails      string
	}{
		"broken-binary-pod":  {"lab-1/pod.yaml", "\x7fELF\x00", "pod.manifest"},
		"broken-two-answers": {"lab-2/call.go", "package main\n\nfunc main() {}\n", "token.runs"},
		"broken-not-yaml":    {"lab-4/rolebinding.yaml", "{{{", "rolebinding.manifest"},
	} {
		c.add(name, 2, c.with(map[string]string{change.file: change.text}), []string{change.fails})
	}
	slices.SortFunc(c.all[first:], func(a, b HandedIn) int { return strings.Compare(a.Name, b.Name) })
}
