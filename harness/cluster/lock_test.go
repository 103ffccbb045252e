package cluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLock(t *testing.T) {
	home := t.TempDir()
	c, other := barn{farm: kind, name: "n"}, barn{farm: embedded, name: "n"}
	release, err := Lock(t.Context(), home, c, nil)
	require.NoError(t, err)
	free, err := Lock(t.Context(), home, other, nil)
	require.NoError(t, err, "another provider's cluster of that name is another cluster")
	free()

	var said []string
	say := func(line string) { said = append(said, line) }
	ctx, cancel := context.WithTimeout(t.Context(), 350*time.Millisecond)
	defer cancel()
	_, err = Lock(ctx, home, c, say)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, []string{"another command is using the kind cluster n; waiting for it to finish"}, said)

	time.AfterFunc(50*time.Millisecond, release)
	release, err = Lock(t.Context(), home, c, say)
	require.NoError(t, err)
	release()
}

func TestLockSaysWhatIsWrong(t *testing.T) {
	_, err := Lock(t.Context(), filepath.Join(t.TempDir(), "missing"), barn{farm: kind, name: "n"}, nil)
	require.ErrorContains(t, err, "missing")
}

// TestLockGoesWithItsCluster releases the lock of a cluster that is there, and
// of one that is not.
func TestLockGoesWithItsCluster(t *testing.T) {
	home, there := t.TempDir(), farm{name: "kind", there: "n"}
	for _, c := range []barn{{farm: there, name: "n"}, {farm: kind, name: "n"}} {
		release, err := Lock(t.Context(), home, c, nil)
		require.NoError(t, err)
		release()
		assert.Equal(t, c.Exists(), len(files(t, home)) == 1, "%v", files(t, home))
	}
}

// countTo is how far each of the processes below counts.
const countTo = 200

// TestLockOfTwoProcesses has processes count in a file, each number under a
// lock that goes away with every release.
func TestLockOfTwoProcesses(t *testing.T) {
	if home := os.Getenv("LOCK_TEST_HOME"); home != "" {
		count(t, home)
		return
	}
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, "count"), []byte("0"), 0o600))
	var counters []*exec.Cmd
	for range 2 {
		counter := exec.Command(os.Args[0], "-test.run", "^TestLockOfTwoProcesses$")
		counter.Env = append(os.Environ(), "LOCK_TEST_HOME="+home)
		counter.Stderr = os.Stderr
		require.NoError(t, counter.Start())
		counters = append(counters, counter)
	}
	for _, counter := range counters {
		assert.NoError(t, counter.Wait())
	}
	counted, err := os.ReadFile(filepath.Join(home, "count"))
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint(len(counters)*countTo), string(counted), "no number was counted twice")
	assert.Equal(t, []string{"count"}, files(t, home), "no lock is left")
}

// count adds to the number in a file, again and again.
func count(t *testing.T, home string) {
	file := filepath.Join(home, "count")
	for range countTo {
		release, err := Lock(t.Context(), home, barn{farm: kind, name: "n"}, func(string) {})
		require.NoError(t, err)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var n int
		_, err = fmt.Sscan(string(text), &n)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, fmt.Append(nil, n+1), 0o600))
		release()
	}
}

// TestLockIsTheWaitersAfterAKill kills a process that holds the lock: the one
// that waits has it, and a third does not.
func TestLockIsTheWaitersAfterAKill(t *testing.T) {
	if home := os.Getenv("LOCK_TEST_HOME"); home != "" {
		_, err := Lock(t.Context(), home, barn{farm: kind, name: "n"}, nil)
		require.NoError(t, err)
		fmt.Println("locked")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	home := t.TempDir()
	holder := exec.Command(os.Args[0], "-test.run", "^TestLockIsTheWaitersAfterAKill$")
	holder.Env = append(os.Environ(), "LOCK_TEST_HOME="+home)
	_, err := holder.StdinPipe()
	require.NoError(t, err)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "locked\n", line)

	time.AfterFunc(50*time.Millisecond, func() { _ = holder.Process.Kill() })
	release, err := Lock(t.Context(), home, barn{farm: kind, name: "n"}, func(string) {})
	require.NoError(t, err)
	require.Error(t, holder.Wait())
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	_, err = Lock(ctx, home, barn{farm: kind, name: "n"}, func(string) {})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	release()
	assert.Empty(t, files(t, home))
}
