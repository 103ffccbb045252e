package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/gocommand"
)

// ordinary is the number of a user and of a group that have nothing here.
const ordinary = 64999

// TestEmbeddedOneFile runs what make dist makes on machines that have nothing:
// no Go, no engine, no network, and no file of rolecall's but the one.
func TestEmbeddedOneFile(t *testing.T) {
	only(t, "embedded")
	if _, err := exec.LookPath("zstd"); err != nil {
		t.Skip("make dist needs zstd: ", err)
	}
	file := filepath.Join(t.TempDir(), "rolecall")
	for _, arguments := range [][]string{
		{"run", "./harness/cluster/pack", "-level=9", runtime.GOARCH},
		{"build", "-tags", "onefile", "-ldflags=-s -w -X rolecall/harness/grade.release=v1.2.3", "-o", file, "."},
	} {
		out, err := gocommand.New(t.Context(), "../..", "", "", "", arguments...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	info, err := os.Stat(file)
	require.NoError(t, err)
	t.Logf("the one file: %.1f MB", float64(info.Size())/1e6)
	assert.Less(t, info.Size(), int64(110e6), "packed harder, as make dist does, it is 6 MB less")

	t.Run("an ordinary user without a network", func(t *testing.T) {
		home := t.TempDir()
		for _, of := range []string{home, filepath.Dir(file)} {
			for folder := of; folder != os.TempDir(); folder = filepath.Dir(folder) {
				require.NoError(t, os.Chmod(folder, 0o755))
			}
		}
		require.NoError(t, os.Chown(home, ordinary, ordinary))
		alone(t, func(words string) (string, error) {
			script := fmt.Sprintf("ip link set lo up && cd %s && exec setpriv --reuid=%d --regid=%d --clear-groups env -i HOME=%s PATH=/usr/bin:/bin TMPDIR=/tmp %s %s", home, ordinary, ordinary, home, file, words)
			out, err := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", script).CombinedOutput()
			return string(out), err
		})
	})

	t.Run("root of a bare container without a network", func(t *testing.T) {
		image := debianImage(t)
		name := fmt.Sprintf("rolecall-onefile-%d", os.Getpid())
		out, err := exec.Command("docker", "run", "--detach", "--rm", "--name", name, "--network=none",
			"--volume="+file+":/opt/rolecall:ro", "--entrypoint=sleep", image, "infinity").CombinedOutput()
		require.NoError(t, err, "%s", out)
		t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", name).Run() })
		alone(t, func(words string) (string, error) {
			out, err := exec.CommandContext(t.Context(), "docker", "exec", "--workdir=/root", name, "sh", "-c", "exec /opt/rolecall "+words).CombinedOutput()
			return string(out), err
		})
	})
}

// alone uses rolecall as a learner does who has nothing else.
func alone(t *testing.T, rolecall func(words string) (string, error)) {
	for _, again := range []string{"first", "second"} {
		said, took, err := timed(rolecall, "demo")
		require.NoError(t, err, said)
		assert.Contains(t, said, "27 of 27 checks passed, 100 of 100 points")
		t.Logf("the %s verdict on the whole walkthrough: after %.1f s", again, took.Seconds())
		said, err = rolecall("down")
		require.NoError(t, err, said)
	}

	said, err := rolecall("lab 1")
	require.Error(t, err, "not yet")
	assert.Contains(t, said, "Edit work/lab-1/pod.yaml, then run ")
	assert.NotContains(t, said, "make ")
	said, err = rolecall("task 1")
	require.NoError(t, err, said)
	assert.Contains(t, said, "# Running a pod and calling without a credential")
	said, err = rolecall("kubectl get nodes")
	require.NoError(t, err, said)
	assert.Contains(t, said, "Ready")
	said, err = rolecall("version")
	require.NoError(t, err, said)
	assert.Equal(t, "v1.2.3\n", said)
	said, err = rolecall("down")
	require.NoError(t, err, said)
}

// timed is a call and how long it took.
func timed(rolecall func(words string) (string, error), words string) (said string, took time.Duration, err error) {
	began := time.Now()
	said, err = rolecall(words)
	return said, time.Since(began), err
}

// debianImage is a bare Debian that the engine has: the one that kind's node
// image is built upon.
func debianImage(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("docker", "images", "--quiet", "rolecall.local/node-base").Output()
	image, _, _ := strings.Cut(string(out), "\n")
	if err != nil || image == "" {
		t.Skip("there is no Debian image here: run make demo CLUSTER=kind, which builds one, with Docker")
	}
	return image
}
