package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lay writes files into a new submission and opens it.
func lay(t *testing.T, files map[string]string) *Submission {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	s, err := OpenSubmission(dir)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
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
			s, err := OpenSubmission(dir)
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
			s, err := OpenSubmission(dir)
			require.NoError(t, err)
			defer s.Close()
			_, err = s.Text("lab-1/pod.yaml")
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Got, "no folder")
		})
	}
}

func TestOpenSubmissionNamesTheNextCommand(t *testing.T) {
	_, err := OpenSubmission(filepath.Join(t.TempDir(), "nowhere"))
	assert.ErrorContains(t, err, "SUBMISSION=dir")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o644))
	_, err = OpenSubmission(file)
	assert.ErrorContains(t, err, "it is a file")
}

func TestManifest(t *testing.T) {
	for name, test := range map[string]struct {
		text, got string
		objects   int
	}{
		"one":                  {text: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", objects: 1},
		"JSON":                 {text: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}`, objects: 1},
		"a leading ---":        {text: "---\n# a pod\n---\napiVersion: v1\nkind: Pod\n", objects: 1},
		"two":                  {text: "apiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: Pod\n", objects: 2},
		"comments only":        {text: "# nothing\n---\n", got: "no object"},
		"duplicate key":        {text: "apiVersion: v1\nkind: Pod\nspec:\n  a: 1\n  a: 2\n", got: `key "a" already set`},
		"tab":                  {text: "apiVersion: v1\n\tkind: Pod\n", got: "invalid YAML"},
		"a list":               {text: "- a\n- b\n", got: "no object"},
		"a word":               {text: "pod\n", got: "no object"},
		"no kind":              {text: "apiVersion: v1\nmetadata: {}\n", got: "without apiVersion or kind"},
		"kind is a number":     {text: "apiVersion: v1\nkind: 3\n", got: "without apiVersion or kind"},
		"anchors that explode": {text: bomb(), got: "excessive aliasing"},
		"many":                 {text: strings.Repeat("apiVersion: v1\nkind: Pod\n---\n", 60), got: "more than 50"},
		"deep":                 {text: strings.Repeat("{a: ", 20000), got: "invalid YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &Env{Submission: lay(t, map[string]string{"lab-1/pod.yaml": test.text})}
			objects, err := e.Manifest("lab-1/pod.yaml")
			if test.got == "" {
				require.NoError(t, err)
				assert.Len(t, objects, test.objects)
				return
			}
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Got, test.got)
			assert.Less(t, len(failure.Got), 500)
		})
	}
}

// bomb is a small YAML text of a thousand million values.
func bomb() string {
	text := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		text += strings.ReplaceAll(strings.ReplaceAll("aN: &aN [*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM]\n", "N", string(rune('1'+i))), "M", string(rune('0'+i)))
	}
	return text
}

func TestPrintable(t *testing.T) {
	assert.Equal(t, `a\x1b[31mb`, Printable("a\x1b[31mb", 100))
	assert.Equal(t, "né\n\t", Printable("né\n\t", 100))
	assert.Equal(t, "n … (cut)", Printable("né", 2), "a cut falls between characters")
}
