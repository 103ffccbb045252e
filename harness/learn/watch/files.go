package watch

import (
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"rolecall/harness"
	"rolecall/harness/check"
)

const (
	// pollEvery is how often files are looked at: a file system that is shared
	// with another system tells nobody of its changes.
	pollEvery = 25 * time.Millisecond
	// settles is how long files stay as they are before they count as saved.
	settles = 120 * time.Millisecond
	// refills is the same where a file is empty or gone, as it is while some
	// editors write it.
	refills = time.Second
)

// files are what labs ask for, in a submission.
type files struct {
	submission string
	labs       []harness.Lab // one, or those of a story
}

// state is what the files were at one moment; equal states are equal files.
type state struct {
	digest     [sha256.Size]byte
	incomplete bool // a file is empty or not there
}

// saved waits until the files differ from before and have settled.
func (f files) saved(ctx context.Context, before state) (state, error) {
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	last, since := f.state(), time.Now()
	for {
		wait := settles
		if last.incomplete && !before.incomplete {
			wait = refills
		}
		if last.digest != before.digest && time.Since(since) >= wait {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return state{}, ctx.Err()
		case <-ticks.C:
		}
		if now := f.state(); now != last {
			last, since = now, time.Now()
		}
	}
}

// state reads the files. It hashes their contents, since not every editor
// changes their times, and the names of what is beside them, since those may be
// near misses.
func (f files) state() (s state) {
	sum := sha256.New()
	for _, lab := range f.labs {
		folder := filepath.Join(f.submission, lab.Folder())
		entries, err := os.ReadDir(folder)
		if err != nil {
			s.incomplete = true
			continue
		}
		for _, entry := range entries {
			if passing.MatchString(entry.Name()) {
				continue
			}
			_, _ = io.WriteString(sum, lab.Folder()+"/"+entry.Name()+"\x00")
			if asked(lab, entry.Name()) {
				s.incomplete = hash(sum, filepath.Join(folder, entry.Name())) || s.incomplete
			}
		}
		s.incomplete = s.incomplete || missing(lab, entries)
	}
	s.digest = [sha256.Size]byte(sum.Sum(nil))
	return s
}

// passing matches names that editors use for a moment, or for copies.
var passing = regexp.MustCompile(`^[.#]|~$|^[0-9]+$|\.(?:swp|swx|tmp|bak|orig)$|___jb_(?:tmp|old)___$`)

func asked(lab harness.Lab, name string) bool {
	return slices.ContainsFunc(lab.Files, func(file check.File) bool { return slices.Contains(file.Names(), name) })
}

// missing reports whether a file is not there that the lab asks for.
func missing(lab harness.Lab, entries []fs.DirEntry) bool {
	return slices.ContainsFunc(lab.Files, func(file check.File) bool {
		return !file.Optional && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return slices.Contains(file.Names(), e.Name()) })
	})
}

// hash adds a file's contents, as far as a lab would read them, and reports
// whether there are none.
func hash(sum io.Writer, path string) (empty bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() { // a lab says so; opening a pipe would wait
		_, _ = io.WriteString(sum, "\x01")
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		_, _ = io.WriteString(sum, "\x02")
		return false
	}
	defer file.Close()
	n, err := io.Copy(sum, io.LimitReader(file, check.MaxFile+1))
	return n == 0 && err == nil
}
