package intake

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// good are files of a submission as it should be.
var good = map[string]string{"lab-1/pod.yaml": "kind: Pod\n", "lab-3/call.sh": "curl\n", "lab-3/answer.yaml": "verb: list\n"}

// walkthrough takes the labs 1 to 5 of a course that has no others.
var walkthrough = New(course(1, 2, 3, 4, 5), course(1, 2, 3, 4, 5).Labs)

func course(numbers ...int) harness.Course {
	asked := map[int][]check.File{
		1: {{Name: "pod.yaml"}}, 2: {{Name: "call", Form: check.ProgramFile}}, 3: {{Name: "call", Form: check.ProgramFile}, {Name: "answer.yaml"}},
		4: {{Name: "rolebinding.yaml"}}, 5: {{Name: "list", Form: check.ProgramFile}},
	}
	var c harness.Course
	for _, n := range numbers {
		c.Labs = append(c.Labs, harness.Lab{Number: n, Slug: map[int]string{1: "pod", 2: "token"}[n], Files: asked[n]})
	}
	return c
}

func zipOf(t *testing.T, headers ...zip.FileHeader) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, h := range headers {
		f, err := w.CreateHeader(&h)
		require.NoError(t, err)
		_, err = f.Write([]byte("text\n"))
		require.True(t, err == nil || strings.HasSuffix(h.Name, "/"))
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func named(names ...string) (headers []zip.FileHeader) {
	for _, name := range names {
		headers = append(headers, zip.FileHeader{Name: name, Method: zip.Deflate})
	}
	return headers
}

func withMode(name string, mode fs.FileMode) zip.FileHeader {
	h := zip.FileHeader{Name: name}
	h.SetMode(mode)
	return h
}

func tarGzOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	w := tar.NewWriter(packed)
	for _, h := range headers {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeReg && h.Size == 0 {
			h.Size = 5
		}
		require.NoError(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.CopyN(w, repeated("text\n"), h.Size)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, packed.Close())
	return out.Bytes()
}

func tarred(names ...string) (headers []tar.Header) {
	for _, name := range names {
		headers = append(headers, tar.Header{Name: name, Typeflag: tar.TypeReg})
	}
	return headers
}

// repeated is a text without end.
type repeated string

func (r repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r[i%len(r)]
	}
	return len(p), nil
}

// take lays bytes out and returns the names that came of them.
func take(t *testing.T, archive []byte) (names []string, err error) {
	t.Helper()
	dir := t.TempDir()
	from := filepath.Join(dir, "work.zip")
	require.NoError(t, os.WriteFile(from, archive, 0o644))
	return takeFrom(t, from, dir)
}

func takeFrom(t *testing.T, from, dir string) (names []string, err error) {
	t.Helper()
	taken, err := walkthrough.Take(from, filepath.Join(dir, "fresh"))
	entries, readErr := os.ReadDir(dir)
	require.NoError(t, readErr)
	require.LessOrEqual(t, len(entries), 2, "nothing was written beside the fresh folder")
	if err != nil {
		return nil, err
	}
	return filesIn(t, taken.Dir), nil
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, err = filepath.Rel(dir, name)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	}))
	return names
}

func TestTakenAsTheyAre(t *testing.T) {
	want := []string{"lab-1/pod.yaml", "lab-3/call.sh"}
	for name, archive := range map[string][]byte{
		"zip":                       zipOf(t, named("lab-1/pod.yaml", "lab-3/call.sh")...),
		"zip with folders":          zipOf(t, append(named("lab-1/", "lab-3/"), named("lab-1/pod.yaml", "lab-3/call.sh")...)...),
		"zip in a folder":           zipOf(t, named("ada/", "ada/lab-1/pod.yaml", "ada/lab-3/call.sh")...),
		"zip from macOS":            zipOf(t, named("ada/lab-1/pod.yaml", "__MACOSX/ada/lab-1/._pod.yaml", "__MACOSX/lab-1/._x", "ada/lab-3/call.sh", "ada/.DS_Store")...),
		"zip with backslashes":      zipOf(t, named(`lab-1\pod.yaml`, `lab-3\call.sh`)...),
		"zip of a whole checkout":   zipOf(t, named("README.md", ".git/config", "src/a/b/c/d.go", "lab-1/pod.yaml", "lab-3/call.sh", "lab-6/x", "lab-1-pod/README.md")...),
		"zip with an older copy":    zipOf(t, named("old/lab-1/pod.yaml", "lab-1/pod.yaml", "lab-3/call.sh")...),
		"zip with the progress":     zipOf(t, named("work/lab-1/pod.yaml", "work/lab-3/call.sh", "work/Makefile", "work-progress/progress.yaml", "work-progress/lab-1.json", "work-progress/lab-3.json")...),
		"zip with a link elsewhere": zipOf(t, append(named("lab-1/pod.yaml", "lab-3/call.sh"), withMode("venv/bin/python", fs.ModeSymlink|0o777))...),
		"tar.gz":                    tarGzOf(t, tarred("lab-1/pod.yaml", "lab-3/call.sh")...),
		"tar.gz with dots":          tarGzOf(t, tarred("./lab-1/pod.yaml", "./lab-3/call.sh")...),
		"tar.gz in a folder":        tarGzOf(t, append([]tar.Header{{Name: "ada/", Typeflag: tar.TypeDir}}, tarred("ada/lab-1/pod.yaml", "ada/lab-3/call.sh")...)...),
		"tar.gz with a device elsewhere": tarGzOf(t, append([]tar.Header{{Name: "dev/null", Typeflag: tar.TypeChar}},
			tarred("lab-1/pod.yaml", "lab-3/call.sh")...)...),
	} {
		t.Run(name, func(t *testing.T) {
			names, err := take(t, archive)
			require.NoError(t, err)
			assert.Equal(t, want, names)
		})
	}
}

// TestRefused hands in what must not be taken. Each is refused in a sentence,
// and nothing of it stands outside the fresh folder.
func TestRefused(t *testing.T) {
	huge := make([]zip.FileHeader, 0, maxEntries+1)
	for i := range maxEntries + 1 {
		huge = append(huge, zip.FileHeader{Name: fmt.Sprintf("lab-1/%d", i)})
	}
	valid := zipOf(t, named("lab-1/pod.yaml")...)
	for name, test := range map[string]struct {
		archive []byte
		says    string
	}{
		"zip climbs out":                   {zipOf(t, named("../evil")...), "leads out"},
		"zip climbs out from a lab":        {zipOf(t, named("lab-1/../../evil")...), "leads out"},
		"zip climbs inside":                {zipOf(t, named("lab-1/../lab-2/call.sh")...), "leads out"},
		"zip with an absolute name":        {zipOf(t, named("/etc/cron.d/evil")...), "leads out"},
		"zip climbs by backslashes":        {zipOf(t, named(`lab-1\..\..\evil`)...), "leads out"},
		"zip names a drive":                {zipOf(t, named(`C:\evil`)...), "leads out"},
		"zip names a share":                {zipOf(t, named(`\\host\share\evil`)...), "leads out"},
		"zip with a link":                  {zipOf(t, withMode("lab-1/pod.yaml", fs.ModeSymlink|0o777)), "symbolic link"},
		"zip writes through a link":        {zipOf(t, withMode("lab-1/out", fs.ModeSymlink|0o777), zip.FileHeader{Name: "lab-1/out/evil"}), "symbolic link"},
		"zip with a device":                {zipOf(t, withMode("lab-1/sda", fs.ModeDevice|0o666)), "a device"},
		"zip with a pipe":                  {zipOf(t, withMode("lab-1/pod.yaml", fs.ModeNamedPipe|0o666)), "named pipe"},
		"zip with a socket":                {zipOf(t, withMode("lab-1/pod.yaml", fs.ModeSocket|0o666)), "a socket"},
		"zip twice":                        {zipOf(t, named("lab-1/pod.yaml", "lab-1/pod.yaml")...), "twice"},
		"zip twice by another name":        {zipOf(t, named("lab-1/pod.yaml", "lab-1//./pod.yaml")...), "twice"},
		"zip file and folder":              {zipOf(t, named("lab-1/pod.yaml", "lab-1/pod.yaml/x")...), "file and as a folder"},
		"zip folder and file":              {zipOf(t, named("lab-1/pod.yaml/x", "lab-1/pod.yaml")...), "file and as a folder"},
		"zip of too many":                  {zipOf(t, huge...), "more than 50000"},
		"zip bomb":                         {zipBomb(t), "decompression bomb"},
		"zip with overlapping entries":     {overlapping(t), "decompression bomb"},
		"zip that lies about sizes":        {lying(t), "broken"},
		"zip encrypted":                    {zipOf(t, zip.FileHeader{Name: "lab-1/pod.yaml", Flags: encrypted}), "encrypted with a password"},
		"zip of an unknown method":         {method(valid, 99), "unsupported compression"},
		"zip cut short":                    {valid[:len(valid)-10], "broken"},
		"zip damaged":                      {damaged(valid), "broken"},
		"zip with two of them":             {zipOf(t, named("ada/lab-1/pod.yaml", "bob/lab-1/pod.yaml")...), "2 folders"},
		"tar.gz climbs out":                {tarGzOf(t, tarred("../evil")...), "leads out"},
		"tar.gz with an absolute name":     {tarGzOf(t, tarred("/etc/evil")...), "leads out"},
		"tar.gz with a link":               {tarGzOf(t, tar.Header{Name: "lab-1/pod.yaml", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), "symbolic link"},
		"tar.gz writes through a link":     {tarGzOf(t, append([]tar.Header{{Name: "lab-1", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}}, tarred("lab-1/evil")...)...), "symbolic link"},
		"tar.gz with a hard link":          {tarGzOf(t, tar.Header{Name: "lab-1/pod.yaml", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}), "hard link"},
		"tar.gz with a character device":   {tarGzOf(t, tar.Header{Name: "lab-1/null", Typeflag: tar.TypeChar}), "a device"},
		"tar.gz with a block device":       {tarGzOf(t, tar.Header{Name: "lab-1/sda", Typeflag: tar.TypeBlock}), "a device"},
		"tar.gz with a pipe":               {tarGzOf(t, tar.Header{Name: "lab-1/pod.yaml", Typeflag: tar.TypeFifo}), "named pipe"},
		"tar.gz twice":                     {tarGzOf(t, tarred("lab-1/pod.yaml", "lab-1/pod.yaml")...), "twice"},
		"tar.gz bomb":                      {tarGzOf(t, tar.Header{Name: "lab-1/pod.yaml", Typeflag: tar.TypeReg, Size: 8 << 20}), "decompression bomb"},
		"tar.gz bomb beside the labs":      {tarGzOf(t, tar.Header{Name: "junk", Typeflag: tar.TypeReg, Size: 8 << 20}), "decompression bomb"},
		"tar.gz that is gzip of something": {gzipped(t, "no tar"), "broken"},
		"tar.gz of gzip of gzip":           {gzipped(t, string(gzipped(t, "x"))), "broken"},
		"tar.gz cut short":                 {tarGzOf(t, tarred("lab-1/pod.yaml")...)[:60], "broken"},
		"nothing":                          {nil, "0 bytes"},
		"a program":                        {[]byte("\x7fELF\x02\x01\x01"), "neither a directory"},
		"an archive of 256 MiB":            {make([]byte, maxArchive+1), "at most 268435456 are opened"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := take(t, test.archive)
			refusal, ok := AsRefusal(err)
			require.True(t, ok, "%v", err)
			assert.Contains(t, refusal.Reason, test.says)
			assert.NotEmpty(t, refusal.Next)
			assert.Less(t, len(refusal.Reason), 500)
			for _, bad := range []string{"\x1b", "\n", "\x00", "\xff", "\u202e"} {
				assert.NotContains(t, refusal.Reason, bad)
			}
		})
	}
}

// zipBomb is a lab file of 8 MB in 8 kB.
func zipBomb(t *testing.T) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create("lab-1/pod.yaml")
	require.NoError(t, err)
	_, err = io.CopyN(f, repeated("\x00"), 8<<20)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// overlapping is one compressed megabyte that 99 directory entries share.
func overlapping(t *testing.T) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create("lab-1/00")
	require.NoError(t, err)
	_, err = io.CopyN(f, repeated("\x00"), 1<<20)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	archive := out.Bytes()
	at := bytes.Index(archive, []byte("PK\x01\x02"))
	end := bytes.Index(archive, []byte("PK\x05\x06"))
	entry := archive[at:end]
	result := bytes.Clone(archive[:at])
	for i := range 99 {
		result = append(result, bytes.ReplaceAll(entry, []byte("lab-1/00"), fmt.Appendf(nil, "lab-1/%02d", i))...)
	}
	tail := bytes.Clone(archive[end:])
	binary.LittleEndian.PutUint16(tail[8:], 99)
	binary.LittleEndian.PutUint16(tail[10:], 99)
	binary.LittleEndian.PutUint32(tail[12:], uint32(99*len(entry)))
	return append(result, tail...)
}

// lying says that a file has one byte, and it has a million.
func lying(t *testing.T) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create("lab-1/pod.yaml")
	require.NoError(t, err)
	_, err = io.CopyN(f, repeated("a"), 1<<20)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	archive := out.Bytes()
	at := bytes.Index(archive, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(archive[at+24:], 1)
	return archive
}

// method changes the compression method of the only entry.
func method(archive []byte, to uint16) []byte {
	archive = bytes.Clone(archive)
	binary.LittleEndian.PutUint16(archive[bytes.Index(archive, []byte("PK\x01\x02"))+10:], to)
	return archive
}

// damaged flips a byte of the content.
func damaged(archive []byte) []byte {
	archive = bytes.Clone(archive)
	archive[30+len("lab-1/pod.yaml")+1] ^= 0xff
	return archive
}

func gzipped(t *testing.T, text string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "work")
	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return dir
}

func TestDirectory(t *testing.T) {
	dir := directory(t, good)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644))
	names, err := takeFrom(t, dir, t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, []string{"lab-1/pod.yaml", "lab-3/answer.yaml", "lab-3/call.sh"}, names)

	names, err = takeFrom(t, filepath.Dir(dir), t.TempDir())
	require.NoError(t, err, "one folder around the labs")
	assert.Len(t, names, 3)
}

// TestDirectoryKeepsLinks leaves it to each check to say of its file that it
// is a link that leads out: the other labs are graded all the same.
func TestDirectoryKeepsLinks(t *testing.T) {
	dir := directory(t, good)
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "lab-1/link")))
	taken, err := walkthrough.Take(dir, filepath.Join(t.TempDir(), "fresh"))
	require.NoError(t, err)
	target, err := os.Readlink(filepath.Join(taken.Dir, "lab-1/link"))
	require.NoError(t, err)
	assert.Equal(t, "/etc/passwd", target)
}

func TestDirectoryRefused(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string)
		says  string
	}{
		"a socket": {func(t *testing.T, dir string) {
			t.Chdir(filepath.Join(dir, "lab-1")) // a socket's name is short
			l, err := net.Listen("unix", "s")
			require.NoError(t, err)
			t.Cleanup(func() { l.Close() })
		}, "lab-1/s is a socket"},
		"a terabyte of nothing": {func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "lab-1/pod.yaml"), 1<<40))
		}, "decompression bomb"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := directory(t, good)
			test.spoil(t, dir)
			_, err := takeFrom(t, dir, t.TempDir())
			refusal, ok := AsRefusal(err)
			require.True(t, ok, "%v", err)
			assert.Contains(t, refusal.Reason, test.says)
		})
	}
}

func TestNotThereIsNotTheirs(t *testing.T) {
	_, err := walkthrough.Take(filepath.Join(t.TempDir(), "nobody"), filepath.Join(t.TempDir(), "fresh"))
	require.Error(t, err)
	_, refused := AsRefusal(err)
	assert.False(t, refused)
	assert.Contains(t, next.Of(err), "SUBMISSION=")
}

// TestDigest changes with what counts, and with nothing else.
func TestDigest(t *testing.T) {
	dir := directory(t, good)
	digests := []string{}
	digest := func() {
		d, err := walkthrough.Digest(dir)
		require.NoError(t, err)
		digests = append(digests, d)
	}
	digest()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("x"), 0o644))
	digest()
	assert.Equal(t, digests[0], digests[1], "what is no part of a lab does not count")
	for _, change := range []func() error{
		func() error { return os.WriteFile(filepath.Join(dir, "lab-1/pod.yaml"), []byte("kind: Pod"), 0o644) },
		func() error {
			return os.Rename(filepath.Join(dir, "lab-1/pod.yaml"), filepath.Join(dir, "lab-1/pod.yml"))
		},
		func() error { return os.Symlink("pod.yml", filepath.Join(dir, "lab-1/pod.yaml")) },
		func() error { return os.Mkdir(filepath.Join(dir, "lab-2"), 0o755) },
	} {
		require.NoError(t, change())
		digest()
	}
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(digests))), 5)

	taken, err := walkthrough.Take(dir, filepath.Join(t.TempDir(), "fresh"))
	require.NoError(t, err)
	again, err := walkthrough.Digest(taken.Dir)
	require.NoError(t, err)
	assert.Equal(t, taken.Digest, again, "what was taken is what was handed in")
}

func TestIsArchive(t *testing.T) {
	for name, want := range map[string]bool{"a.zip": true, "A.ZIP": true, "a.tar": true, "a.tar.gz": true, "a.tgz": true, "a.tar.bz2": true, "a.tar.xz": true, "a.rar": true, "a.7z": true, "a.txt": false, ".zip": false, "zip": false} {
		assert.Equal(t, want, IsArchive(name), name)
	}
}

func TestFoldersInASentence(t *testing.T) {
	for want, numbers := range map[string][]int{
		"lab-1 to lab-5": {1, 2, 3, 4, 5}, "lab-1 and lab-2": {1, 2}, "lab-6": {6}, "lab-1, lab-2 and lab-6": {1, 2, 6},
		"lab-6 to lab-12": {6, 7, 8, 9, 10, 11, 12}, "lab-2 to lab-4": {2, 3, 4}, "": nil,
	} {
		labs := course(numbers...).Labs
		assert.Equal(t, want, Folders(labs))
		assert.Equal(t, want, Folders(append(labs, harness.Lab{Slug: "story"})), "a story has no folder")
	}
}

// TestLabsOfTheCourse hands the same files in to courses of other labs, and to
// a part of one.
func TestLabsOfTheCourse(t *testing.T) {
	names := []string{"lab-1/pod.yaml", "lab-6/role.yaml", "lab-77/a", "lab-77/b", "lab-8/c", "lab-x/d", "lab-9-e/f"}
	for name, test := range map[string]struct {
		intake *Intake
		takes  []string
		notes  []string
	}{
		"1 to 5":    {walkthrough, []string{"lab-1/pod.yaml"}, []string{"lab-6, lab-77 and lab-8 were left aside: this course has lab-1 to lab-5"}},
		"1 and 6":   {New(course(1, 6), course(1, 6).Labs), []string{"lab-1/pod.yaml", "lab-6/role.yaml"}, []string{"lab-77 and lab-8 were left aside: this course has lab-1 and lab-6"}},
		"1 of both": {New(course(1, 6, 8), course(1).Labs), []string{"lab-1/pod.yaml"}, []string{"lab-77 was left aside: this course has lab-1, lab-6 and lab-8"}},
		"all":       {New(course(1, 6, 8, 77), course(1, 6, 8, 77).Labs), []string{"lab-1/pod.yaml", "lab-6/role.yaml", "lab-77/a", "lab-77/b", "lab-8/c"}, nil},
	} {
		files := map[string]string{}
		var inFolder []string
		for _, n := range names {
			files[n] = "text\n"
			inFolder = append(inFolder, "ada/"+n)
		}
		from := map[string]string{"directory": directory(t, files)}
		for format, archive := range map[string][]byte{"zip": zipOf(t, named(names...)...), "tar.gz": tarGzOf(t, tarred(inFolder...)...)} {
			from[format] = filepath.Join(t.TempDir(), "work")
			require.NoError(t, os.WriteFile(from[format], archive, 0o644))
		}
		for format, from := range from {
			t.Run(name+" "+format, func(t *testing.T) {
				taken, err := test.intake.Take(from, filepath.Join(t.TempDir(), "fresh"))
				require.NoError(t, err)
				assert.Equal(t, test.notes, taken.Notes)
				assert.Equal(t, test.takes, filesIn(t, taken.Dir))
			})
		}
	}
}

func TestMessagesNameTheCoursesLabs(t *testing.T) {
	of := New(course(3, 9), course(3, 9).Labs)
	from := filepath.Join(t.TempDir(), "work")
	require.NoError(t, os.WriteFile(from, zipOf(t, named("lab-1/pod.yaml", "b", "c", "d", "e")...), 0o644))
	_, err := of.Take(from, filepath.Join(t.TempDir(), "fresh"))
	refusal, ok := AsRefusal(err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, "it holds no lab folder (lab-3 and lab-9), but b, c, d and 2 more", refusal.Reason)
	assert.Equal(t, "Ask for one folder, .zip or .tar.gz that holds lab-3 and lab-9.", refusal.Next)
}

// TestALotIsLookedThroughInTime holds what is looked through to seconds, whatever
// it is called.
func TestALotIsLookedThroughInTime(t *testing.T) {
	for says, name := range map[string]func(n int) string{
		"folders of labs in more than 200 places": func(n int) string { return fmt.Sprintf("%d/lab-1/pod.yaml", n) },
		"it holds no lab folder":                  func(n int) string { return fmt.Sprintf("%d/%d", n%100, n) },
	} {
		headers := make([]zip.FileHeader, 0, maxEntries)
		for n := range maxEntries {
			headers = append(headers, zip.FileHeader{Name: name(n)})
		}
		archive := zipOf(t, headers...)
		began := time.Now()
		_, err := take(t, archive)
		assert.ErrorContains(t, err, says)
		assert.Less(t, time.Since(began), 30*time.Second)
	}
}

// FuzzArchive hands in anything at all: it is taken or refused, and stays inside.
func FuzzArchive(f *testing.F) {
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	for _, h := range handIns {
		if archive, ok := h.holds.(string); ok && len(archive) < 1<<20 {
			f.Add([]byte(archive))
		}
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		_, err := take(t, archive)
		if err != nil {
			_, refused := AsRefusal(err)
			assert.True(t, refused, "%v", err)
		}
	})
}
