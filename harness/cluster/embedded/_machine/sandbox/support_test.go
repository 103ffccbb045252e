package sandbox

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSupport(t *testing.T) {
	r := newRuntime(t)
	support, err := r.Support(t.Context())
	require.NoError(t, err)
	t.Logf("%+v", support)
	if os.Geteuid() != 0 {
		require.Equal(t, MappingSingle, support.Mapping)
	}
	if support.Memory == LimitWatch {
		require.NotEmpty(t, support.Missing)
		require.NotContains(t, support.Missing, "\n")
	}
	require.Empty(t, cgroups(t, r.Prefix))
}

func TestSupportNeedsTheAgent(t *testing.T) {
	r := &Runtime{Agent: "/missing/agent"}
	_, err := r.Support(t.Context())
	require.ErrorContains(t, err, "opening the sandbox agent")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestImage(t *testing.T) {
	r := newRuntime(t)
	config, err := r.Image("probe")
	require.NoError(t, err)
	require.Equal(t, ImageConfig{Cmd: []string{"probe"}, Env: []string{"PATH=/bin"}, User: "1000"}, config)
	_, err = r.Image("other")
	require.ErrorIs(t, err, ErrNoImage)
}

func TestTheMachinesRootIsNoContainers(t *testing.T) {
	require.Equal(t, []Mapping{MappingSingle}, mappings(1000, "         0          0 4294967295"))
	require.Equal(t, []Mapping{MappingRange}, mappings(0, "         0          0 4294967295"))
	require.Equal(t, []Mapping{MappingRange, MappingSingle}, mappings(0, "         0       1000          1\n         1     100000      65536"))
}
