package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// inspect refuses what a lab does not allow, before any tool reads it, and
// returns what the program imports.
func (c *Compiler) inspect(name string, source []byte) (imports []string, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return nil, notCompiling(name, source, err.Error())
	}
	fail := func(at token.Pos, got, hint string) error {
		position := files.PositionFor(at, false) // of no other file, whatever a comment says
		return &Failure{Want: name + " is one Go program of package main", Got: got, Hint: hint,
			Position: Position{name, position.Line, position.Column}.characters(source)}
	}
	if file.Name.Name != "main" {
		return nil, fail(file.Name.Pos(), "package "+file.Name.Name, "Start the program with: package main")
	}
	if !hasMain(file) {
		return nil, fail(token.NoPos, "no function main", "A program starts at: func main() { … }")
	}
	if comment := directive(file); comment != nil {
		return nil, fail(comment.Pos(), "the directive "+quote(comment.Text), "Remove it: a program of one file needs no directives for the compiler.")
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !c.allowed(imported) {
			return nil, fail(spec.Path.Pos(), "an import of "+quote(imported), c.importHint())
		}
		imports = append(imports, imported)
	}
	return imports, nil
}

// directive is the first comment that tells the compiler something. It could
// reach for files of the host, or make errors seem to be another file's.
func directive(file *ast.File) *ast.Comment {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			for _, word := range []string{"//go:", "//line ", "/*line ", "//export ", "//extern "} {
				if strings.HasPrefix(comment.Text, word) {
					return comment
				}
			}
		}
	}
	return nil
}

func hasMain(file *ast.File) bool {
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "main" {
			return true
		}
	}
	return false
}

func (c *Compiler) importHint() string {
	if len(c.Imports) == 0 {
		return "Use the standard library only."
	}
	return "Use only the standard library and packages of " + strings.Join(c.Imports, ", ") + "."
}

// allowed reports whether a program may import a package. One without a dot
// before its first slash is of the standard library, or does not exist: then
// the compiler says so.
func (c *Compiler) allowed(imported string) bool {
	root, _, _ := strings.Cut(imported, "/")
	switch {
	case imported == "C", root == modfile.ModulePath([]byte(c.Mod)): // cgo, the program itself
		return false
	case !strings.Contains(root, "."):
		return true
	}
	return c.moduleOf(imported) != ""
}

// moduleOf is the module of Imports that a package belongs to, or "".
func (m Module) moduleOf(imported string) string {
	for _, module := range m.Imports {
		if strings.HasPrefix(imported, module+"/") {
			return module
		}
	}
	return ""
}
