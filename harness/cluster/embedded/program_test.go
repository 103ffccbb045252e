package embedded

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"

	"rolecall/harness/cluster/labimage"
	"rolecall/harness/cluster/pieces"
)

// TestVersionsAreThoseOfThePieces holds the machine's go.mod to the one place
// that says which versions a cluster is made of.
func TestVersionsAreThoseOfThePieces(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeModule(t.Context(), dir))
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	mod, err := modfile.Parse("go.mod", text, nil)
	require.NoError(t, err)
	found := map[string]string{}
	for _, r := range mod.Require {
		found[r.Mod.Path] = r.Mod.Version
	}
	assert.Equal(t, pieces.Kubernetes, found["k8s.io/kubernetes"])
	assert.Equal(t, pieces.Etcd, found["go.etcd.io/etcd/server/v3"])
	for _, r := range mod.Replace {
		assert.Equal(t, pieces.KubernetesStaging, r.New.Version, r.Old.Path)
	}
}

// TestMachine runs the tests of the machine's own module, with the settings
// that it is compiled with. It compiles Kubernetes where nobody has before.
func TestMachine(t *testing.T) {
	if _, err := Possible(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	require.NoError(t, writeModule(t.Context(), dir))
	image, err := labimage.Archive(t.Context(), t.TempDir(), runtime.GOARCH, nil)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "go", "test", "-v", "-vet=off", "-trimpath", "-count=1", "-timeout=20m", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off", "LAB_IMAGE="+image)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) { // of those skipped, each runs elsewhere, in a process of less rights
		if strings.HasPrefix(line, "ok") {
			t.Log(strings.TrimSpace(line))
		}
	}
}
