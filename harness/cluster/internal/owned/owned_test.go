package owned

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/cluster"
	"rolecall/harness/next"
)

func complete(t *testing.T) *Cluster {
	t.Helper()
	c := New(cluster.Options{Home: t.TempDir()}, "kind", "n")
	require.NoError(t, os.MkdirAll(c.Folder(), 0o700))
	require.NoError(t, c.Complete([]byte("same")))
	return &c
}

func TestFoundIsRememberedOnce(t *testing.T) {
	c := complete(t)
	assert.False(t, c.StillThere(), "nobody has looked")
	c.Found()
	assert.True(t, c.StillThere())
	assert.False(t, c.StillThere(), "later it may be another matter")
}

// TestFoundIsForgotten has another command delete, or replace, a cluster that
// was found running.
func TestFoundIsForgotten(t *testing.T) {
	for name, meanwhile := range map[string]func(*Cluster) error{
		"deleted":  func(c *Cluster) error { return os.RemoveAll(c.Folder()) },
		"replaced": func(c *Cluster) error { return c.Complete([]byte("same")) },
		"down":     (*Cluster).Delete,
	} {
		t.Run(name, func(t *testing.T) {
			c := complete(t)
			c.Found()
			require.NoError(t, meanwhile(c))
			assert.False(t, c.StillThere())
		})
	}
}

func TestWriteKubeconfig(t *testing.T) {
	c := complete(t)
	require.NoError(t, os.WriteFile(c.Kubeconfig(), []byte("private"), 0o600))
	file := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, c.WriteKubeconfig(t.Context(), file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "private", string(text))
}

// half is a cluster that could not be brought up.
type half struct {
	cluster.Owned
	down error
}

func (h half) Down(ctx context.Context) error { return errors.Join(h.down, ctx.Err()) }

func TestAbandon(t *testing.T) {
	reason := next.Errorf("make doctor", "starting: controller.go:12: it did not start")
	assert.Equal(t, reason, Abandon(t.Context(), half{}, reason))

	err := Abandon(t.Context(), half{down: errors.New("it is stuck")}, reason)
	require.EqualError(t, err, "starting: controller.go:12: it did not start (and then: it is stuck)")
	assert.Equal(t, "make doctor", next.Of(err))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, context.Canceled, Abandon(ctx, half{}, reason), "what broke because of an interruption is no reason")
}
