package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
)

var lab = harness.Lab{Number: 1, Slug: "kettle", Files: []check.File{{Name: "kettle.yaml", Form: check.ManifestFile}}}

// whole is a file's text; half of it is no whole one.
func whole(n int) string {
	return fmt.Sprintf("begin %d\n%send %d\n", n, strings.Repeat("line\n", 500), n)
}

// editors save a text in the ways that editors do.
var editors = map[string]func(t *testing.T, file, text string){
	"in place": func(t *testing.T, file, text string) {
		f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o644)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(int64(len(text))))
	},
	"renamed over": func(t *testing.T, file, text string) {
		require.NoError(t, os.WriteFile(file+".tmp", []byte(text), 0o644))
		require.NoError(t, os.Rename(file+".tmp", file))
	},
	"emptied and written": func(t *testing.T, file, text string) {
		require.NoError(t, os.Truncate(file, 0))
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	},
	"moved to a backup": func(t *testing.T, file, text string) {
		require.NoError(t, os.Rename(file, file+"~"))
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	},
	"saved twice": func(t *testing.T, file, text string) {
		require.NoError(t, os.WriteFile(file, []byte(whole(-rand.IntN(1000))), 0o644))
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	},
	"written in two parts": func(t *testing.T, file, text string) {
		f, err := os.Create(file)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString(text[:len(text)/2])
		require.NoError(t, err)
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
		_, err = f.WriteString(text[len(text)/2:])
		require.NoError(t, err)
	},
}

// A save is judged once it is whole, whichever way an editor writes it, and none
// is missed.
func TestEverySaveIsJudgedWhole(t *testing.T) {
	const learners, saves = 14, 6 // of each kind: 504 in all
	for kind, save := range editors {
		for n := range learners {
			t.Run(fmt.Sprintf("%s/%d", kind, n), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				file := filepath.Join(dir, lab.Folder(), "kettle.yaml")
				require.NoError(t, os.Mkdir(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, []byte(whole(0)), 0o644))
				ctx, cancel := context.WithCancel(t.Context())
				told := make(chan string, 100)
				ended := make(chan struct{})
				labs := Labs{
					Submission: dir, Labs: []harness.Lab{lab}, Ready: func(context.Context) {},
					Check: func(context.Context, harness.Lab, harness.Observer) (*harness.Result, error) {
						time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond) // a lab reads late, too
						text, err := os.ReadFile(file)
						time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
						return &harness.Result{Submission: string(text)}, err
					},
				}
				go func() {
					defer close(ended)
					labs.Watch(ctx, lab, nil, func() {}, func(v Verdict) {
						assert.NoError(t, v.Err)
						told <- v.Result.Submission
					})
				}()
				next := func() string {
					select {
					case text := <-told:
						return text
					case <-time.After(10 * time.Second):
						return "no verdict"
					}
				}
				require.Equal(t, whole(0), next())
				for i := 1; i <= saves; i++ {
					save(t, file, whole(i))
					judged := next()
					for strings.HasPrefix(judged, "begin -") { // the first of two saves, some time before the second
						assert.Contains(t, judged, "end -")
						judged = next()
					}
					require.Equal(t, whole(i), judged)
				}
				cancel()
				<-ended
			})
		}
	}
}

func TestOtherFilesAreNoSave(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, lab.Folder())
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "lab-2"), 0o755))
	write := func(name string) { require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644)) }
	write("lab-1/kettle.yaml")
	watched := files{dir, []harness.Lab{lab}}
	before := watched.state()
	for _, name := range []string{"lab-2/kettle.yaml", "lab-1/.kettle.yaml.swp", "lab-1/4913", "lab-1/kettle.yaml~", "lab-1/#kettle.yaml#", "lab-1/kettle.yaml___jb_tmp___"} {
		write(name)
		assert.Equal(t, before, watched.state(), name)
	}
	for _, name := range []string{"lab-1/Kettle.yaml", "lab-1/kettle.yml"} { // near misses, which a lab names
		write(name)
		assert.NotEqual(t, before, watched.state(), name)
		before = watched.state()
	}
}
