package check

import (
	"debug/elf"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newCompiler(t *testing.T, arch string) *Compiler {
	return &Compiler{Module: "module program\n\ngo 1.26.0\n", Arch: arch, Cache: t.TempDir()}
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

func TestCompileWithoutGoIsOurError(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := newCompiler(t, "amd64").Compile(t.Context(), "lab-2/call.go", []byte("package main\n\nfunc main() {}\n"))
	require.ErrorContains(t, err, "install Go")
	_, learners := AsFailure(err)
	assert.False(t, learners)
}

func TestCutEnd(t *testing.T) {
	before, status, found := cutEnd([]byte("403\nbody end 3\n"), "end")
	assert.Equal(t, "403\nbody ", string(before))
	assert.Equal(t, 3, status)
	assert.True(t, found)
	_, _, found = cutEnd([]byte("403\nbody"), "end")
	assert.False(t, found)
}
