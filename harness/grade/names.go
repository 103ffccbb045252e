package grade

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"rolecall/harness/intake"
)

// handIn is an entry of the folder of submissions, as its name tells.
type handIn struct {
	name, student, id string
	key               string // the same for all of one student's
	base              string // the same where it was handed in again
	attempt, number   int    // of several with the same base the last one has the highest
	dir               bool
	text              bool // what was typed into a form instead of handed in
}

// names read who handed in what from names as platforms give them.
type names struct {
	gradescope map[string]member // by the folder's name
	assignment string            // of GitHub Classroom: what all repositories' names begin with
}

type member struct{ student, id string }

var (
	// "Ada Lovelace_12345_assignsubmission_file_", and a file's name after it where
	// Moodle makes no folders.
	moodleName = regexp.MustCompile(`^(.+)_(\d+)_assignsubmission_(file|onlinetext)_?(.*)$`)
	// "lovelaceada_LATE_123_456_work-1.zip": the student, the student's id, and the
	// attachment's.
	canvasName = regexp.MustCompile(`^([^_]+)_(?:LATE_)?(\d+)_(\d+)_(.+)$`)
	// "work-1.zip" is what Canvas calls a second work.zip.
	canvasAgain = regexp.MustCompile(`^(.+)-(\d+)$`)
	// "ada (1).zip" is what browsers call a second ada.zip.
	browserAgain = regexp.MustCompile(`^(.+?) ?\((\d+)\)$`)
)

func newNames(dir string, entries []fs.DirEntry) names {
	return names{gradescope: gradescopeMembers(filepath.Join(dir, "submission_metadata.yml")), assignment: assignment(dir, entries)}
}

// handIn reads one name.
func (n names) handIn(name string, dir bool) handIn {
	h := handIn{name: name, key: name, base: name, dir: dir}
	if of := moodleName.FindStringSubmatch(name); of != nil {
		h.student, h.id, h.base, h.text = of[1], of[2], of[4], of[3] == "onlinetext"
		h.key = "moodle " + of[2]
		return h
	}
	if of := canvasName.FindStringSubmatch(name); of != nil && !dir {
		h.student, h.id, h.number = of[1], of[2], number(of[3])
		h.key, h.base = "canvas "+of[2], of[4]
		again(canvasAgain, &h)
		return h
	}
	if m, known := n.gradescope[name]; known {
		h.student, h.id = m.student, m.id
		return h
	}
	if user, ours := strings.CutPrefix(name, n.assignment); ours && n.assignment != "" {
		h.id = user
		return h
	}
	if !dir {
		again(browserAgain, &h)
		h.key = h.base
	}
	return h
}

// again tells a file that was handed in once more from the first one.
func again(pattern *regexp.Regexp, h *handIn) {
	stem := intake.Stem(h.base)
	if of := pattern.FindStringSubmatch(stem); of != nil && stem != h.base {
		h.base, h.attempt = of[1]+h.base[len(stem):], number(of[2])
	}
}

// number reads digits; there may be any number of them.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return math.MaxInt
	}
	return n
}

// gradescopeMembers reads who is behind each submission_123 of an export; none
// where there is no such file.
func gradescopeMembers(file string) map[string]member {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var submissions map[string]struct {
		Submitters []struct {
			Name  string `json:":name"`
			SID   any    `json:":sid"`
			Email string `json:":email"`
		} `json:":submitters"`
	}
	if err := yaml.Unmarshal(text, &submissions); err != nil {
		return nil
	}
	members := map[string]member{}
	for folder, s := range submissions {
		var students, ids []string
		for _, one := range s.Submitters {
			id := one.Email
			switch sid := one.SID.(type) {
			case string:
				id = sid
			case float64:
				id = strconv.FormatFloat(sid, 'f', -1, 64)
			}
			students, ids = append(students, one.Name), append(ids, id)
		}
		members[folder] = member{strings.Join(students, ", "), strings.Join(ids, ", ")}
	}
	return members
}

// assignment is what the names of at least two clones begin with, and of nothing
// but clones, as GitHub Classroom's command makes them: the assignment and a
// dash.
func assignment(dir string, entries []fs.DirEntry) string {
	clones, common := 0, ""
	for _, entry := range entries {
		if _, err := os.Stat(filepath.Join(dir, entry.Name(), ".git")); err != nil {
			if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
				return ""
			}
			continue
		}
		if clones++; clones == 1 {
			common = entry.Name()
		}
		for !strings.HasPrefix(entry.Name(), common) {
			common = common[:len(common)-1]
		}
	}
	if clones < 2 {
		return ""
	}
	return common[:strings.LastIndex(common, "-")+1]
}
