package imagearchive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// archive writes files as a tar archive, in this order.
func archive(t *testing.T, files ...[2]string) []byte {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, file := range files {
		require.NoError(t, writer.WriteHeader(&tar.Header{Name: file[0], Mode: 0o644, Size: int64(len(file[1]))}))
		_, err := io.WriteString(writer, file[1])
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	return buffer.Bytes()
}

// save writes an image with these layers to a file, compressed or not.
func save(t *testing.T, compressed bool, layers ...[]byte) (file, config string) {
	var names, diffIDs []string
	var files [][2]string
	for i, layer := range layers {
		diffIDs = append(diffIDs, fmt.Sprintf("sha256:%x", sha256.Sum256(layer)))
		if compressed {
			var buffer bytes.Buffer
			writer := gzip.NewWriter(&buffer)
			_, err := writer.Write(layer)
			require.NoError(t, err)
			require.NoError(t, writer.Close())
			layer = buffer.Bytes()
		}
		names = append(names, fmt.Sprintf("%d.tar", i))
		files = append(files, [2]string{names[i], string(layer)})
	}
	text, err := json.Marshal(map[string]any{
		"config": map[string]any{"User": "1000", "Cmd": []string{"sh"}}, "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	require.NoError(t, err)
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "Layers": names}})
	require.NoError(t, err)
	files = append(files, [2]string{"config.json", string(text)}, [2]string{"manifest.json", string(manifest)})
	file = filepath.Join(t.TempDir(), "image.tar")
	require.NoError(t, os.WriteFile(file, archive(t, files...), 0o644))
	return file, string(text)
}

func TestOpen(t *testing.T) {
	lower := archive(t, [2]string{"etc/passwd", "root:x:0:0::/:/bin/sh\n"}, [2]string{"etc/group", "root:x:0:\n"})
	upper := archive(t, [2]string{"./etc/passwd", "user:x:1000:1000::/:/bin/sh\n"})
	for _, compressed := range []bool{false, true} {
		file, config := save(t, compressed, lower, upper)
		image, err := Open(file)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(config))), image.ID)
		require.Equal(t, []string{"sh"}, image.Config.Cmd)
		require.Equal(t, "1000", image.Config.User)
		require.Equal(t, "user:x:1000:1000::/:/bin/sh\n", string(image.Passwd), "of the upper layer")
		require.Equal(t, "root:x:0:\n", string(image.Group))
		layers, err := image.Layers()
		require.NoError(t, err)
		for i, want := range [][]byte{lower, upper} {
			content, err := io.ReadAll(layers[i])
			require.NoError(t, err)
			require.Equal(t, want, content)
			require.NoError(t, layers[i].Close())
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "image.tar")
	for name, content := range map[string][]byte{
		"no archive": []byte("no archive at all"), "no manifest": archive(t, [2]string{"x", "y"}),
		"two images": archive(t, [2]string{"manifest.json", `[{"Config":"a"},{"Config":"b"}]`}),
		"no config":  archive(t, [2]string{"manifest.json", `[{"Config":"a","Layers":["b"]}]`}),
	} {
		require.NoError(t, os.WriteFile(file, content, 0o644))
		_, err := Open(file)
		require.Error(t, err, name)
	}
	_, err := Open(file + "-missing")
	require.ErrorIs(t, err, os.ErrNotExist)
}
