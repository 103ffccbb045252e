package grade

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"rolecall/harness/intake"
	"rolecall/harness/next"
)

// Roster is who takes a course.
type Roster []Student

// Student is a line of a roster.
type Student struct {
	Name string
	IDs  []string // all that a platform may know the student by; at least one
}

// Columns of a roster, by their headings in lower case: Moodle's, Canvas's,
// Gradescope's and GitHub Classroom's are among them.
var (
	nameColumns  = []string{"student", "name", "full name", "student name"}
	firstColumns = []string{"first name", "given name", "firstname", "first"}
	lastColumns  = []string{"last name", "surname", "family name", "lastname", "last"}
	idColumns    = []string{
		"id", "identifier", "student id", "sid", "sis user id", "sis login id", "id number", "user id", "username", "user name", "login",
		"email", "email address", "github_username", "github username", "github",
	}
)

// ReadRoster reads a table with a heading, with commas, semicolons or tabs
// between its columns.
func ReadRoster(file string) (Roster, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, next.Errorf("name a CSV file with ROSTER=file", "reading the roster: %w", err)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	table := csv.NewReader(bytes.NewReader(text))
	table.FieldsPerRecord, table.TrimLeadingSpace, table.LazyQuotes = -1, true, true
	heading, _, _ := bytes.Cut(text, []byte("\n"))
	for _, comma := range ";\t" {
		if bytes.Count(heading, []byte(string(comma))) > bytes.Count(heading, []byte(",")) {
			table.Comma = comma
		}
	}
	lines, err := table.ReadAll()
	if err != nil {
		return nil, next.Errorf("save it as CSV", "reading the roster %s: %w", file, err)
	}
	if len(lines) == 0 {
		lines = [][]string{nil}
	}
	columns := newColumns(lines[0])
	if len(columns.ids) == 0 {
		return nil, next.Errorf("give the columns the headings id and student", "reading the roster %s: no column of its heading (%s) is an id", file, strings.Join(lines[0], ", "))
	}
	var roster Roster
	seen := map[string]int{}
	for n, line := range lines[1:] {
		s := columns.student(line)
		if len(s.IDs) == 0 {
			continue
		}
		for _, id := range s.IDs {
			if before, twice := seen[strings.ToLower(id)]; twice {
				return nil, fmt.Errorf("reading the roster %s: lines %d and %d have the same id %s", file, before+2, n+2, id)
			}
		}
		for _, id := range s.IDs {
			seen[strings.ToLower(id)] = n
		}
		roster = append(roster, s)
	}
	return roster, nil
}

// columns are where a roster's names and ids are.
type columns struct{ names, ids []int }

func newColumns(heading []string) (c columns) {
	find := func(of []string) (at []int) {
		for _, wanted := range of {
			for i, name := range heading {
				if strings.EqualFold(strings.TrimSpace(name), wanted) {
					at = append(at, i)
				}
			}
		}
		return at
	}
	if c.names = find(nameColumns); len(c.names) > 1 {
		c.names = c.names[:1]
	}
	if first, last := find(firstColumns), find(lastColumns); len(c.names) == 0 && len(first) > 0 && len(last) > 0 {
		c.names = []int{first[0], last[0]}
	}
	c.ids = find(idColumns)
	return c
}

func (c columns) student(line []string) (s Student) {
	cells := func(at []int) (texts []string) {
		for _, i := range at {
			if i < len(line) && strings.TrimSpace(line[i]) != "" {
				texts = append(texts, strings.TrimSpace(line[i]))
			}
		}
		return texts
	}
	s.Name = strings.Join(cells(c.names), " ")
	for _, id := range cells(c.ids) {
		id = strings.TrimPrefix(id, "Participant ") // as Moodle's grading worksheet has it
		if !slices.Contains(s.IDs, id) {
			s.IDs = append(s.IDs, id)
		}
	}
	return s
}

// Enrol gives submissions the names of the roster. It returns the students who
// handed in nothing, and the names of submissions by nobody on the roster.
func (r Roster) Enrol(submissions []Submission) (missing []Student, strangers []string) {
	found := make([]bool, len(r))
	for i := range submissions {
		s := &submissions[i]
		n := r.find(s)
		if n < 0 {
			strangers = append(strangers, s.Name)
			continue
		}
		found[n] = true
		if r[n].Name != "" {
			s.Student = r[n].Name
		}
		if s.ID == "" {
			s.ID = r[n].IDs[0]
		}
	}
	for n, student := range r {
		if !found[n] {
			missing = append(missing, student)
		}
	}
	return missing, strangers
}

// find is the only student that a submission can be by: by id, or else by name.
func (r Roster) find(s *Submission) int {
	id := s.ID
	if id == "" {
		id = intake.Stem(s.Name)
	}
	only := func(is func(Student) bool) int {
		first := slices.IndexFunc(r, is)
		if first >= 0 && slices.IndexFunc(r[first+1:], is) >= 0 {
			return -1
		}
		return first
	}
	byID := only(func(student Student) bool {
		return slices.ContainsFunc(student.IDs, func(known string) bool { return strings.EqualFold(known, id) })
	})
	name := s.Student
	if name == "" {
		name = id
	}
	if byID >= 0 {
		return byID
	}
	return only(func(student Student) bool {
		return letters(student.Name) != "" && letters(student.Name) == letters(name)
	})
}

// letters are those of a name in lower case, as Canvas has them in names of
// files: "Lovelace, Ada" is lovelaceada.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}
