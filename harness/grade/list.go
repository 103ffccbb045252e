package grade

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"rolecall/harness/intake"
	"rolecall/harness/learn"
	"rolecall/harness/next"
	"rolecall/harness/report"
)

// Submission is one of a folder of them.
type Submission struct {
	Name    string // as in the folder; it may hold anything
	Path    string
	Folder  string   // for its results: a name that is safe everywhere
	Student string   // who handed it in, where its name or a roster tells
	ID      string   // the student's, where its name or a roster tells
	Notes   []string // what else the student handed in
	Unclear *intake.Refusal
}

// List finds the submissions in a folder, in the order of their names: one a
// student, where names tell who handed something in, and otherwise every
// directory and file. It returns the names of what is none. A folder that is a
// submission itself is refused.
func List(dir string, taker *intake.Intake) (submissions []Submission, others []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, next.Errorf("name one with SUBMISSIONS=dir", "opening the folder of submissions: %w", err)
	}
	names := newNames(dir, entries)
	var all []handIn
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.HasPrefix(name, "."):
		case taker.IsLab(name):
			return nil, nil, next.Errorf("run make grade SUBMISSION="+dir+", or name the folder above it with SUBMISSIONS=dir",
				"opening the folder of submissions: %s is one submission, for it holds %s", dir, name)
		case notes(dir, name):
			others = append(others, name)
		default:
			all = append(all, names.handIn(name, entry.IsDir()))
		}
	}
	for _, group := range together(all) {
		submissions = append(submissions, counting(dir, group))
	}
	if len(submissions) == 0 {
		return nil, others, next.Errorf("name another one with SUBMISSIONS=dir", "opening the folder of submissions: %s holds neither directories nor archives", dir)
	}
	return submissions, others, nil
}

// notes reports whether a name in the folder of submissions is nobody's
// submission: what platforms and teachers put beside those, or results of ours.
func notes(dir, name string) bool {
	lower := strings.ToLower(name)
	if _, err := os.Stat(filepath.Join(dir, name, "gradebook.csv")); err == nil {
		return true
	}
	if _, err := os.Stat(filepath.Join(dir, name, learn.File)); err == nil && strings.HasSuffix(name, learn.Suffix) {
		return true // a learner's progress, which is kept beside the submission
	}
	return strings.HasPrefix(lower, "readme") || strings.HasSuffix(lower, ".csv") || slices.Contains([]string{"submission_metadata.yml", "thumbs.db", "desktop.ini", "__macosx"}, lower)
}

// together are hand-ins by student, in the order of their first names.
func together(all []handIn) (groups [][]handIn) {
	at := map[string]int{}
	for _, h := range all {
		n, known := at[h.key]
		if !known {
			n = len(groups)
			at[h.key] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], h)
	}
	return groups
}

// counting is what counts of all that a student handed in: the last of what was
// handed in again, and of several things the only archive or folder.
func counting(dir string, group []handIn) Submission {
	last := map[string]handIn{}
	for _, h := range group {
		if before, again := last[h.base]; !again || cmp.Or(cmp.Compare(h.attempt, before.attempt), cmp.Compare(h.number, before.number)) > 0 {
			last[h.base] = h
		}
	}
	var counts []handIn
	for _, h := range group {
		if last[h.base] == h {
			counts = append(counts, h)
		}
	}
	if work := slices.DeleteFunc(slices.Clone(counts), func(h handIn) bool { return h.text || !h.dir && !intake.IsArchive(h.name) }); len(work) > 0 {
		counts = work
	}
	one := counts[0]
	s := Submission{Name: one.name, Path: filepath.Join(dir, one.name), Folder: folder(one.name), Student: one.student, ID: one.id}
	if len(counts) > 1 {
		s.Unclear = &intake.Refusal{
			Reason: fmt.Sprintf("%d things were handed in, and any may count: %s and %s among them", len(counts), report.OneLine(counts[0].name, 100), report.OneLine(counts[1].name, 100)),
			Next:   "Put what counts into one folder, remove the rest and grade it again.",
		}
		return s
	}
	for _, h := range group {
		switch {
		case h == one || h.text:
		case h.base == one.base:
			s.Notes = append(s.Notes, fmt.Sprintf("%s was handed in later and counts; %s does not", report.OneLine(one.name, 100), report.OneLine(h.name, 100)))
		default:
			s.Notes = append(s.Notes, fmt.Sprintf("%s was left aside", report.OneLine(h.name, 100)))
		}
	}
	return s
}

// goesBy reports whether a word names a submission: as it is called, or by its
// student's name or id.
func (s Submission) goesBy(word string) bool {
	for _, name := range []string{s.Name, intake.Stem(s.Name), s.Student, s.ID} {
		if name != "" && strings.EqualFold(name, word) {
			return true
		}
	}
	return false
}

var (
	plain = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,59}$`)
	odd   = regexp.MustCompile(`[^A-Za-z0-9_-]+`)
)

// folder is a name for results. One that is not plain gets a digest of itself,
// because two of them may look the same without what makes them odd.
func folder(name string) string {
	if plain.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	short := odd.ReplaceAllString(name, "_")
	return "x-" + short[:min(40, len(short))] + "-" + hex.EncodeToString(sum[:6])
}
