package gobuild

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall/harness/progress"
)

func TestPackageCount(t *testing.T) {
	c := &packageCount{total: 4, task: (*progress.Display)(nil).Begin("", 0)}
	for _, part := range []string{"internal/cpu\ninter", "nal/abi\ngo: downloading x v1\n", "# example.org/broken\nmain.go:1:2: wrong\n", "k8s.io/api/core/v1\n"} {
		n, err := c.Write([]byte(part))
		require.NoError(t, err)
		require.Len(t, part, n)
	}
	require.Equal(t, 3, c.compiled)
	require.Equal(t, 1, c.fetched)
}

func TestComplaintIsWithoutProgress(t *testing.T) {
	said := "internal/cpu\ngo: downloading x v1\n# example.org/broken\nmain.go:1:2: wrong\n"
	require.Equal(t, "# example.org/broken\nmain.go:1:2: wrong", complaint(strings.NewReader(said)))
}

// TestCompileOnce compiles a program of the standard library alone.
func TestCompileOnce(t *testing.T) {
	dir, written := t.TempDir(), 0
	p := Program{
		Name: "hello", Packages: []string{"."}, Content: []string{"1"},
		Write: func(_ context.Context, module string) error {
			written++
			require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), []byte("module example.org/hello\n\ngo "+Version+"\n"), 0o644))
			return os.WriteFile(filepath.Join(module, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o644)
		},
	}
	first, err := p.Compile(t.Context(), dir, "arm64", nil)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(first, "hello"))
	again, err := p.Compile(t.Context(), dir, "arm64", nil)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 1, written, "it is there already")

	p.Content = []string{"2"}
	other, err := p.Compile(t.Context(), dir, "arm64", nil)
	require.NoError(t, err)
	require.NotEqual(t, first, other)
}

func TestCompileSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	p := Program{Name: "broken", Packages: []string{"."}, Write: func(_ context.Context, module string) error {
		require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), []byte("module example.org/broken\n\ngo "+Version+"\n"), 0o644))
		return os.WriteFile(filepath.Join(module, "main.go"), []byte("package main\n\nfunc main() { wrong }\n"), 0o644)
	}}
	_, err := p.Compile(t.Context(), dir, "amd64", nil)
	require.ErrorContains(t, err, "undefined: wrong")
	programs, err := os.ReadDir(filepath.Join(dir, "programs"))
	require.NoError(t, err)
	require.Empty(t, programs, "of a failed compilation nothing stays")
}
