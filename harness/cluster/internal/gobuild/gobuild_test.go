package gobuild

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rolecall/harness/cluster/internal/versions"
	"rolecall/harness/progress"
)

func TestPackageCount(t *testing.T) {
	c := &packageCount{task: (*progress.Display)(nil).Begin("", 0)}
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
			require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), []byte("module example.org/hello\n\ngo "+versions.Go+"\n"), 0o644))
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
	info, err := os.Stat(first)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm(), "for all users")

	p.Content = []string{"2"}
	other, err := p.Compile(t.Context(), dir, "arm64", nil)
	require.NoError(t, err)
	require.NotEqual(t, first, other)
}

func TestCompileSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	p := Program{Name: "broken", Packages: []string{"."}, Write: func(_ context.Context, module string) error {
		require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), []byte("module example.org/broken\n\ngo "+versions.Go+"\n"), 0o644))
		return os.WriteFile(filepath.Join(module, "main.go"), []byte("package main\n\nfunc main() { wrong }\n"), 0o644)
	}}
	_, err := p.Compile(t.Context(), dir, "amd64", nil)
	require.ErrorContains(t, err, "undefined: wrong")
	programs, err := os.ReadDir(filepath.Join(dir, "programs"))
	require.NoError(t, err)
	require.Empty(t, programs, "of a failed compilation nothing stays")
}

// TestCompileAtOnce has many calls compile the same program, beside what a
// killed one left.
func TestCompileAtOnce(t *testing.T) {
	dir := t.TempDir()
	var written atomic.Int32
	p := Program{
		Name: "hello", Packages: []string{"."},
		Write: func(_ context.Context, module string) error {
			written.Add(1)
			if err := os.WriteFile(filepath.Join(module, "go.mod"), []byte("module example.org/hello\n\ngo "+versions.Go+"\n"), 0o644); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(module, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o644)
		},
	}
	out, there := p.Compiled(dir, "amd64")
	require.False(t, there)
	require.NoError(t, os.MkdirAll(out+".new-1", 0o755))
	var calls errgroup.Group
	for range 8 {
		calls.Go(func() error {
			folder, err := p.Compile(t.Context(), dir, "amd64", nil)
			if err == nil {
				_, err = os.Stat(filepath.Join(folder, "hello"))
			}
			return err
		})
	}
	require.NoError(t, calls.Wait())
	require.Equal(t, int32(1), written.Load())
	folders, err := os.ReadDir(filepath.Join(dir, "programs"))
	require.NoError(t, err)
	require.Len(t, folders, 1, "nothing but the programs stays")
	require.Equal(t, filepath.Base(out), folders[0].Name())
}

func TestCompileWaitsNoLongerThanItsContext(t *testing.T) {
	dir := t.TempDir()
	p := Program{Name: "hello"}
	out, _ := p.Compiled(dir, "amd64")
	lock := filepath.Join(dir, "modules", filepath.Base(out)+".lock")
	require.NoError(t, os.MkdirAll(filepath.Dir(lock), 0o755))
	held := flock.New(lock)
	require.NoError(t, held.Lock())
	defer held.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.Compile(ctx, dir, "amd64", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestCountPackagesLeavesTheModuleAlone counts beside a build, which reads and
// writes go.mod as well.
func TestCountPackagesLeavesTheModuleAlone(t *testing.T) {
	dir := t.TempDir()
	mod := "module example.org/hello\n" // without a go directive, which the go command would add
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nimport _ \"errors\"\n\nfunc main() {}\n"), 0o644))
	require.Greater(t, countPackages(t.Context(), dir, platform{}, []string{"."}), int64(2))
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	require.Equal(t, mod, string(text))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 2)
}
