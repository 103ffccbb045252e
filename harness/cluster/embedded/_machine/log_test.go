package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLogIsBegunAnew(t *testing.T) {
	name := filepath.Join(t.TempDir(), "machine.log")
	log, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	agents, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer agents.Close()
	read := func(name string) string {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		return string(text)
	}
	for round := range 3 {
		line := strings.Repeat(string(rune('a'+round)), 99) + "\n"
		_, err = log.WriteString(line)
		require.NoError(t, err)
		require.NoError(t, beginAnew(log, 101))
		assert.Equal(t, line, read(name), "it is short")
		_, err = agents.WriteString("x")
		require.NoError(t, err)
		require.NoError(t, beginAnew(log, 100))
		assert.Empty(t, read(name))
		assert.Equal(t, line+"x", read(name+".1"))
	}
	read1, write, err := os.Pipe()
	require.NoError(t, err)
	defer read1.Close()
	defer write.Close()
	assert.NoError(t, beginAnew(write, 0), "a pipe has no length")
}
