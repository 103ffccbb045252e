package runtimes

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"
)

func TestOpenNeedsTheAgent(t *testing.T) {
	_, err := Open(t.Context(), sandbox.Config{Agent: "/missing/agent"})
	require.ErrorContains(t, err, "opening the sandbox agent")
	require.ErrorIs(t, err, os.ErrNotExist)
}
