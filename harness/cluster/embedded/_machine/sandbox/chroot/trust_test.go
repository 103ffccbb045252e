package chroot

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

// TestWhoRunsAsWhom asks the host, which no name in the pod deceives.
func TestWhoRunsAsWhom(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	marker := fmt.Sprintf("whom-%d", os.Getpid())
	spec := podtest.Command("sleep", marker+"-first")
	spec.User, spec.Group = 1000, 1000
	_, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	_, err = p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "sleep", marker + "-executed"}})
	require.NoError(t, err)
	c := p.containers["main"]
	require.Zero(t, podtest.User(t, c.agent.PID()))
	require.Equal(t, c.user, podtest.User(t, podtest.PID(t, marker+"-first")))
	require.Equal(t, c.user+1, podtest.User(t, podtest.PID(t, marker+"-executed")))
}
