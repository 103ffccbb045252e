package grade

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/cluster"
)

// provider notes whose clusters are asked for.
type provider struct {
	cluster.Provider // the rest, which is not asked
	asked            []string
}

func (p *provider) Name() string { return "fake" }
func (p *provider) Cluster(name string) cluster.Cluster {
	p.asked = append(p.asked, name)
	return &broken{}
}

// TestWhatAKilledRunLeft: workers that this run does not use are cleared,
// whichever of them had ended, and nobody else's.
func TestWhatAKilledRunLeft(t *testing.T) {
	p := &provider{}
	w := Workers{Provider: p, Home: t.TempDir(), Name: "class"}
	folder := func(name string) string { return filepath.Join(w.Home, "grading", name) }
	for _, name := range []string{"fake-class-1", "fake-class-3", "fake-class-12", "fake-class-x", "fake-class-0", "fake-other-7", "kind-class-9"} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder(name), "half"), 0o700))
	}
	require.NoError(t, w.prepare(t.Context(), 2))
	assert.Equal(t, []string{ClusterName("class-3"), ClusterName("class-12")}, p.asked)
	for _, name := range []string{"fake-class-1", "fake-class-2", "fake-class-x", "fake-other-7", "kind-class-9"} {
		assert.DirExists(t, folder(name))
	}
	assert.NoDirExists(t, folder("fake-class-3"))
	assert.NoDirExists(t, folder("fake-class-12"))
}
