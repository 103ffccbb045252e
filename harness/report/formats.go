package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"rolecall/harness"
	"rolecall/harness/next"
)

// Format is one file that a result can be shown as.
type Format struct {
	Name string // in FORMATS=
	File string // in the directory of results

	render func(*harness.Result, func(string) string) ([]byte, error)
	needs  []string            // variables of the environment that it cannot be without
	env    func(string) string // the environment
}

// formats are those there are, beside results.json.
var formats = []Format{
	junitFormat,
	{Name: "gradescope", File: "gradescope.json", render: inJSON(gradescope)},
	{Name: "classroom50", File: "classroom50.json", render: renderClassroom50, needs: classroom50Needs},
	{Name: "prairielearn", File: "prairielearn.json", render: inJSON(prairieLearn)},
	{Name: "markdown", File: "summary.md", render: inText(markdown)},
	{Name: "annotations", File: "annotations.txt", render: inText(annotations)},
}

var junitFormat = Format{Name: "junit", File: "junit.xml", render: renderJUnit}

// FormatNames are the names of all formats.
func FormatNames() (names []string) {
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return names
}

// ParseFormats reads names with commas or blanks between them. env looks
// variables up, for platforms that tell there whose result it is.
func ParseFormats(words string, env func(string) string) ([]Format, error) {
	var chosen []Format
	for _, name := range strings.FieldsFunc(words, func(r rune) bool { return r == ',' || r == ' ' }) {
		i := slices.IndexFunc(formats, func(f Format) bool { return f.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("choosing formats: unknown FORMATS=%s: choose some of %s", name, strings.Join(FormatNames(), ","))
		}
		f := formats[i]
		for _, variable := range f.needs {
			if env(variable) == "" {
				return nil, next.Errorf("leave "+name+" out of the formats where its runner does not set it",
					"choosing formats: %s needs the variable %s, which is not set", name, variable)
			}
		}
		f.env = env
		chosen = append(chosen, f)
	}
	return chosen, nil
}

func inJSON[T any](view func(*harness.Result) T) func(*harness.Result, func(string) string) ([]byte, error) {
	return func(r *harness.Result, _ func(string) string) ([]byte, error) { return indented(view(r)) }
}

func inText(view func(*harness.Result) string) func(*harness.Result, func(string) string) ([]byte, error) {
	return func(r *harness.Result, _ func(string) string) ([]byte, error) { return []byte(view(r)), nil }
}

func renderJUnit(r *harness.Result, _ func(string) string) ([]byte, error) {
	text, err := xml.MarshalIndent(junit(r), "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}

func renderClassroom50(r *harness.Result, env func(string) string) ([]byte, error) {
	return indented(classroom50(r, env))
}

// indented is JSON for people and programs. It has <, > and & as \u escapes, so
// that it does no harm in a page either.
func indented(value any) ([]byte, error) {
	text, err := json.MarshalIndent(value, "", "  ")
	return append(text, '\n'), err
}
