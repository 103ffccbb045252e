//go:build unix

package intake

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPipeIsRefused before anything opens it: that would wait for a writer.
func TestPipeIsRefused(t *testing.T) {
	dir := directory(t, good)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "lab-1/pipe"), 0o644))
	_, err := takeFrom(t, dir, t.TempDir())
	refusal, ok := AsRefusal(err)
	require.True(t, ok, "%v", err)
	assert.Contains(t, refusal.Reason, "named pipe")
}
