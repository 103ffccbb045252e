package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shell", "0.log")
	log, err := newLogFile(path)
	require.NoError(t, err)
	stream := log.stream(stdoutName)
	for _, part := range []string{"one\ntw", "o\n", "thr", "ee"} {
		_, err := stream.Write([]byte(part))
		require.NoError(t, err)
	}
	require.NoError(t, stream.Close())
	require.NoError(t, log.Close())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	require.Len(t, lines, 3)
	require.Regexp(t, `^\S+ stdout F one$`, lines[0])
	require.Regexp(t, `^\S+ stdout F two$`, lines[1])
	require.Regexp(t, `^\S+ stdout P three$`, lines[2])
	require.Equal(t, "two\nthree\n", log.tail(2, 100))
}

func TestLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	log, err := newLogFile(filepath.Join(dir, "0.log"))
	require.NoError(t, err)
	stream := log.stream(stdoutName)
	chunk := bytes.Repeat([]byte("services\n"), 3640) // 32 KiB
	for range 4 * logSize / len(chunk) {
		_, err := stream.Write(chunk)
		require.NoError(t, err)
	}
	require.NoError(t, log.Close())
	size := int64(0)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		size += info.Size()
	}
	require.Len(t, files, 2)
	require.Less(t, size, int64(2*logSize+1<<20))
}
