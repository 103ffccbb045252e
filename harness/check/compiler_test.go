package check

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rolecall/harness/gocommand"
	"rolecall/harness/next"
	"rolecall/harness/process"
)

func newCompiler(t *testing.T, arch string) *Compiler {
	return &Compiler{Module: Module{Mod: "module program\n\ngo 1.26.0\n"}, Arch: arch, Cache: t.TempDir()}
}

func TestCompileMakesAStaticProgramForTheNode(t *testing.T) {
	compiler := newCompiler(t, "arm64")
	program, err := compiler.Compile(t.Context(), "lab-2/call.go", []byte("package main\n\nfunc main() { println(1) }\n"))
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(file, program, 0o600))
	binary, err := elf.Open(file)
	require.NoError(t, err)
	defer binary.Close()
	assert.Equal(t, elf.EM_AARCH64, binary.Machine)
	libraries, _ := binary.ImportedLibraries()
	assert.Empty(t, libraries)

	entries, err := os.ReadDir(compiler.Cache)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.NoError(t, os.WriteFile(filepath.Join(compiler.Cache, entries[0].Name()), []byte("cached"), 0o600))
	again, err := compiler.Compile(t.Context(), "lab-2/call.go", []byte("package main\n\nfunc main() { println(1) }\n"))
	require.NoError(t, err)
	assert.Equal(t, "cached", string(again), "the same source is compiled once")
}

func TestCompileFailuresAreTheLearners(t *testing.T) {
	for name, test := range map[string]struct{ source, got string }{
		"syntax":          {"package main\n\nfunc main() {\n", "lab-2/call.go:3"},
		"type":            {"package main\n\nfunc main() { var n int = \"x\"; _ = n }\n", "lab-2/call.go:3"},
		"unused":          {"package main\n\nimport \"os\"\n\nfunc main() {}\n", `"os" imported and not used`},
		"another package": {"package call\n\nfunc main() {}\n", "package call"},
		"no main":         {"package main\n\nfunc Main() {}\n", "no function main"},
		"cgo":             {"package main\n\nimport \"C\"\n\nfunc main() {}\n", `an import of "C"`},
		"other module":    {"package main\n\nimport \"github.com/evil/evil\"\n\nfunc main() { evil.Do() }\n", "github.com/evil/evil"},
		"no such package": {"package main\n\nimport \"net/htpp\"\n\nfunc main() { htpp.Get() }\n", "net/htpp"},
		"embeds the host": {"package main\n\nimport _ \"embed\"\n\n//go:embed /etc/passwd\nvar s string\n\nfunc main() { println(s) }\n", "the directive"},
		"another name":    {"package main\n\n//line /etc/passwd:1\nfunc main() { undefined() }\n", "the directive"},
		"left out":        {"//go:build ignore\n\npackage main\n\nfunc main() {}\n", "the directive"},
		"a link inside":   {"package main\n\nimport _ \"unsafe\"\n\n//go:linkname f runtime.nosuch\nfunc f()\n\nfunc main() { f() }\n", "the directive"},
		"not for linux":   {"package main\n\nimport _ \"syscall/js\"\n\nfunc main() {}\n", "syscall/js"},
		"needs a flag":    {"package main\n\nimport _ \"runtime/msan\"\n\nfunc main() {}\n", "runtime/msan"},
		"internal":        {"package main\n\nimport _ \"internal/abi\"\n\nfunc main() {}\n", "internal/abi"},
		"itself":          {"package main\n\nimport _ \"program\"\n\nfunc main() {}\n", `an import of "program"`},
		"a part of it":    {"package main\n\nimport _ \"program/empty\"\n\nfunc main() {}\n", `an import of "program/empty"`},
		"a huge variable": {"package main\n\nvar a [1 << 35]byte\n\nfunc main() { a[0] = 1; println(len(a)) }\n", "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newCompiler(t, "amd64").Compile(t.Context(), "lab-2/call.go", []byte(test.source))
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Got, test.got)
			assert.NotContains(t, failure.Got, os.TempDir())
		})
	}
}

// TestWhatCannotBeFetchedIsOurs: a program that imports what is allowed is not
// to blame where the machine cannot get it.
func TestWhatCannotBeFetchedIsOurs(t *testing.T) {
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOPROXY", "off")
	compiler := &Compiler{Arch: "amd64", Cache: t.TempDir(), Module: Module{
		Mod:     "module program\n\ngo 1.26.0\n\nrequire k8s.io/utils v0.0.0-20260626114624-be93311217bd\n",
		Imports: []string{"k8s.io/utils"},
	}}
	source := "package main\n\nimport _ \"k8s.io/utils/ptr\"\n\nfunc main() {}\n"
	_, err := compiler.Compile(t.Context(), "lab-2/call.go", []byte(source))
	require.ErrorContains(t, err, "fetching the packages")
	assert.Contains(t, next.Of(err), "connect to the internet")
	_, learners := AsFailure(err)
	assert.False(t, learners)
}

func TestTheCompilerIsBounded(t *testing.T) {
	compiler, dir := newCompiler(t, "amd64"), t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  compiler.Mod,
		"call.go": "package main\n\nvar n = " + strings.Repeat("\n\t1 +", 300_000) + " 1\n\nfunc main() { println(n) }\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	t.Run("time", func(t *testing.T) {
		assert.ErrorIs(t, compiler.goCommand(t.Context(), dir, 300*time.Millisecond, 0, "build", "-o", os.DevNull, "."), errSlow)
	})
	t.Run("memory", func(t *testing.T) {
		if _, memory := process.Family(os.Getpid()); memory == 0 {
			t.Log("this system does not tell what a process takes")
			return
		}
		assert.ErrorIs(t, compiler.goCommand(t.Context(), dir, time.Minute, 20<<20, "build", "-o", os.DevNull, "."), errMemory)
	})
}

func TestCompileWithoutGoIsOurError(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := newCompiler(t, "amd64").Compile(t.Context(), "lab-2/call.go", []byte("package main\n\nfunc main() {}\n"))
	require.Error(t, err)
	assert.Equal(t, "install Go from https://go.dev/dl, or write the program as lab-2/call.sh: the shell needs nothing", next.Of(err))
	_, learners := AsFailure(err)
	assert.False(t, learners)
}

// TestTheSameProgramTwiceAtOnce: whoever reads it reads all of it.
func TestTheSameProgramTwiceAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "programs", "p")
	program := bytes.Repeat([]byte("p"), 1<<20)
	var writers errgroup.Group
	for range 4 {
		writers.Go(func() error {
			for range 10 {
				if err := keep(file, program); err != nil {
					return err
				}
				read, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				if !bytes.Equal(program, read) {
					return errors.New("half a program")
				}
			}
			return nil
		})
	}
	require.NoError(t, writers.Wait())
}

func TestOldProgramsAreForgotten(t *testing.T) {
	dir := t.TempDir()
	for i := range keptPrograms + 3 {
		file := filepath.Join(dir, strconv.Itoa(i))
		require.NoError(t, keep(file, []byte("p")))
		at := time.Now().Add(time.Duration(i-100) * time.Minute)
		require.NoError(t, os.Chtimes(file, at, at))
	}
	require.NoError(t, keep(filepath.Join(dir, "newest"), []byte("p")))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, keptPrograms)
	assert.FileExists(t, filepath.Join(dir, "newest"))
	assert.NoFileExists(t, filepath.Join(dir, "0"))
}

// TestCompileWithTheGoOfABundle: without a go command in PATH, without a
// network and without a home directory.
func TestCompileWithTheGoOfABundle(t *testing.T) {
	compiler := newCompiler(t, "amd64")
	compiler.Home = t.TempDir()
	brought := filepath.Join(compiler.Home, gocommand.Folder, gocommand.Prefix+"1")
	require.NoError(t, os.MkdirAll(filepath.Join(brought, gocommand.Modules), 0o700))
	for variable, part := range map[string]string{"GOROOT": gocommand.Root, "GOCACHE": gocommand.Cache} {
		out, err := gocommand.New(t.Context(), t.TempDir(), "", "", "", "env", variable).Output()
		require.NoError(t, err)
		require.NoError(t, os.Symlink(strings.TrimSpace(string(out)), filepath.Join(brought, part)))
	}
	t.Setenv("PATH", t.TempDir())
	t.Setenv("GOPROXY", "off")
	for _, variable := range []string{"HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "GOCACHE", "GOPATH"} {
		t.Setenv(variable, "")
	}
	_, err := compiler.Compile(t.Context(), "lab-2/call.go", []byte("package main\n\nfunc main() { println(2) }\n"))
	require.NoError(t, err)
	_, err = compiler.Compile(t.Context(), "lab-2/call.go", []byte("package main\n\nfunc main() { nothing() }\n"))
	_, learners := AsFailure(err)
	assert.True(t, learners, "%v", err)
}
