package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

func layer(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	tree := NewTree(&b)
	require.NoError(t, tree.File("usr/bin/tool", 0o755, []byte(content)))
	require.NoError(t, tree.Link("bin", "usr/bin"))
	require.NoError(t, tree.Dir("tmp", 0o777|fs.ModeSticky))
	require.NoError(t, tree.Dir("usr", 0o700)) // known already
	require.NoError(t, tree.Close())
	return b.Bytes()
}

func TestTree(t *testing.T) {
	var seen []string
	for r := tar.NewReader(bytes.NewReader(layer(t, "x"))); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.Equal(t, Epoch, h.ModTime.UTC())
		seen = append(seen, h.FileInfo().Mode().String()+" "+h.Name)
	}
	require.Equal(t, []string{
		"drwxr-xr-x usr/", "drwxr-xr-x usr/bin/", "-rwxr-xr-x usr/bin/tool", "Lrwxrwxrwx bin", "dtrwxrwxrwx tmp/",
	}, seen)
}

func TestTreeCopyOfTooLittle(t *testing.T) {
	err := NewTree(io.Discard).Copy("a", 0o644, 10, strings.NewReader("short"))
	require.ErrorContains(t, err, "writing a")
}

func TestWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "layer.tar")
	require.NoError(t, os.WriteFile(file, layer(t, "shared"), 0o600))
	shared, err := FileLayer(file)
	require.NoError(t, err)
	own := BytesLayer(layer(t, "own"))
	images := []Image{
		{Ref: "labs.local/a:1", Arch: "arm64", Layers: []*Layer{shared}, Config: Config{Cmd: []string{"sh"}}},
		{Ref: "labs.local/b:1", Arch: "arm64", Layers: []*Layer{shared, own}},
	}
	var first bytes.Buffer
	require.NoError(t, Write(&first, images...))
	for range 20 { // an order left to a map would show
		var again bytes.Buffer
		require.NoError(t, Write(&again, images...))
		require.True(t, bytes.Equal(first.Bytes(), again.Bytes()), "equal input gives equal bytes")
	}
	require.Less(t, first.Len(), 3*len(layer(t, "x"))+8192, "the shared layer is there once")

	tag, err := name.NewTag("labs.local/b:1")
	require.NoError(t, err)
	img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(first.Bytes())), nil }, &tag)
	require.NoError(t, err)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, "arm64", config.Architecture)
	require.Len(t, config.RootFS.DiffIDs, 2)
}

func TestWriteWantsAFullName(t *testing.T) {
	require.ErrorContains(t, Write(io.Discard, Image{Ref: "busybox"}), "naming the image")
}
