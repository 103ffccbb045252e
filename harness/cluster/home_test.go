package cluster

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/next"
)

// write fills a folder with files.
func write(t *testing.T, folder string, files ...string) {
	t.Helper()
	for _, file := range files {
		file = filepath.Join(folder, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, nil, 0o600))
	}
}

// files are the files of a folder, but for the mark.
func files(t *testing.T, folder string) (all []string) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS(folder), ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && file != mark {
			all = append(all, file)
		}
		return err
	}))
	return all
}

func TestHome(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	if runtime.GOOS == "linux" {
		write(t, filepath.Join(cache, "rolecall"), "of an earlier version")
		home, err := Home("")
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(cache, "rolecall"), home)
		assert.True(t, isMarked(home), "the default one is ours, whatever is in it")
	}
	for name, c := range map[string]struct {
		files  []string
		marked bool
	}{
		"empty":           {nil, true},
		"somebody else's": {[]string{".bashrc", "programs/mine.c"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.files...)
			for range 2 {
				home, err := Home(dir)
				require.NoError(t, err)
				assert.Equal(t, c.marked, isMarked(home))
			}
		})
	}
	home, err := Home(filepath.Join(t.TempDir(), "a", "b"))
	require.NoError(t, err)
	assert.True(t, isMarked(home), "it is new")
}

func TestHomeSaysWhatToDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Home(file)
	require.Error(t, err)
	assert.Equal(t, "name another folder with ROLECALL_HOME=dir", next.Of(err))
}

func TestCleanDeletesNothingOfTheUsers(t *testing.T) {
	dir := t.TempDir()
	own := []string{".bashrc", "debian/notes", "kind/ideas", "machine/parts.txt", "programs/mine.c", "thesis/chapter-1"}
	write(t, dir, own...)
	home, err := Home(dir)
	require.NoError(t, err)
	var cleaned []string
	err = Clean(t.Context(), home, []Provider{farm{name: "kind", cleaned: &cleaned}}, "programs", "machine")
	require.ErrorContains(t, err, "rolecall did not make this folder")
	assert.NotEmpty(t, next.Of(err))
	assert.Equal(t, own, files(t, dir))
	assert.Empty(t, cleaned)
}

func TestClean(t *testing.T) {
	home, err := Home(t.TempDir())
	require.NoError(t, err)
	write(t, home, "evidence-key", "kind-n.lock", "programs/a", "grading/x/y", "somebody/s")
	require.NoError(t, os.MkdirAll(filepath.Join(home, "kind"), 0o755))
	var cleaned []string
	providers := []Provider{farm{name: "kind", cleaned: &cleaned}, farm{name: "embedded", cleaned: &cleaned}}
	require.NoError(t, Clean(t.Context(), home, providers, "programs", "grading", "missing"))
	assert.Equal(t, []string{"evidence-key", "somebody/s"}, files(t, home), "and what killed commands locked is free")
	assert.Equal(t, []string{"kind", "embedded"}, cleaned)
	assert.NoDirExists(t, filepath.Join(home, "kind"))
	require.NoError(t, Clean(t.Context(), home, providers), "nothing there is no error")
}

func TestCleanRefusesWhileAClusterIsLeft(t *testing.T) {
	home, err := Home(t.TempDir())
	require.NoError(t, err)
	write(t, home, "programs/a", "embedded/ada/kubeconfig")
	var cleaned []string
	providers := []Provider{farm{name: "kind", cleaned: &cleaned}, farm{name: "embedded", cleaned: &cleaned}}
	err = Clean(t.Context(), home, providers, "programs")
	require.ErrorContains(t, err, "the embedded cluster ada still uses it")
	assert.Equal(t, "make down CLUSTER=embedded NAME=ada", next.Of(err))
	assert.Equal(t, []string{"embedded/ada/kubeconfig", "programs/a"}, files(t, home))
	assert.Empty(t, cleaned)
}

func TestDeleteLeadsNowhereElse(t *testing.T) {
	outside, home := t.TempDir(), t.TempDir()
	write(t, outside, "kept")
	require.NoError(t, os.Symlink(outside, filepath.Join(home, "link")))
	require.NoError(t, Delete(home, "link"))
	assert.NoFileExists(t, filepath.Join(home, "link"))
	for _, name := range []string{"..", "", ".", "../" + filepath.Base(outside), outside} {
		require.Error(t, Delete(home, name), "%q", name)
	}
	assert.Equal(t, []string{"kept"}, files(t, outside))
	assert.DirExists(t, home)
}
