package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/cluster"
	"rolecall/harness/gocommand"
)

// laptop is a machine to install on.
type laptop struct {
	Target
	engine *harbour
	said   []string
}

func newLaptop(t *testing.T) *laptop {
	t.Helper()
	l := &laptop{engine: &harbour{arch: "mips", images: map[string]string{}}}
	l.Home = t.TempDir()
	l.Say = func(line string) { l.said = append(l.said, line) }
	l.Engine = func(context.Context) (Engine, error) { return l.engine, nil }
	return l
}

// toolchains are the folders of those that were installed.
func (l *laptop) toolchains(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(l.Home, gocommand.Folder, gocommand.Prefix+"*"))
	require.NoError(t, err)
	return folders
}

func TestInstallTwice(t *testing.T) {
	dir, l := t.TempDir(), newLaptop(t)
	small(t, dir, 1000)
	require.NoError(t, Install(t.Context(), l.Target, dir))
	require.Len(t, l.toolchains(t), 1)
	folder := l.toolchains(t)[0]
	assert.Equal(t, []string{
		"Go for learners' programs was installed in " + folder + ".",
		"The node image node:1 was loaded into harbour.",
	}, l.said)
	assert.Equal(t, "an image", l.engine.images["node:1"])
	info, err := os.Stat(filepath.Join(folder, "go", "bin", "go"))
	require.NoError(t, err)
	assert.True(t, info.ModTime().Equal(past))
	assert.NotZero(t, info.Mode()&0o100)

	before, err := os.Stat(folder)
	require.NoError(t, err)
	l.said = nil
	require.NoError(t, Install(t.Context(), l.Target, dir))
	assert.Equal(t, []string{"Go is installed already, in " + folder + ".", "harbour has the node image node:1 already."}, l.said)
	after, err := os.Stat(folder)
	require.NoError(t, err)
	assert.Equal(t, before.ModTime(), after.ModTime())
	assert.ElementsMatch(t, []string{"lock", filepath.Base(folder)}, list(t, filepath.Join(l.Home, gocommand.Folder)))
}

func TestInstallReplacesAnEarlierGo(t *testing.T) {
	dir, l := t.TempDir(), newLaptop(t)
	for _, left := range []string{"go-0123456789abcdef/go", unfinished + "go-0123456789abcdef/go"} {
		require.NoError(t, os.MkdirAll(filepath.Join(l.Home, gocommand.Folder, left), 0o700))
	}
	small(t, dir, maxFile)
	require.NoError(t, Install(t.Context(), l.Target, dir))
	assert.Len(t, list(t, filepath.Join(l.Home, gocommand.Folder)), 2, "a lock and a toolchain")
}

func TestInstallGoesOnWithoutAnEngine(t *testing.T) {
	dir, l := t.TempDir(), newLaptop(t)
	small(t, dir, maxFile)
	l.Engine = func(context.Context) (Engine, error) {
		return nil, &cluster.NoEngineError{Reason: errors.New("none is installed")}
	}
	require.NoError(t, Install(t.Context(), l.Target, dir))
	assert.Len(t, l.toolchains(t), 1)
	assert.Contains(t, l.said, "The node image for kind was left out: none is installed.")

	l.Engine = func(context.Context) (Engine, error) { return nil, errors.New("it burns") }
	require.ErrorContains(t, Install(t.Context(), l.Target, dir), "loading the node image: it burns")
}

func TestInstallOfWhatIsForOtherMachines(t *testing.T) {
	dir, l := t.TempDir(), newLaptop(t)
	w, err := newWriter(dir, maxFile)
	require.NoError(t, err)
	defer w.close()
	require.NoError(t, w.add(t.Context(), File{Content: Go, OS: "plan9", Arch: "mips"}, func(to io.Writer) error {
		_, err := to.Write([]byte("x"))
		return err
	}))
	_, err = w.commit("rev-1")
	require.NoError(t, err)
	require.NoError(t, Install(t.Context(), l.Target, dir))
	assert.Equal(t, []string{"The bundle holds nothing to install on " + runtime.GOOS + "/" + runtime.GOARCH + ": rolecall itself needs no installation."}, l.said)
}

func TestDamageIsNamedAndNothingIsUsed(t *testing.T) {
	dir, l := t.TempDir(), newLaptop(t)
	x := small(t, dir, 1000)
	pieces := x.Files[1].Pieces
	damageByte(t, dir, pieces[len(pieces)-2].Name)
	damageByte(t, dir, "kind-node-mips.tar.zst")
	err := Install(t.Context(), l.Target, dir)
	require.ErrorContains(t, err, "installing Go: "+pieces[len(pieces)-2].Name+" is damaged")
	require.ErrorContains(t, err, "loading the node image: kind-node-mips.tar.zst is damaged")
	assert.Empty(t, l.toolchains(t))
	assert.Empty(t, l.engine.images)
	assert.Empty(t, l.said)
}

// TestAHostileArchiveIsRefused: the index may be hostile too, so digests do not
// help.
func TestAHostileArchiveIsRefused(t *testing.T) {
	for name, header := range map[string]tar.Header{
		"above":        {Name: "../../outside", Typeflag: tar.TypeReg},
		"above, later": {Name: "go/../../outside", Typeflag: tar.TypeReg},
		"absolute":     {Name: "/tmp/outside", Typeflag: tar.TypeReg},
		"the folder":   {Name: ".", Typeflag: tar.TypeReg},
		"not clean":    {Name: "go//x", Typeflag: tar.TypeReg},
		"a link":       {Name: "go/link", Typeflag: tar.TypeSymlink, Linkname: "/etc"},
		"a hard link":  {Name: "go/link", Typeflag: tar.TypeLink, Linkname: "../../outside"},
		"a pipe":       {Name: "go/pipe", Typeflag: tar.TypeFifo},
		"a device":     {Name: "go/null", Typeflag: tar.TypeChar},
		"twice":        {Name: "go/bin/go", Typeflag: tar.TypeReg},
		"huge":         {Name: "go/huge", Typeflag: tar.TypeReg, Size: maxUnpacked},
	} {
		t.Run(name, func(t *testing.T) {
			dir, l := t.TempDir(), newLaptop(t)
			w, err := newWriter(dir, maxFile)
			require.NoError(t, err)
			defer w.close()
			require.NoError(t, w.add(t.Context(), File{Content: Go, OS: runtime.GOOS, Arch: runtime.GOARCH}, func(to io.Writer) error {
				compressed, err := zstd.NewWriter(to)
				require.NoError(t, err)
				archive := tar.NewWriter(compressed)
				require.NoError(t, archive.WriteHeader(&tar.Header{Name: "go/bin/go", Typeflag: tar.TypeReg, Mode: 0o755}))
				require.NoError(t, archive.WriteHeader(&header))
				_ = archive.Flush() // a huge one has no more than its header
				return compressed.Close()
			}))
			_, err = w.commit("rev-1")
			require.NoError(t, err)
			require.ErrorContains(t, Install(t.Context(), l.Target, dir), "installing Go: ")
			assert.ElementsMatch(t, []string{"lock"}, list(t, filepath.Join(l.Home, gocommand.Folder)))
			assert.ElementsMatch(t, []string{gocommand.Folder}, list(t, l.Home))
		})
	}
}

func TestAnInterruptedInstallLeavesNothing(t *testing.T) {
	dir, l := t.TempDir(), newLaptop(t)
	small(t, dir, maxFile)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Install(ctx, l.Target, dir), context.Canceled)
	assert.Empty(t, l.toolchains(t))
}

// TestArchivesDependOnNamesAndContentsAlone writes one and unpacks it.
func TestArchivesDependOnNamesAndContentsAlone(t *testing.T) {
	dir := t.TempDir()
	var first, second bytes.Buffer
	for i, name := range []string{"b", "a", "c/d"} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(noise(100*i)), 0o600))
	}
	entries, err := tree("x", dir, func(string) bool { return true })
	require.NoError(t, err)
	require.NoError(t, writeArchive(&first, entries, func(int64) {}))
	for i, j := 0, len(entries)-1; i < j; i, j = i+1, j-1 {
		entries[i], entries[j] = entries[j], entries[i]
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "a"), 0o700))
	require.NoError(t, writeArchive(&second, entries, func(int64) {}))
	assert.Equal(t, first.Bytes(), second.Bytes())

	into := t.TempDir()
	root, err := os.OpenRoot(into)
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, unpack(&first, root, func(int64) {}))
	text, err := os.ReadFile(filepath.Join(into, "x", "c", "d"))
	require.NoError(t, err)
	assert.Equal(t, noise(200), string(text))
}
