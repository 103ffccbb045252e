// Package corpus makes a class of submissions whose grades are known, for tests
// of grading: right, wrong, broken and hostile ones, in the shapes that
// submissions come in.
package corpus

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall/labs"
	"rolecall/steps"
)

// HandedIn is a submission whose grade is known.
type HandedIn struct {
	Name      string   // in the folder of submissions
	Points    int      // of 100
	NotPassed []string // checks that do not pass, the story's aside
	Refused   bool     // it is not taken in: every check fails
}

// LayOut lays out a class: submissions that are right, wrong, broken and
// hostile, as directories, zips and tar.gzs. Every broken and hostile one is
// among them, and of the others as many, evenly chosen, as make size. They stand in the order of the names of broken, hostile,
// wrong and right ones, and are the same at each call.
func LayOut(t testing.TB, dir string, size int) []HandedIn {
	t.Helper()
	class := append(broken(t, dir), hostile(t, dir)...)
	var cases []labs.Case
	for _, number := range append(labs.Numbers, 0) {
		for _, kind := range []string{"wrong", "right"} {
			some, err := labs.Cases(number, kind)
			require.NoError(t, err)
			cases = append(cases, slices.DeleteFunc(some, needsToken)...)
		}
	}
	cases = append(cases, labs.Case{Name: "solution"}) // nothing is changed
	many := max(0, min(size-len(class), len(cases)))
	for i := range many {
		c := cases[i*len(cases)/many]
		files := laidOut(t, func(dir string) error { return c.Write(dir, "") })
		name := fmt.Sprintf("%s-%s", folder(c.Lab), c.Name)
		var failed []string
		if c.Fails != "" {
			failed = []string{c.Fails}
		}
		class = append(class, graded(handIn(t, dir, name, i, files), failed))
	}
	return class
}

// needsToken is a case that is made for one cluster.
func needsToken(c labs.Case) bool {
	return slices.ContainsFunc(c.Files, func(f labs.File) bool { return bytes.Contains(f.Data, []byte("@@TOKEN@@")) })
}

// graded is what becomes of a submission of which some checks fail: those that
// need them are skipped, all others pass.
func graded(name string, failed []string) HandedIn {
	h := HandedIn{Name: name, Points: 100}
	lost := map[string]bool{}
	for _, id := range failed {
		lost[id] = true
	}
	for _, step := range steps.All() {
		for _, c := range step.Checks {
			lost[c.ID] = lost[c.ID] || slices.ContainsFunc(c.Needs, func(id string) bool { return lost[id] })
			if lost[c.ID] && step.Lab > 0 {
				h.Points -= c.Points
				h.NotPassed = append(h.NotPassed, c.ID)
			}
		}
	}
	return h
}

// folder is a lab's folder in a submission; the walkthrough has none.
func folder(number int) string {
	if number == 0 {
		return "walkthrough"
	}
	return fmt.Sprintf("lab-%d", number)
}

// checksOf are the ids of a lab's checks.
func checksOf(number int) (ids []string) {
	step, _ := steps.Lab(number)
	for _, c := range step.Checks {
		ids = append(ids, c.ID)
	}
	return ids
}

// laidOut are the files of a submission by name.
func laidOut(t testing.TB, lay func(dir string) error) map[string]string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, lay(dir))
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		relative, _ := filepath.Rel(dir, name)
		files[filepath.ToSlash(relative)] = string(text)
		return err
	}))
	return files
}

// handIn stores files as one of the shapes that submissions come in.
func handIn(t testing.TB, dir, name string, shape int, files map[string]string) string {
	t.Helper()
	switch shape % 4 {
	case 1:
		name += ".zip"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), zipped(t, "", files), 0o644))
	case 2:
		name += ".tar.gz"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), tarred(t, files), 0o644))
	case 3:
		name += ".zip"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), zipped(t, "my work/", files), 0o644))
	default:
		for file, text := range files {
			to := filepath.Join(dir, name, filepath.FromSlash(file))
			require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
			require.NoError(t, os.WriteFile(to, []byte(text), 0o644))
		}
	}
	return name
}

func zipped(t testing.TB, wrapper string, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(wrapper + name)
		require.NoError(t, err)
		_, err = io.WriteString(f, files[name])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func tarred(t testing.TB, files map[string]string, others ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	w := tar.NewWriter(packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}))
		_, err := io.WriteString(w, files[name])
		require.NoError(t, err)
	}
	for _, other := range others {
		require.NoError(t, w.WriteHeader(&other))
		_, err := io.CopyN(w, zeros{}, other.Size)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, packed.Close())
	return out.Bytes()
}

// zeros is a file without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// broken are submissions that went wrong on their way, or are not complete.
func broken(t testing.TB, dir string) (class []HandedIn) {
	solution := laidOut(t, labs.Solutions)
	whole := zipped(t, "", solution)
	for name, archive := range map[string][]byte{
		"broken-cut-short.zip":        whole[:len(whole)/2],
		"broken-empty.zip":            {},
		"broken-nothing-inside.zip":   zipped(t, "", nil),
		"broken-word-document.zip":    []byte("PK\x03\x04 is what it begins with"),
		"broken-zip-of-a-zip.zip":     zipped(t, "", map[string]string{"work.zip": string(whole)}),
		"broken-no-folders.zip":       zipped(t, "", map[string]string{"pod.yaml": "kind: Pod\n"}),
		"broken-rar.tar.gz":           []byte("Rar!\x1a\x07\x01\x00"),
		"broken-two-of-them.zip":      zipped(t, "", map[string]string{"a/lab-1/pod.yaml": "x", "b/lab-1/pod.yaml": "y"}),
		"broken-tar-cut-short.tar.gz": tarred(t, solution)[:500],
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), archive, 0o644))
		class = append(class, HandedIn{Name: name, Refused: true})
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "broken-empty-folder"), 0o755))
	class = append(class, HandedIn{Name: "broken-empty-folder", Refused: true})
	for _, number := range labs.Numbers {
		files := maps.Clone(solution)
		maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(name, folder(number)+"/") })
		class = append(class, graded(handIn(t, dir, "without-"+folder(number), number, files), checksOf(number)))
	}
	for name, change := range map[string]struct {
		file, text string
		fails      string
	}{
		"broken-binary-pod":  {"lab-1/pod.yaml", "\x7fELF\x00", "pod.manifest"},
		"broken-two-answers": {"lab-2/call.go", "package main\n\nfunc main() {}\n", "token.runs"},
		"broken-not-yaml":    {"lab-4/rolebinding.yaml", "{{{", "rolebinding.manifest"},
	} {
		files := maps.Clone(solution)
		files[change.file] = change.text
		class = append(class, graded(handIn(t, dir, name, 2, files), []string{change.fails}))
	}
	slices.SortFunc(class, func(a, b HandedIn) int { return strings.Compare(a.Name, b.Name) })
	return class
}
