package choice

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	for wish, kind := range map[string]string{"auto": "kind", "kind": "kind", "existing": "existing"} {
		_, got, err := Wish{Cluster: wish}.Choose()
		require.NoError(t, err)
		assert.Equal(t, kind, got)
	}
	_, _, err := Wish{Cluster: "minikube"}.Choose()
	assert.ErrorContains(t, err, "CLUSTER is auto, kind or existing")
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
