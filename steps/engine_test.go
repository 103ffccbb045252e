package steps_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/labs"
)

// TestEngineKnowsNoLab looks in the engine, main.go and the Makefile for what
// only the course may say. What it looks for grows with the course.
func TestEngineKnowsNoLab(t *testing.T) {
	course := labs.Course()
	known := knownOf(t, course)
	look := func(file, place, text string) {
		if found := known.FindString(text); found != "" {
			assert.Fail(t, "the engine knows the course", "%s:%s says %q", file, place, found)
		}
	}
	for _, file := range engine(t) {
		if filepath.Ext(file) != ".go" {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for i, line := range strings.Split(string(text), "\n") {
				look(file, strconv.Itoa(i+1), line)
			}
			continue
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, file, nil, parser.ParseComments)
		require.NoError(t, err)
		line := func(n ast.Node) string { return strconv.Itoa(files.Position(n.Pos()).Line) }
		for _, comment := range parsed.Comments {
			look(file, line(comment), comment.Text())
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
					look(file, line(n), text)
					assert.NotContains(t, course.Program.Imports, text, "%s:%s", file, line(n))
				}
			case *ast.Ident:
				look(file, line(n), n.Name)
			}
			return true
		})
	}
}

// engine are the files that may know no lab.
func engine(t *testing.T) []string {
	files := []string{"../main.go", "../Makefile"}
	require.NoError(t, filepath.WalkDir("../harness", func(file string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == "testdata" || name == "e2e"):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".html"), strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			files = append(files, file)
		}
		return nil
	}))
	return files
}

// knownOf matches what a course alone says: its names, its labs' names, ids,
// titles and numbers, the learner's files, its namespaces, its points.
func knownOf(t *testing.T, course harness.Course) *regexp.Regexp {
	t.Helper()
	words := map[string]bool{course.Name: true, course.Title: true}
	points := 0
	for _, lab := range all(t, course) {
		words[lab.Title] = true
		words[course.Dir(lab)] = true
		for _, c := range lab.Checks {
			words[c.ID], words[c.Desc] = true, true
			points += c.Points
		}
		for _, file := range lab.Files {
			for _, name := range file.Names() {
				words[name] = true
			}
		}
	}
	for _, namespace := range course.Scene.Namespaces[1:] { // the first is default, which is Kubernetes' own
		words[namespace.Name] = true
	}
	words[strconv.Itoa(len(course.Labs))+" labs"] = true
	if n := len(course.Labs); n < len(numerals) {
		words[numerals[n]+" labs"] = true
	}
	first, last := course.Labs[0].Number, course.Labs[len(course.Labs)-1].Number
	for _, between := range []string{" to ", "-", " … ", "–"} {
		words[fmt.Sprintf("%d%s%d", first, between, last)] = true
	}
	words[fmt.Sprintf("of %d", points)], words[fmt.Sprintf("%d points", points)] = true, true
	var patterns []string
	for word := range words {
		if word != "" {
			patterns = append(patterns, regexp.QuoteMeta(word))
		}
	}
	return regexp.MustCompile(`\blab-?[0-9]|(?i:\b(?:` + strings.Join(patterns, "|") + `)\b)`)
}

var numerals = strings.Fields("no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty")

func TestWhatTheEngineMustNotKnow(t *testing.T) {
	known := knownOf(t, harness.Course{
		Name: "voyage", Title: "a voyage in two parts",
		Labs: []harness.Lab{
			{Number: 1, Slug: "ship", Title: "Building a ship", Files: []check.File{{Name: "ship.yaml"}}, Checks: []harness.Check{{ID: "ship.floats", Points: 20}}},
			{Number: 2, Slug: "call", Title: "Calling at a port", Files: []check.File{{Name: "call", Form: check.ProgramFile}}, Checks: []harness.Check{{ID: "call.heard", Points: 20}}},
		},
		Scene: cluster.Scene{Namespaces: cluster.Namespaces{{Role: "home", Name: "default"}, {Role: "port", Name: "voyage-port"}}},
	})
	for _, text := range []string{"make lab-3", "the lab3", "a ship.yaml", "call.go: no such file", "ship.floats", "Voyage", "voyage-port", "34 of 40", "two labs", "choose 1 to 2"} {
		assert.True(t, known.MatchString(text), text)
	}
	for _, text := range []string{"make lab-N", "labs", "a ship floats", "of 400 files", "recall.go", "voyages"} {
		assert.False(t, known.MatchString(text), text)
	}
}
