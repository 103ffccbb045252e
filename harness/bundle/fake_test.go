package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// harbour is a container engine that holds images in memory.
type harbour struct {
	arch   string
	images map[string]string
}

func (h *harbour) Name() string                              { return "harbour" }
func (h *harbour) Arch() string                              { return h.arch }
func (h *harbour) NodeImage(context.Context) (string, error) { return "node:1", nil }
func (h *harbour) Has(_ context.Context, image string) (bool, error) {
	return h.images[image] != "", nil
}

func (h *harbour) Save(_ context.Context, image string, to io.Writer) error {
	_, err := io.WriteString(to, h.images[image])
	return err
}

func (h *harbour) Load(_ context.Context, archive io.Reader) error {
	text, err := io.ReadAll(archive)
	h.images["node:1"] = string(text)
	return err
}

// packed is an archive of files.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var archive bytes.Buffer
	compressed, err := zstd.NewWriter(&archive)
	require.NoError(t, err)
	to := tar.NewWriter(compressed)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		require.NoError(t, to.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(files[name])), ModTime: past}))
		_, err := io.WriteString(to, files[name])
		require.NoError(t, err)
	}
	require.NoError(t, to.Close())
	require.NoError(t, compressed.Close())
	return archive.Bytes()
}

// noise is text that compresses badly, so that an archive of it has pieces.
func noise(size int) string {
	text := make([]byte, size)
	state := uint32(1)
	for i := range text {
		state = state*1664525 + 1013904223
		text[i] = byte(state >> 24)
	}
	return string(text)
}

// small writes a bundle of a few kilobytes for this machine, with pieces of at
// most limit bytes.
func small(t *testing.T, dir string, limit int64) Index {
	t.Helper()
	w, err := newWriter(dir, limit)
	require.NoError(t, err)
	defer w.close()
	for _, f := range []struct {
		file File
		text []byte
	}{
		{File{Content: Program, OS: runtime.GOOS, Arch: runtime.GOARCH, For: "it runs"}, []byte("#!/bin/sh\necho \"$0 $*\"\n")},
		{File{Content: Go, OS: runtime.GOOS, Arch: runtime.GOARCH, For: "it compiles"}, packed(t, map[string]string{"go/bin/go": "#!/bin/sh\n", "cache/00/x": noise(3000)})},
		{File{Content: NodeImage, Arch: "mips", Image: "node:1", For: "it starts"}, pressed(t, "an image")},
	} {
		require.NoError(t, w.add(t.Context(), f.file, func(to io.Writer) error {
			_, err := to.Write(f.text)
			return err
		}))
	}
	x, err := w.commit("rev-1")
	require.NoError(t, err)
	return x
}

// pressed is a text as zstd compresses it.
func pressed(t *testing.T, text string) []byte {
	t.Helper()
	to, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return to.EncodeAll([]byte(text), nil)
}

// list are the names in a folder.
func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// opened is a bundle in a folder.
func opened(t *testing.T, dir string) *Folder {
	t.Helper()
	folder, err := Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { folder.Close() })
	return folder
}

// damageByte changes one byte of a file.
func damageByte(t *testing.T, dir, name string) {
	t.Helper()
	file := filepath.Join(dir, name)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text[len(text)/2] ^= 1
	require.NoError(t, os.WriteFile(file, text, 0o644))
}
