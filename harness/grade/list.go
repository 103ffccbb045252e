package grade

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"rolecall/harness/intake"
	"rolecall/harness/next"
)

// Submission is one of a folder of them.
type Submission struct {
	Name   string // as in the folder; it may hold anything
	Path   string
	Folder string // for its results: a name that is safe everywhere
}

// List finds the submissions in a folder, in the order of their names: every
// directory and every archive. It returns the names of what is neither.
func List(dir string) (submissions []Submission, others []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, next.Errorf("name one with SUBMISSIONS=dir", "opening the folder of submissions: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.HasPrefix(name, "."):
		case entry.IsDir() || intake.IsArchive(name):
			submissions = append(submissions, Submission{name, filepath.Join(dir, name), folder(name)})
		default:
			others = append(others, name)
		}
	}
	if len(submissions) == 0 {
		return nil, others, next.Errorf("name another one with SUBMISSIONS=dir", "opening the folder of submissions: %s holds neither directories nor archives", dir)
	}
	return submissions, others, nil
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
