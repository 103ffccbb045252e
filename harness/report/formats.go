package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"

	"rolecall/harness"
)

// Format is one file that a result can be viewed as.
type Format struct {
	Name string // in FORMATS=
	File string // its name in the directory of results

	render func(*harness.Result) ([]byte, error)
}

// Formats are those there are, beside results.json, of which each is a view.
var Formats = []Format{
	{"junit", "junit.xml", renderJUnit},
	{"gradescope", "gradescope.json", renderGradescope},
	{"classroom50", "classroom50.json", renderClassroom50},
	{"prairielearn", "prairielearn.json", renderPrairieLearn},
	{"markdown", "summary.md", renderMarkdown},
	{"annotations", "annotations.txt", renderAnnotations},
}

// ParseFormats reads names with commas or blanks between them.
func ParseFormats(words string) ([]Format, error) {
	var chosen []Format
	for _, name := range strings.FieldsFunc(words, func(r rune) bool { return r == ',' || r == ' ' }) {
		i := slices.IndexFunc(Formats, func(f Format) bool { return f.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("choosing formats: %q is none; FORMATS takes some of %s", name, strings.Join(names(), ","))
		}
		chosen = append(chosen, Formats[i])
	}
	return chosen, nil
}

func names() (all []string) {
	for _, f := range Formats {
		all = append(all, f.Name)
	}
	return all
}

func renderJUnit(r *harness.Result) ([]byte, error) {
	text, err := xml.MarshalIndent(JUnit(r), "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}

func renderGradescope(r *harness.Result) ([]byte, error) { return indented(Gradescope(r)) }

func renderPrairieLearn(r *harness.Result) ([]byte, error) { return indented(PrairieLearn(r)) }

func renderClassroom50(r *harness.Result) ([]byte, error) {
	result, err := Classroom50(r, os.Getenv)
	if err != nil {
		return nil, err
	}
	return indented(result)
}

func renderMarkdown(r *harness.Result) ([]byte, error) { return []byte(Markdown(r)), nil }

func renderAnnotations(r *harness.Result) ([]byte, error) { return []byte(Annotations(r)), nil }

// indented is JSON for people and programs. It has <, > and & as \u escapes, so
// that it does no harm in a page either.
func indented(value any) ([]byte, error) {
	text, err := json.MarshalIndent(value, "", "  ")
	return append(text, '\n'), err
}
