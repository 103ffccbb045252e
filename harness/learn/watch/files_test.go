package watch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// editors save a text in the ways that editors do; pause waits up to a bound in
// the middle of it, and editors that leave half a file there tell how long it was.
var editors = map[string]func(file, text string, pause func(time.Duration)) error{
	"in place": func(file, text string, _ func(time.Duration)) error {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString(text)
		return errors.Join(err, f.Truncate(int64(len(text))))
	},
	"renamed over": func(file, text string, _ func(time.Duration)) error {
		return errors.Join(os.WriteFile(file+".tmp", []byte(text), 0o644), os.Rename(file+".tmp", file))
	},
	"emptied and written": func(file, text string, pause func(time.Duration)) error {
		err := os.Truncate(file, 0)
		pause(400 * time.Millisecond)
		return errors.Join(err, os.WriteFile(file, []byte(text), 0o644))
	},
	"moved to a backup": func(file, text string, pause func(time.Duration)) error {
		err := os.Rename(file, file+"~")
		pause(400 * time.Millisecond)
		return errors.Join(err, os.WriteFile(file, []byte(text), 0o644))
	},
	"saved twice": func(file, text string, pause func(time.Duration)) error {
		err := os.WriteFile(file, []byte(whole(-1-rand.IntN(1000))), 0o644)
		pause(300 * time.Millisecond)
		return errors.Join(err, os.WriteFile(file, []byte(text), 0o644))
	},
	"written in two parts": func(file, text string, pause func(time.Duration)) error {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString(text[:len(text)/2])
		pause(settles / 2)
		_, more := f.WriteString(text[len(text)/2:])
		return errors.Join(err, more)
	},
}

// A save is judged once it is whole, whichever way an editor writes it, and none
// is missed.
func TestEverySaveIsJudgedWhole(t *testing.T) {
	const learners, saves = 14, 6 // of each kind: 504 in all
	var all sync.WaitGroup
	for kind, save := range editors {
		for range learners {
			dir := t.TempDir()
			all.Go(func() { assert.NoError(t, saved(t.Context(), dir, saves, save), kind) })
		}
	}
	all.Wait()
}

// saved watches a submission while a file of it is saved again and again.
func saved(ctx context.Context, dir string, saves int, save func(file, text string, pause func(time.Duration)) error) error {
	file := filepath.Join(dir, lab.Folder(), "kettle.yaml")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(whole(0)), 0o644)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	told, ended := make(chan Verdict, 100), make(chan struct{})
	defer func() { cancel(); <-ended }()
	labs := Labs{
		Submission: dir, Labs: []harness.Lab{lab}, Ready: func(context.Context) {}, Judged: func(*harness.Result) error { return nil },
		Check: func(context.Context, harness.Lab, harness.Observer) (*harness.Result, error) {
			time.Sleep(rand.N(100 * time.Millisecond)) // a lab reads late, too
			text, err := os.ReadFile(file)
			time.Sleep(rand.N(100 * time.Millisecond))
			return &harness.Result{Submission: string(text)}, err
		},
	}
	go func() {
		defer close(ended)
		labs.Watch(ctx, lab, nil, func() {}, func(v Verdict) { told <- v })
	}()
	for i := range saves + 1 {
		var paused time.Duration // the machine may be busy with something else
		if i > 0 {
			err := save(file, whole(i), func(most time.Duration) {
				began := time.Now()
				time.Sleep(rand.N(most))
				paused = time.Since(began)
			})
			if err != nil {
				return err
			}
		}
		for judged := ""; judged != whole(i); {
			select {
			case v := <-told:
				if v.Err != nil {
					return v.Err
				}
				judged = v.Result.Submission
			case <-time.After(20 * time.Second):
				return fmt.Errorf("save %d was missed", i)
			}
			first := strings.HasPrefix(judged, "begin -") && strings.Contains(judged, "end -") // of two saves
			if judged != whole(i) && !first && paused < settles {
				return fmt.Errorf("save %d: %d bytes were judged of %d", i, len(judged), len(whole(i)))
			}
		}
	}
	return nil
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
