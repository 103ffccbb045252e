package onefile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packed is an archive of small files.
func packed(t *testing.T, names ...string) []byte {
	t.Helper()
	files := map[string]string{}
	for _, name := range names {
		files[name] = filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(files[name], []byte("the "+name), 0o600))
	}
	var archive, packed bytes.Buffer
	require.NoError(t, collect(&archive, files))
	encoder, err := zstd.NewWriter(&packed)
	require.NoError(t, err)
	_, err = encoder.Write(archive.Bytes())
	require.NoError(t, errors.Join(err, encoder.Close()))
	return packed.Bytes()
}

func TestUnpackGivesWhatWasPacked(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, unpack(bytes.NewReader(packed(t, Machine, LabImage)), folder))
	content, err := os.ReadFile(filepath.Join(folder, Machine))
	require.NoError(t, err)
	assert.Equal(t, "the machine", string(content))
	for name, mode := range map[string]os.FileMode{Machine: 0o755, LabImage: 0o644} {
		info, err := os.Stat(filepath.Join(folder, name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), name)
	}
}

func TestSameFilesGiveTheSameBytes(t *testing.T) {
	assert.Equal(t, packed(t, Machine, Agent), packed(t, Agent, Machine))
}

func TestUnpackRefusesWhatIsDamaged(t *testing.T) {
	whole := packed(t, Machine)
	require.Error(t, unpack(bytes.NewReader(whole[:len(whole)-5]), t.TempDir()))
	require.Error(t, unpack(bytes.NewReader(packed(t, "../outside")), t.TempDir()))
}

func TestFromSourceNothingIsCarried(t *testing.T) {
	assert.False(t, Carried())
}
