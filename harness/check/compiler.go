package check

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/google/renameio/v2/maybe"

	"rolecall/harness/next"
)

const (
	// maxProgram is how large a compiled program may be: it must fit into a
	// pod's /tmp.
	maxProgram = 80 << 20
	// keptPrograms is how many compiled programs stay on disk.
	keptPrograms = 32
)

// Compiler makes static programs for the node out of learners' Go files.
type Compiler struct {
	Module
	Arch  string // the node's, as GOARCH
	Cache string // directory for compiled programs
	Home  string // rolecall's own folder, where a bundle may have brought a go command; "" for none
}

// Module is what learners' Go programs are compiled with.
type Module struct {
	Mod     string   // text of go.mod
	Sum     string   // text of go.sum
	Imports []string // modules whose packages a program may import, beside the standard library
	Usual   []string // packages of theirs that programs usually import, which a bundle carries compiled
}

// Compile returns the program. What is wrong with the source is a *Failure.
func (c *Compiler) Compile(ctx context.Context, name string, source []byte) ([]byte, error) {
	imports, err := c.inspect(name, source)
	if err != nil {
		return nil, err
	}
	key := sha256.New()
	for _, part := range []string{c.Mod, c.Sum, c.Arch, runtime.Version(), path.Base(name), string(source)} {
		fmt.Fprintf(key, "%d:%s", len(part), part)
	}
	cached := filepath.Join(c.Cache, hex.EncodeToString(key.Sum(nil))[:32])
	if program, err := os.ReadFile(cached); err == nil {
		return program, nil
	}
	program, err := c.build(ctx, name, source, imports)
	if err != nil {
		return nil, err
	}
	if len(program) > maxProgram {
		return nil, &Failure{
			Want: fmt.Sprintf("%s compiles to at most %d MiB", name, maxProgram>>20),
			Got:  fmt.Sprintf("a program of %d MiB", len(program)>>20),
			Hint: "Look for a large variable that is filled when it is declared.",

			Position: Position{File: name},
		}
	}
	if err := keep(cached, program); err != nil {
		return nil, next.Errorf("free some disk space", "keeping the compiled %s: %w", name, err)
	}
	return program, nil
}

// keep writes a program to the cache and deletes the oldest ones.
func keep(file string, program []byte) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := maybe.WriteFile(file, program, 0o644); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var programs []fs.FileInfo
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil { // another run may have deleted it
			programs = append(programs, info)
		}
	}
	slices.SortFunc(programs, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, old := range programs[min(keptPrograms, len(programs)):] {
		os.Remove(filepath.Join(dir, old.Name()))
	}
	return nil
}
