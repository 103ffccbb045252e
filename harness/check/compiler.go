package check

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"rolecall/harness/process"
)

const (
	// compiles bounds one compilation; the first one with client-go takes
	// minutes on a small machine.
	compiles = 5 * time.Minute
	// keptPrograms is how many compiled programs stay on disk.
	keptPrograms = 32
)

// Compiler makes a static program for the node out of a learner's Go file.
type Compiler struct {
	Module string // text of the go.mod that the file is compiled with
	Sums   string // text of its go.sum
	Arch   string // the node's, as GOARCH
	Cache  string // directory for compiled programs
}

// Compile returns the program. What is wrong with the source is a *Failure.
func (c *Compiler) Compile(ctx context.Context, name string, source []byte) ([]byte, error) {
	if err := inspect(name, source); err != nil {
		return nil, err
	}
	key := sha256.New()
	for _, part := range []string{c.Module, c.Sums, c.Arch, runtime.Version(), path.Base(name), string(source)} {
		fmt.Fprintf(key, "%d:%s", len(part), part)
	}
	cached := filepath.Join(c.Cache, hex.EncodeToString(key.Sum(nil))[:32])
	if program, err := os.ReadFile(cached); err == nil {
		return program, nil
	}
	program, err := c.build(ctx, name, source)
	if err != nil {
		return nil, err
	}
	if err := keep(cached, program); err != nil {
		return nil, fmt.Errorf("keeping the compiled %s: %w; free some disk space", name, err)
	}
	return program, nil
}

func (c *Compiler) build(ctx context.Context, name string, source []byte) ([]byte, error) {
	dir, err := os.MkdirTemp("", "rolecall-program-")
	if err != nil {
		return nil, fmt.Errorf("compiling %s: %w; free some disk space", name, err)
	}
	defer os.RemoveAll(dir)
	file := path.Base(name)
	for name, text := range map[string][]byte{file: source, "go.mod": []byte(c.Module), "go.sum": []byte(c.Sums)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("compiling %s: %w; free some disk space", name, err)
		}
	}

	bounded, cancel := context.WithTimeout(ctx, compiles)
	defer cancel()
	build := exec.CommandContext(bounded, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", "program", ".")
	build.Dir = dir
	process.KillTree(build)
	build.WaitDelay = time.Second
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+c.Arch, "GOWORK=off", "GOFLAGS=-mod=readonly", "GO111MODULE=on")
	var said bytes.Buffer
	build.Stdout, build.Stderr = &said, &said
	err = build.Run()
	inFile := regexp.MustCompile(`(?m)^(\s*)\S*\b` + regexp.QuoteMeta(file) + `:`) // compiler and linker write different paths before it
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("compiling %s: no go command in PATH; install Go from https://go.dev/dl", name)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bounded.Err() != nil:
		return nil, fmt.Errorf("compiling %s: not done after %s; try again when the machine has less to do", name, compiles)
	case err != nil && inFile.Match(said.Bytes()):
		return nil, notCompiling(name, inFile.ReplaceAllString(said.String(), "${1}"+name+":"))
	case err != nil:
		return nil, fmt.Errorf("compiling %s: %w: %s", name, err, Printable(strings.TrimSpace(said.String()), 1000))
	}
	return os.ReadFile(filepath.Join(dir, "program"))
}

func notCompiling(name, said string) error {
	var lines []string
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return &Failure{
		Want: name + " compiles",
		Got:  Printable(strings.Join(lines, "\n"), 1500),
		Hint: "Mend the line that the compiler names; go vet in the file's folder says the same.",
	}
}

// inspect refuses what the contract does not allow, before any tool reads it.
func inspect(name string, source []byte) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return notCompiling(name, err.Error())
	}
	fail := func(got, hint string) error {
		return &Failure{Want: name + " is one Go program of package main", Got: got, Hint: hint}
	}
	if file.Name.Name != "main" {
		return fail("package "+file.Name.Name, "The first line of the program is: package main")
	}
	if !hasMain(file) {
		return fail("no function main", "A program starts at: func main() { … }")
	}
	if word := directive(file); word != "" {
		return fail("the directive "+quote(word), "Leave it out: a program of one file needs no words to the compiler.")
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !allowed(imported) {
			return fail("an import of "+quote(imported), "Use the standard library and k8s.io/client-go (with api and apimachinery) only.")
		}
	}
	return nil
}

// directive is the first comment that tells the compiler something. It could
// reach for files of ours, or make errors that seem to be of another file.
func directive(file *ast.File) string {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			for _, word := range []string{"//go:", "//line ", "/*line ", "//export ", "//extern "} {
				if strings.HasPrefix(comment.Text, word) {
					return comment.Text
				}
			}
		}
	}
	return ""
}

func hasMain(file *ast.File) bool {
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "main" {
			return true
		}
	}
	return false
}

func allowed(imported string) bool {
	if imported == "C" {
		return false
	}
	root, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(root, ".") {
		return true // the standard library, or nothing: then the compiler says so
	}
	for _, module := range []string{"k8s.io/client-go/", "k8s.io/api/", "k8s.io/apimachinery/"} {
		if strings.HasPrefix(imported, module) {
			return true
		}
	}
	return false
}

// keep writes the program and forgets the oldest ones.
func keep(file string, program []byte) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(program)
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	age := func(e os.DirEntry) time.Time {
		if info, err := e.Info(); err == nil {
			return info.ModTime()
		}
		return time.Time{}
	}
	sort.Slice(entries, func(i, j int) bool { return age(entries[i]).After(age(entries[j])) })
	for _, old := range entries[min(keptPrograms, len(entries)):] {
		os.Remove(filepath.Join(dir, old.Name()))
	}
	return nil
}
