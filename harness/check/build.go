package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"rolecall/harness/gocommand"
	"rolecall/harness/next"
	"rolecall/harness/process"
)

const (
	// preparing bounds the compilation of what a program imports; the first
	// one with client-go takes minutes on a small machine.
	preparing = 10 * time.Minute
	// compiling and compilerMemory bound the compilation of the program alone.
	compiling      = 2 * time.Minute
	compilerMemory = 2 << 30
)

// Why the go command was killed.
var (
	errSlow   = errors.New("it took too long")
	errMemory = errors.New("it took too much memory")
)

// build compiles a program in a directory of its own. Its imports are compiled
// first, so that time and memory of the second step are the program's.
func (c *Compiler) build(ctx context.Context, name string, source []byte, imports []string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "rolecall-program-")
	if err != nil {
		return nil, next.Errorf("free some disk space", "compiling %s: %w", name, err)
	}
	defer os.RemoveAll(dir)
	file := path.Base(name)
	for name, text := range map[string]string{
		"go.mod": c.Mod, "go.sum": c.Sum, file: string(source),
		"imports/imports.go": onlyImporting("imports", imports),
		"empty/empty.go":     "package main\n\nfunc main() {}\n",
	} {
		err := os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o700)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		}
		if err != nil {
			return nil, next.Errorf("free some disk space", "compiling %s: %w", file, err)
		}
	}

	prepared := c.goCommand(ctx, dir, preparing, 0, "build", "./imports")
	switch {
	case errors.Is(prepared, exec.ErrNotFound):
		return nil, next.Errorf("install Go from https://go.dev/dl, or write the program as "+strings.TrimSuffix(name, ".go")+".sh: the shell needs nothing",
			"compiling %s: there is no go command in PATH, and no bundle brought one", name)
	case errors.Is(prepared, errSlow):
		return nil, next.Errorf("try again when the machine has less to do", "compiling the packages that %s imports: not done after %s", name, preparing)
	}
	err = c.goCommand(ctx, dir, compiling, compilerMemory, "build", "-ldflags=-s -w", "-o", "program", ".")
	var failed *exec.ExitError
	switch {
	case err == nil:
		return os.ReadFile(filepath.Join(dir, "program"))
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errSlow):
		return nil, tooMuchToCompile(name, fmt.Sprintf("the compiler was not done after %s and was stopped", compiling))
	case errors.Is(err, errMemory):
		return nil, tooMuchToCompile(name, fmt.Sprintf("the compiler took more than %d GiB of memory and was stopped", compilerMemory>>30))
	case !errors.As(err, &failed):
		return nil, next.Errorf("make doctor", "compiling %s: %w", name, err)
	}
	said := string(failed.Stderr)
	inFile := regexp.MustCompile(`(?m)^(\s*)\S*\b` + regexp.QuoteMeta(file) + `:`) // compiler and linker write different paths before it
	if prepared != nil || !inFile.MatchString(said) {
		if ours := c.cannotCompile(ctx, dir, imports); ours != nil {
			return nil, fmt.Errorf("compiling %s: %w", name, ours)
		}
	}
	return nil, notCompiling(name, source, strings.ReplaceAll(inFile.ReplaceAllString(said, "${1}"+name+":"), dir, "."))
}

// onlyImporting is a Go file that imports packages and does nothing else.
func onlyImporting(name string, imports []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n", name)
	for _, imported := range imports {
		fmt.Fprintf(&b, "\nimport _ %q", imported)
	}
	return b.String() + "\n"
}

// goCommand runs the go command, within bounds of time and, unless it is 0,
// of memory. What it wrote is the Stderr of an *exec.ExitError.
func (c *Compiler) goCommand(ctx context.Context, dir string, within time.Duration, memory int64, arguments ...string) error {
	toolchain, err := gocommand.Find(c.Home)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, within, errSlow)
	defer cancel()
	bounded, kill := context.WithCancelCause(bounded)
	defer kill(nil)
	command := toolchain.New(bounded, dir, "linux", c.Arch, "-mod=readonly", arguments...)
	if memory == 0 {
		command.Env = append(command.Env, gocommand.Fast...)
	}
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		return err
	}
	if memory > 0 {
		go func() {
			_ = wait.PollUntilContextCancel(bounded, 200*time.Millisecond, false, func(context.Context) (bool, error) {
				_, resident := process.Family(command.Process.Pid)
				if resident > memory {
					kill(errMemory)
				}
				return resident > memory, nil
			})
		}()
	}
	err = command.Wait()
	var failed *exec.ExitError
	switch {
	case err != nil && bounded.Err() != nil:
		return context.Cause(bounded)
	case errors.As(err, &failed):
		failed.Stderr = said.Bytes()
	}
	return err
}

// cannotCompile returns why no program at all could have been compiled with
// those imports: what they need cannot be fetched, or the compiler is broken.
// It returns nil where the program is at fault.
func (c *Compiler) cannotCompile(ctx context.Context, dir string, imports []string) error {
	imports = slices.DeleteFunc(slices.Clone(imports), func(imported string) bool { return c.moduleOf(imported) == "" })
	if len(imports) > 0 {
		download := []string{"mod", "download"}
		for _, imported := range imports {
			download = append(download, c.moduleOf(imported))
		}
		err := c.goCommand(ctx, dir, preparing, 0, download...)
		if err == nil && c.goCommand(ctx, dir, preparing, 0, append([]string{"list"}, imports...)...) == nil { // these packages exist
			err = c.goCommand(ctx, dir, preparing, 0, append([]string{"list", "-deps"}, imports...)...)
		}
		if err != nil {
			return next.Errorf("connect to the internet and try again", "fetching the packages that it imports: %w", describe(err))
		}
	}
	if err := c.goCommand(ctx, dir, preparing, 0, "build", "-o", os.DevNull, "./empty"); err != nil {
		return next.Errorf("make doctor", "an empty program does not compile either: %w", describe(err))
	}
	return nil
}

// describe adds what a command wrote to its error.
func describe(err error) error {
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return fmt.Errorf("%w: %s", err, Printable(strings.TrimSpace(string(failed.Stderr)), 1000))
	}
	return err
}

func tooMuchToCompile(name, got string) error {
	return &Failure{Want: name + " compiles", Position: Position{File: name}, Got: got, Hint: "Look for types or constants that grow with every line, such as a generic type of a generic type."}
}

// notCompiling is the learner's failure, in the words of the compiler or the
// linker, which name lines of the source.
func notCompiling(name string, source []byte, said string) error {
	var lines []string
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	at := Position{File: name}
	if first := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(name) + `:(\d+)(?::(\d+))?`).FindStringSubmatch(said); first != nil {
		at.Line, _ = strconv.Atoi(first[1]) // they are digits, or there is no column
		at.Column, _ = strconv.Atoi(first[2])
	}
	return &Failure{
		Want:     name + " compiles",
		Got:      Printable(strings.Join(lines, "\n"), 1500),
		Hint:     "Correct the first line that the compiler names.",
		Position: at.characters(source),
	}
}
