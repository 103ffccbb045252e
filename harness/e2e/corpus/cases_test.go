package corpus

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
)

// toy is a course of one lab.
func toy(text string) (fstest.MapFS, harness.Course, harness.Lab) {
	lab := harness.Lab{Number: 1, Slug: "sum"}
	files := fstest.MapFS{
		"lab-1-sum/solution/sum.yaml": {Data: []byte("two: 2\n")},
		"lab-1-sum/wrong/case.txtar":  {Data: []byte(text)},
	}
	return files, harness.Course{Labs: []harness.Lab{lab}, Files: files}, lab
}

func one(t *testing.T, text string) (Case, harness.Course) {
	t.Helper()
	files, course, lab := toy(text)
	cases, err := Cases(files, course, lab, Wrong)
	require.NoError(t, err)
	require.Len(t, cases, 1)
	return cases[0], course
}

const archive = `The sum is wrong, and the
token is pasted.
fails: sum.right
wanted: two
found: three,

    on several lines
    : one of them odd
hint: Count.
at: lab-1/sum.yaml:3:7
found on kind: four
removes: lab-1/sum.yaml
-- lab-1/other.yaml --
token: @@TOKEN@@
`

func TestCaseIsRead(t *testing.T) {
	c, course := one(t, archive)
	assert.Equal(t, "case", c.Name)
	assert.Equal(t, "The sum is wrong, and the token is pasted.", c.Mistake)
	assert.Equal(t, "sum.right", c.Fails)
	assert.Equal(t, Message{"two", "three,\n\non several lines\n: one of them odd", "Count.", "lab-1/sum.yaml:3:7"}, c.MessageOn("embedded"))
	assert.Equal(t, Message{"two", "four", "Count.", "lab-1/sum.yaml:3:7"}, c.MessageOn("kind"))
	assert.True(t, c.NeedsToken())

	dir := t.TempDir()
	require.NoError(t, c.Write(course, dir, "abc"))
	assert.NoFileExists(t, filepath.Join(dir, "lab-1/sum.yaml"))
	text, err := os.ReadFile(filepath.Join(dir, "lab-1/other.yaml"))
	require.NoError(t, err)
	assert.Equal(t, "token: abc\n", string(text))
}

func TestRightSubmissionsDifferFromTheSolution(t *testing.T) {
	files, course, lab := toy("")
	lab.Files = []check.File{{Name: "sum.yaml"}, {Name: "add", Form: check.ProgramFile}}
	course.Labs[0] = lab
	for text, refused := range map[string]bool{
		"Two is written out.\n-- lab-1/sum.yaml --\ntwo: two\n": false,
		"It is in Go.\nremoves: lab-1/add.sh\n":                 false,
		"It is in Go.\n-- lab-1/add.go --\n":                    false,
		"It is in Go.\n-- lab-1/ad.go --\n":                     true,
		"Two is written out.\n-- lab1/sum.yaml --\ntwo: two\n":  true,
		"Nothing differs.\n":                                    true,
	} {
		files["lab-1-sum/right/case.txtar"] = &fstest.MapFile{Data: []byte(text)}
		_, err := Cases(files, course, lab, Right)
		if refused {
			assert.ErrorContains(t, err, "lab-1-sum/right/case.txtar: it passes as the solution does", text)
		} else {
			assert.NoError(t, err, text)
		}
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no mistake":   "fails: sum.right\n",
		"no check":     "The sum is wrong.\n",
		"no such key":  "The sum is wrong.\nfails: sum.right\nreason: none\n",
		"no key again": "The sum is wrong.\nfails: sum.right\nwanted: two\nmore of it\n",
	} {
		files, course, lab := toy(text)
		_, err := Cases(files, course, lab, Wrong)
		assert.ErrorContains(t, err, "lab-1-sum/wrong/case.txtar", name)
	}
}

// TestMessagesSurviveRewriting writes messages into a case's file and reads
// them back; the files below the header stay byte for byte.
func TestMessagesSurviveRewriting(t *testing.T) {
	const files = "-- lab-1/a --\r\nx\r\n-- lab-1/b --\nno newline at the end"
	odd := Message{"  two\n\n-- lab-1/a --", "\nfails: me\n", "", ""}
	plain := Message{"two", "three", "Count.", "lab-1/sum.yaml:3"}
	for name, test := range map[string]struct {
		told           []map[string]Message // one after another
		embedded, kind Message
	}{
		"the same everywhere":          {[]map[string]Message{{"embedded": plain, "kind": plain}}, plain, plain},
		"of an odd form":               {[]map[string]Message{{"embedded": odd}}, odd, odd},
		"different":                    {[]map[string]Message{{"embedded": odd, "kind": plain}}, odd, plain},
		"different and then the same":  {[]map[string]Message{{"embedded": odd, "kind": plain}, {"kind": odd}}, odd, odd},
		"different, one of them again": {[]map[string]Message{{"embedded": plain, "kind": odd}, {"embedded": {"two", "four", "", ""}}}, Message{"two", "four", "", ""}, odd},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "lab-1-sum/wrong/case.txtar")
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte("The sum is wrong.\nfails: sum.right\n"+files), 0o644))
			_, course, lab := toy("")
			read := func() Case {
				cases, err := Cases(os.DirFS(dir), course, lab, Wrong)
				require.NoError(t, err)
				return cases[0]
			}
			for _, told := range test.told {
				require.NoError(t, read().Rewrite(dir, told))
			}
			c := read()
			assert.Equal(t, test.embedded, c.MessageOn("embedded"))
			assert.Equal(t, test.kind, c.MessageOn("kind"))
			assert.Equal(t, "sum.right", c.Fails)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, files, string(text[len(text)-len(files):]))
		})
	}
}
