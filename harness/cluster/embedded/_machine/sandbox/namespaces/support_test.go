package namespaces

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"
)

func TestSupport(t *testing.T) {
	r := newRuntime(t)
	support := r.Support()
	t.Logf("%+v", support)
	if os.Geteuid() != 0 {
		require.Equal(t, sandbox.ModeRootless, support.Mode)
	}
	if support.Memory == sandbox.LimitWatch {
		require.NotEmpty(t, support.Missing)
		require.NotContains(t, support.Missing, "\n")
	}
	require.Empty(t, left(t, r.prefix))
}

func TestNoImage(t *testing.T) {
	require.ErrorIs(t, newRuntime(t).Prepare(t.Context(), "other"), sandbox.ErrNoImage)
}

func TestTheMachinesRootIsNoContainers(t *testing.T) {
	require.Equal(t, []sandbox.Mode{sandbox.ModeRootless}, modes(1000, "         0          0 4294967295"))
	require.Equal(t, []sandbox.Mode{sandbox.ModeNamespaces}, modes(0, "         0          0 4294967295"))
	require.Equal(t, []sandbox.Mode{sandbox.ModeNamespaces, sandbox.ModeRootless}, modes(0, "         0       1000          1\n         1     100000      65536"))
}
