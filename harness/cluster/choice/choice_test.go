package choice

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/cluster/embedded"
)

func TestChoose(t *testing.T) {
	for _, name := range []string{"kind", "embedded", "existing"} {
		_, kind, err := Wish{Cluster: name, Home: t.TempDir()}.Choose(t.Context())
		require.NoError(t, err)
		assert.Equal(t, name, kind)
	}
	_, _, err := Wish{Cluster: "minikube"}.Choose(t.Context())
	assert.ErrorContains(t, err, "CLUSTER is auto, kind, embedded or existing")
	_, _, err = Wish{Cluster: "existing"}.Own(t.Context())
	assert.ErrorContains(t, err, "this command is for one of ours")
}

// TestAutoWithoutAnEngine has no program in PATH.
func TestAutoWithoutAnEngine(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var said []string
	_, kind, err := Wish{Cluster: "auto", Home: t.TempDir(), Say: func(line string) { said = append(said, line) }}.Choose(t.Context())
	if _, impossible := embedded.Possible(); impossible != nil {
		assert.ErrorContains(t, err, "neither kind (no container engine is installed) nor embedded")
		return
	}
	require.NoError(t, err)
	assert.Equal(t, "embedded", kind)
	assert.Equal(t, []string{"cluster: embedded, since no container engine is installed"}, said)
}

func TestThereIsWhatHasAFolder(t *testing.T) {
	home := t.TempDir()
	assert.Empty(t, Wish{Cluster: "auto", Name: "n", Home: home}.There())
	require.NoError(t, os.MkdirAll(filepath.Join(home, "embedded", "n"), 0o700))
	assert.Len(t, Wish{Cluster: "auto", Name: "n", Home: home}.There(), 1)
	assert.Len(t, Wish{Cluster: "kind", Name: "n", Home: home}.There(), 1, "asked for by name")
}

func TestAloneKeepsOthersOut(t *testing.T) {
	var said []string
	wish := Wish{Name: "n", Home: t.TempDir(), Say: func(line string) { said = append(said, line) }}
	release, err := wish.Alone(t.Context())
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = wish.Alone(ctx)
	require.ErrorContains(t, err, "waiting for the other command")
	assert.Len(t, said, 1)

	release()
	release, err = wish.Alone(t.Context())
	require.NoError(t, err)
	release()
}

func TestHomeSaysWhereElse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Home(filepath.Join(file, "home"))
	assert.ErrorContains(t, err, "ROLECALL_HOME=dir")
}
