package intake

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// work are a learner's files, one for each lab.
var work = files{"lab-1/pod.yaml": "pod\n", "lab-2/call.sh": "call\n", "lab-3/call.sh": "call\n", "lab-3/answer.yaml": "answer\n", "lab-4/rolebinding.yaml": "binding\n", "lab-5/list.sh": "list\n"}

// files are what is in a folder or an archive, by name.
type files map[string]string

// in puts files into a folder.
func (f files) in(folder string) files {
	moved := files{}
	for name, text := range f {
		moved[folder+"/"+name] = text
	}
	return moved
}

// with adds files.
func (f files) with(more files) files {
	all := maps.Clone(f)
	maps.Copy(all, more)
	return all
}

// renamed changes the first part of each name.
func (f files) renamed(change func(lab string) string) files {
	all := files{}
	for name, text := range f {
		lab, rest, _ := strings.Cut(name, "/")
		all[change(lab)+"/"+rest] = text
	}
	return all
}

func (f files) sorted() []string { return slices.Sorted(maps.Keys(f)) }

func (f files) zip() string {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range f.sorted() {
		entry, _ := w.Create(name)
		_, _ = io.WriteString(entry, f[name])
	}
	_ = w.Close()
	return out.String()
}

func (f files) tar() string {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range f.sorted() {
		_ = w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f[name]))})
		_, _ = io.WriteString(w, f[name])
	}
	_ = w.Close()
	return out.String()
}

func gz(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.String()
}

func xzed(text string) string {
	var out bytes.Buffer
	w, _ := xz.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.String()
}

// locked is a zip whose entries are encrypted.
func (f files) locked() string {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range f.sorted() {
		entry, _ := w.CreateHeader(&zip.FileHeader{Name: name, Flags: encrypted})
		_, _ = io.WriteString(entry, f[name])
	}
	_ = w.Close()
	return out.String()
}

// bz2 is work as a .tar.bz2; the standard library only reads that format.
var bz2 = func() string {
	text, err := os.ReadFile("testdata/work.tar.bz2.base64")
	if err != nil {
		panic(err)
	}
	packed, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		panic(err)
	}
	return string(packed)
}()

// paxes is a .tar.gz of nothing but headers: little to send, a lot to unpack.
func paxes() string {
	var block bytes.Buffer
	w := tar.NewWriter(&block)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": strings.Repeat("a", 1_000_000)}})
	_ = w.Flush()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	for range 300 {
		_, _ = packed.Write(block.Bytes())
	}
	_ = packed.Close()
	return out.String()
}

// checkout is the course's repository.
var checkout = files{
	"README.md": "", "labs/course.go": "", "harness/grade/list.go": "package grade", "docs/lab-1.md": "",
	"labs/lab-1-pod/README.md": "", "labs/lab-1-pod/starter/pod.yaml": "starter", "labs/lab-1-pod/solution/pod.yaml": "solution",
	"labs/lab-2-token/README.md": "", "labs/lab-2-token/starter/call.sh": "starter",
}

// handIns are what learners hand in, and what becomes of it: the files that are
// taken and what is noted, or why a person must look. The first 23 came from
// platforms.
var handIns = []struct {
	name   string // of the file or folder
	holds  any    // files for a folder, or an archive's bytes
	takes  []string
	notes  []string
	review string
}{
	{"as it should be", work, work.sorted(), nil, ""},
	{"as it should be.zip", work.in("ada").zip(), work.sorted(), nil, ""},
	{"as it should be.tar.gz", gz(work.tar()), work.sorted(), nil, ""},
	{"capitals", work.renamed(strings.ToUpper), work.sorted(), []string{"LAB-1, LAB-2, LAB-3, LAB-4 and LAB-5 were taken as lab-1, lab-2, lab-3, lab-4 and lab-5"}, ""},
	{"no dash.zip", work.renamed(func(lab string) string { return strings.ReplaceAll(lab, "-", "") }).zip(), work.sorted(), []string{"lab1, lab2, lab3, lab4 and lab5 were taken as lab-1, lab-2, lab-3, lab-4 and lab-5"}, ""},
	{"underscore", files{"lab_1/pod.yaml": ""}, []string{"lab-1/pod.yaml"}, []string{"lab_1 was taken as lab-1"}, ""},
	{"two folders deep", work.in("a/b"), work.sorted(), []string{"the labs were found in a/b"}, ""},
	{"a zip in a zip.zip", files{"work.zip": work.zip()}.zip(), work.sorted(), []string{"work.zip was unpacked"}, ""},
	{"all at the top, some for two labs", files{"pod.yaml": "", "call.sh": ""}, nil, nil, "it has no lab folders, and call.sh may be for lab-2 or lab-3"},
	{"all at the top, each for one lab", files{"pod.yaml": "", "rolebinding.yaml": "", "list.sh": "", "notes.txt": ""}, []string{"lab-1/pod.yaml", "lab-4/rolebinding.yaml", "lab-5/list.sh"},
		[]string{"there are no lab folders; the files were taken as lab-1/pod.yaml, lab-4/rolebinding.yaml and lab-5/list.sh"}, ""},
	{"beside a video.zip", work.with(files{"demo.mp4": strings.Repeat("video", 20<<20/5)}).zip(), work.sorted(), nil, ""},
	{"a video in a lab", work.with(files{"lab-1/demo.mp4": strings.Repeat("video", 20<<20/5)}), work.sorted(), []string{"lab-1/demo.mp4 (20 MB) was left aside"}, ""},
	{"work.rar", "Rar!\x1a\x07\x01\x00", nil, nil, "it is a RAR archive, which is not opened here"},
	{"work.7z", "7z\xbc\xaf\x27\x1c", nil, nil, "it is a 7z archive, which is not opened here"},
	{"work.tar.bz2", bz2, work.sorted(), nil, ""},
	{"work.tar.xz", xzed(work.tar()), work.sorted(), nil, ""},
	{"an empty folder", files{}, nil, nil, "nothing was handed in: it holds no file"},
	{"Ada Lovelace_12345_assignsubmission_file_", files{"abgabe.zip": work.zip()}, work.sorted(), []string{"abgabe.zip was unpacked"}, ""},
	{"lovelaceada_123_456_submission.zip", work.in("submission").zip(), work.sorted(), nil, ""},
	{"UPPER.ZIP", work.zip(), work.sorted(), nil, ""},
	{"work.tar", work.tar(), work.sorted(), nil, ""},
	{"a Latin-1 name.zip", work.with(files{"\xdcbung.txt": "x", "lab-2/L\xf6sung.txt": "x"}).zip(), work.sorted(), []string{`"lab-2/L\xf6sung.txt" (an odd name) was left aside`}, ""},
	{"rolecall-main.zip", checkout.with(work.in("work")).in("rolecall-main").zip(), work.sorted(), []string{"the labs were found in rolecall-main/work"}, ""},

	{"slugs", files{"lab-1-pod/pod.yaml": "", "lab-2-token/call.sh": ""}, []string{"lab-1/pod.yaml", "lab-2/call.sh"}, []string{"lab-1-pod and lab-2-token were taken as lab-1 and lab-2"}, ""},
	{"blanks and zeros", files{"Lab 01 - Pod/pod.yaml": ""}, []string{"lab-1/pod.yaml"}, []string{`"Lab 01 - Pod" was taken as lab-1`}, ""},
	{"two that may be one", files{"lab1/pod.yaml": "old", "Lab-1 final/pod.yaml": "new"}, nil, nil, `both "Lab-1 final" and lab1 may be lab-1`},
	{"a copy beside it", work.with(files{"lab-1 (old)/pod.yaml": "old"}), work.sorted(), []string{`"lab-1 (old)" was left aside`}, ""},
	{"only a folder of notes like it", files{"lab1/pod.yaml": "", "lab1-notes/notes.txt": ""}, []string{"lab-1/pod.yaml"}, []string{"lab1 was taken as lab-1"}, ""},
	{"a lab in itself", files{"lab-1/lab-1/pod.yaml": ""}, []string{"lab-1/pod.yaml"}, nil, ""},
	{"a copy in a folder", work.with(work.in("backup")), work.sorted(), []string{"backup was left aside: the labs at the top count"}, ""},
	{"more in a folder", files{"lab-1/pod.yaml": ""}.with(work.in("work")), nil, nil, "it holds labs in 2 folders, the top and work among them"},
	{"two of them", work.in("ada").with(work.in("bob")), nil, nil, "it holds labs in 2 folders, ada and bob among them"},
	{"spread out", files{"week 1/lab-1/pod.yaml": "", "week 2/lab-2/call.sh": ""}, []string{"lab-1/pod.yaml", "lab-2/call.sh"}, []string{`the labs were found in "week 1" and "week 2"`}, ""},
	{"a zip for each lab", files{"lab-1.zip": files{"pod.yaml": ""}.zip(), "Lab2.zip": files{"call.sh": ""}.zip()}, []string{"lab-1/pod.yaml", "lab-2/call.sh"},
		[]string{"lab-1.zip and Lab2.zip were taken as lab-1 and lab-2"}, ""},
	{"a zip in each lab", files{"lab-1/pod.zip": files{"pod.yaml": ""}.zip(), "lab-2/lab-2.zip": files{"call.sh": ""}.zip(), "lab-3/x.zip": files{"lab-3/call.sh": ""}.zip()},
		[]string{"lab-1/pod.yaml", "lab-2/call.sh", "lab-3/call.sh"}, []string{"the labs were found in lab-1, lab-2 and lab-3/x.zip", "pod.zip and lab-2.zip were taken as lab-1 and lab-2"}, ""},
	{"a zip beside a lab's files", files{"lab-1/pod.yaml": "new", "lab-1/old.zip": files{"pod.yaml": "old"}.zip()}, []string{"lab-1/old.zip", "lab-1/pod.yaml"}, nil, ""},
	{"some in folders", files{"lab-1/pod.yaml": "", "rolebinding.yaml": "", "call.sh": "", "pod.yaml": "old"}, []string{"lab-1/pod.yaml", "lab-4/rolebinding.yaml"},
		[]string{"files at the top were taken as lab-4/rolebinding.yaml"}, ""},
	{"two zips of all", files{"one.zip": work.zip(), "two.zip": work.zip()}, nil, nil, "it holds labs in 2 folders, one.zip and two.zip among them"},
	{"a zip beside its folder", work.in("work").with(files{"work.zip": work.zip()}), work.sorted(), nil, ""},
	{"a zip in a zip in a zip.zip", files{"b.zip": files{"c.zip": work.zip()}.zip()}.zip(), nil, nil, "it holds no lab folder (lab-1 to lab-5), but b.zip"},
	{"a lab as a rar", files{"lab-1/pod.yaml": "", "lab-2.rar": "Rar!\x1a\x07\x01\x00"}, nil, nil, "lab-2.rar, perhaps lab-2, cannot be opened: it is a RAR archive, which is not opened here"},
	{"another rar", files{"lab-1/pod.yaml": "", "photos.rar": "Rar!\x1a\x07\x01\x00"}, []string{"lab-1/pod.yaml"}, []string{"photos.rar was not opened: it is a RAR archive, which is not opened here"}, ""},
	{"a rar in a folder", files{"work.rar": "Rar!\x1a\x07\x01\x00"}, nil, nil, "work.rar inside cannot be opened: it is a RAR archive, which is not opened here"},
	{"locked.zip", work.locked(), nil, nil, "lab-1/pod.yaml is encrypted with a password"},
	{"lab-2.zip", files{"call.sh": ""}.zip(), []string{"lab-2/call.sh"}, []string{"there are no lab folders; the files were taken as lab-2/call.sh"}, ""},
	{"numbers in the names", files{"lab-2_call.sh": "2", "Lab 3 - call.sh": "3", "lab3-answer.yaml": ""}, []string{"lab-2/call.sh", "lab-3/answer.yaml", "lab-3/call.sh"},
		[]string{"there are no lab folders; the files were taken as lab-2/call.sh, lab-3/answer.yaml and lab-3/call.sh"}, ""},
	{"near misses at the top", files{"Pod.yml.txt": ""}, []string{"lab-1/Pod.yml.txt"}, []string{"there are no lab folders; the files were taken as lab-1/Pod.yml.txt"}, ""},
	{"the course without work.zip", checkout.in("rolecall-main").zip(), nil, nil, "it holds the course's own folder rolecall-main/labs and no work"},
	{"report.pdf", "%PDF-1.7", nil, nil, "it is a PDF document, which is not opened here"},
	{"only a report", files{"report.pdf": "%PDF-1.7", "a.png": ""}, nil, nil, "it holds no lab folder (lab-1 to lab-5), but a.png and report.pdf"},
	{"cut short.zip", work.zip()[:300], nil, nil, "the archive is broken (zip: not a valid zip file)"},
	{"cut short.tar.gz", gz(work.tar())[:60], nil, nil, "the archive is broken (unexpected EOF)"},
	{"failed upload.zip", "", nil, nil, "it is empty: 0 bytes"},
	{"an empty archive.zip", files{}.zip(), nil, nil, "nothing was handed in: it holds no file"},
	{"litter", files{".DS_Store": "", "__MACOSX/._a": "", "lab-1/.DS_Store": ""}, nil, nil, "nothing was handed in: it holds no file"},
	{"macOS.zip", work.with(work.in("__MACOSX")).with(files{"lab-1/._pod.yaml": ""}).zip(), work.sorted(), nil, ""},
	{"dependencies", work.with(files{"lab-2/node_modules/a/b/c.js": "", ".git/config": ""}), work.sorted(), nil, ""},
	{"climbs.zip", work.with(files{"../evil": ""}).zip(), nil, nil, "it holds ../evil, whose name leads out of the submission"},
	{"headers without end.tar.gz", paxes(), nil, nil, "it unpacks to far more than a submission needs, as a decompression bomb does"},
	{"nothing without end.tar.xz", xzed(strings.Repeat("\x00", 8<<20)), nil, nil, "it unpacks to far more than a submission needs, as a decompression bomb does"},
	{"a bomb inside", files{"work.tar.gz": gz(strings.Repeat("\x00", 8<<20))}, nil, nil, "work.tar.gz inside cannot be opened: it unpacks to far more than a submission needs, as a decompression bomb does"},
}

// TestHandIns takes in what learners hand in. None is lost: it is taken, and
// what was assumed is noted, or a person must look and is told why.
func TestHandIns(t *testing.T) {
	require.GreaterOrEqual(t, len(handIns), 43)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	for _, h := range handIns {
		t.Run(h.name, func(t *testing.T) {
			dir := t.TempDir()
			from := filepath.Join(dir, h.name)
			switch holds := h.holds.(type) {
			case files:
				require.NoError(t, os.MkdirAll(from, 0o755))
				for name, text := range holds {
					require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755))
					require.NoError(t, os.WriteFile(filepath.Join(from, name), []byte(text), 0o644))
				}
			case string:
				require.NoError(t, os.WriteFile(from, []byte(holds), 0o644))
			}
			taken, err := walkthrough.Take(from, filepath.Join(dir, "fresh"))
			if h.review != "" {
				refusal, ok := AsRefusal(err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, h.review, refusal.Reason)
				assert.Equal(t, strings.HasPrefix(h.review, "nothing"), refusal.Nothing)
				assert.Regexp(t, `^[A-Z].*\.$`, refusal.Next)
			} else {
				require.NoError(t, err)
				assert.Equal(t, h.takes, filesIn(t, taken.Dir))
				assert.Equal(t, h.notes, taken.Notes)
			}
			digest, err := walkthrough.Digest(from)
			if err != nil {
				assert.NotEmpty(t, h.review)
			}
			assert.Equal(t, taken.Digest, digest)
			left, err := fs.Glob(os.DirFS(temp), "rolecall-*")
			require.NoError(t, err)
			assert.Empty(t, left, "what was unpacked on the way")
		})
	}
}

// TestEqualText: the labs' files are the same, white space and packing aside.
func TestEqualText(t *testing.T) {
	text := func(holds files) string {
		dir := t.TempDir()
		from := filepath.Join(dir, "work.zip")
		require.NoError(t, os.WriteFile(from, []byte(holds.zip()), 0o644))
		taken, err := walkthrough.Take(from, filepath.Join(dir, "fresh"))
		require.NoError(t, err)
		return taken.Text
	}
	one := text(files{"lab-1/pod.yaml": "kind: Pod\nspec: {}\n"})
	assert.Equal(t, one, text(files{"ada/Lab1/pod.yaml": "\ufeffkind:   Pod\r\n\r\nspec:\t{}", "notes.txt": "mine"}))
	assert.NotEqual(t, one, text(files{"lab-1/pod.yaml": "kind: Pod\nspec: {a: 1}\n"}))
	assert.NotEqual(t, one, text(files{"lab-1/pod.json": "kind: Pod\nspec: {}\n"}))
}
