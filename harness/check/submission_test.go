package check

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/next"
)

// asked is what two made-up labs ask for.
func asked() map[string]Asked {
	return map[string]Asked{
		"lab-1": {
			Files:   []File{{Name: "pod.yaml", Form: ManifestFile}},
			Starter: fstest.MapFS{"pod.yaml": {Data: []byte("kind: Pod # TODO\n")}},
			Again:   "make restart-1",
		},
		"lab-2": {Files: []File{{Name: "call", Form: ProgramFile}, {Name: "answer.yaml", Form: AnswersFile}}, Again: "make restart-2"},
	}
}

// lay writes files into a new submission and opens it.
func lay(t *testing.T, files map[string]string) *Submission {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	s, err := OpenSubmission(dir, asked())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
}

func TestTextTakesWhatEditorsWrite(t *testing.T) {
	s := lay(t, map[string]string{"lab-2/call.sh": "\xef\xbb\xbfecho a\r\necho b\r\n"})
	text, err := s.Text("lab-2/call.sh")
	require.NoError(t, err)
	assert.Equal(t, "echo a\necho b\n", string(text))
}

func TestTextRefusesInASentence(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("kubeconfig"), 0o600))
	for name, test := range map[string]struct {
		make func(t *testing.T, file string)
		got  string
	}{
		"missing":   {func(*testing.T, string) {}, "no such file"},
		"empty":     {func(t *testing.T, f string) { require.NoError(t, os.WriteFile(f, nil, 0o644)) }, "an empty file"},
		"blank":     {func(t *testing.T, f string) { require.NoError(t, os.WriteFile(f, []byte(" \n\t\n"), 0o644)) }, "an empty file"},
		"a folder":  {func(t *testing.T, f string) { require.NoError(t, os.Mkdir(f, 0o755)) }, "a folder"},
		"binary":    {func(t *testing.T, f string) { require.NoError(t, os.WriteFile(f, []byte("\x7fELF\x00\x01"), 0o644)) }, "binary data"},
		"not UTF-8": {func(t *testing.T, f string) { require.NoError(t, os.WriteFile(f, []byte("caf\xe9"), 0o644)) }, "binary data"},
		"huge": {func(t *testing.T, f string) {
			require.NoError(t, os.WriteFile(f, nil, 0o644))
			require.NoError(t, os.Truncate(f, 50<<20))
		}, "52428800 bytes"},
		"link outside":   {func(t *testing.T, f string) { require.NoError(t, os.Symlink(outside, f)) }, "cannot be opened inside the submission"},
		"link upwards":   {func(t *testing.T, f string) { require.NoError(t, os.Symlink("../../../../../../etc/passwd", f)) }, "inside the submission"},
		"dangling link":  {func(t *testing.T, f string) { require.NoError(t, os.Symlink("nowhere", f)) }, "leads nowhere"},
		"link to itself": {func(t *testing.T, f string) { require.NoError(t, os.Symlink(filepath.Base(f), f)) }, "inside the submission"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "lab-1"), 0o755))
			test.make(t, filepath.Join(dir, "lab-1", "pod.yaml"))
			s, err := OpenSubmission(dir, asked())
			require.NoError(t, err)
			defer s.Close()
			_, err = s.Text("lab-1/pod.yaml")
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Got, test.got)
			assert.NotEmpty(t, failure.Hint)
		})
	}
}

// TestLabThatIsNoFolder is the learner's failure, never an error of ours.
func TestLabThatIsNoFolder(t *testing.T) {
	for name, make := range map[string]func(lab string) error{
		"a file":         func(lab string) error { return os.WriteFile(lab, []byte("x"), 0o644) },
		"a link outside": func(lab string) error { return os.Symlink("/etc", lab) },
		"a loop":         func(lab string) error { return os.Symlink(filepath.Base(lab), lab) },
		"a link nowhere": func(lab string) error { return os.Symlink("nowhere", lab) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, make(filepath.Join(dir, "lab-1")))
			s, err := OpenSubmission(dir, asked())
			require.NoError(t, err)
			defer s.Close()
			_, err = s.Text("lab-1/pod.yaml")
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Got, "not a folder")
		})
	}
}

func TestOpenSubmissionSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"file": "x", "work/lab-1/pod.yaml": "x", "work/lab-2/call.sh": "x", "lab-1/lab-2/call.sh": "x"})
	for name, test := range map[string]struct{ says, next string }{
		"nowhere":    {"no such directory", "SUBMISSION=dir"},
		"file":       {"it is a file", "SUBMISSION=dir"},
		"work/lab-1": {"the folder of one lab", "SUBMISSION=" + filepath.Join(dir, "work")},
		"work/lab-2": {"the folder of one lab", "SUBMISSION=" + filepath.Join(dir, "work")},
	} {
		_, err := OpenSubmission(filepath.Join(dir, name), asked())
		assert.ErrorContains(t, err, test.says, name)
		assert.Contains(t, next.Of(err), test.next, name)
	}
	for _, fine := range []string{"", "work", "lab-1"} {
		s, err := OpenSubmission(filepath.Join(dir, fine), asked())
		require.NoError(t, err, fine)
		s.Close()
	}
}

func TestExplain(t *testing.T) {
	failure := &Failure{Want: "a Pod", Got: "none", Hint: "look"}
	ours := errors.New("broken")
	unchanged := lay(t, map[string]string{"lab-1/pod.yaml": "\xef\xbb\xbfkind: Pod # TODO\r\n"})
	assert.Equal(t, &Failure{Want: "a Pod", Got: "none", Hint: "You have not changed the starter yet: edit your own lab-1/pod.yaml, and save it.",
		Slip: true, Position: Position{"lab-1/pod.yaml", 1, 13}},
		unchanged.Explain(failure, "lab-1/pod.yaml"))
	assert.Equal(t, "look", failure.Hint)
	assert.Equal(t, ours, unchanged.Explain(ours, "lab-1/pod.yaml"))
	assert.NoError(t, unchanged.Explain(nil, "lab-1/pod.yaml"))
	assert.Equal(t, error(failure), unchanged.Explain(failure, "lab-2/answer.yaml"))
	changed := lay(t, map[string]string{"lab-1/pod.yaml": "kind: Pod\n"})
	assert.Equal(t, &Failure{Want: "a Pod", Got: "none", Hint: "look", Position: Position{File: "lab-1/pod.yaml"}}, changed.Explain(failure, "lab-1/pod.yaml"))
}

func TestOnlyNamesTheFileThatALabAsksFor(t *testing.T) {
	s := lay(t, map[string]string{"lab-1/pod.yaml": "kind: Pod\n"})
	assert.Equal(t, Position{File: "lab-1/pod.yaml"}, s.Only("lab-1"))
	assert.Zero(t, s.Only("lab-7"))
	none := lay(t, map[string]string{"lab-1/Pod.yaml": "kind: Pod\n"})
	assert.Zero(t, none.Only("lab-1"), "it is not there")
}

func TestPrintable(t *testing.T) {
	assert.Equal(t, `a\x1b[31mb`, Printable("a\x1b[31mb", 100))
	assert.Equal(t, "né\n\t", Printable("né\n\t", 100))
	assert.Equal(t, "a\nb\\x0dc\n", Printable("a\r\nb\rc\n\r", 100), "a carriage return is shown where it does not end a line")
	assert.Equal(t, "n … (cut)", Printable("né", 2), "a cut falls between characters")
}
