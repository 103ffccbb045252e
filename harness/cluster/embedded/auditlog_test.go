package embedded

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/owned"
)

// TestAuditLogIsFollowedOverARenaming writes as the API server does, which
// renames a log that has become long.
func TestAuditLogIsFollowedOverARenaming(t *testing.T) {
	c := &Cluster{owned.New(cluster.Options{Home: t.TempDir()}, provider, "n")}
	require.NoError(t, os.MkdirAll(c.Folder(), 0o700))
	file := filepath.Join(c.Folder(), auditLog)
	require.NoError(t, os.WriteFile(file, []byte("before\n"), 0o600))
	log, err := c.AuditLog(t.Context())
	require.NoError(t, err)
	lines := bufio.NewScanner(log)

	write := func(f *os.File, text string) {
		_, err := fmt.Fprintln(f, text)
		require.NoError(t, err)
	}
	reads := func(text string) {
		require.True(t, lines.Scan())
		require.Equal(t, text, lines.Text())
	}
	for round := range 3 {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		write(f, fmt.Sprint(round, "first"))
		reads(fmt.Sprint(round, "first"))
		for i := range 1000 {
			write(f, fmt.Sprint(round, i))
		}
		require.NoError(t, os.Rename(file, file+fmt.Sprint(round)))
		write(f, fmt.Sprint(round, "last"))
		require.NoError(t, f.Close())
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		for i := range 1000 {
			reads(fmt.Sprint(round, i))
		}
		reads(fmt.Sprint(round, "last"))
	}
	require.NoError(t, log.Close())
	require.False(t, lines.Scan())
	require.NoError(t, lines.Err())
}
