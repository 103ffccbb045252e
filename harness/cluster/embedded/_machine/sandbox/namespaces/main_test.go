package namespaces

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/imagearchive"
	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

func TestMain(m *testing.M) {
	if os.Getenv("SANDBOX_TEST_NODE") != "" {
		node()
		return
	}
	os.Exit(podtest.Main(m))
}

// TestAsOrdinaryUser runs all other tests again, as a user without rights.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("they run so already")
	}
	const nobody = 65534
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Dir(folder)} {
		require.NoError(t, os.Chmod(path, 0o755))
	}
	require.NoError(t, exec.Command("cp", "-r", podtest.Built, os.Args[0], folder).Run())
	require.NoError(t, exec.Command("chown", "-R", fmt.Sprint(nobody), folder).Run())
	command := exec.Command(filepath.Join(folder, filepath.Base(os.Args[0])), "-test.v", "-test.timeout=3m", "-test.skip=TestAsOrdinaryUser")
	command.Dir = folder
	command.Env = append(os.Environ(), "SANDBOX_TEST_BUILT="+filepath.Join(folder, filepath.Base(podtest.Built)), "HOME=/")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	if testing.Verbose() {
		t.Logf("%s", output)
	}
}

func newRuntime(t testing.TB) *Runtime { return runtimeWith(t, podtest.Config(), podtest.Images()) }

func runtimeWith(t testing.TB, config sandbox.Config, images map[string]*imagearchive.Image) *Runtime {
	program, err := agents.Load(config.Agent)
	require.NoError(t, err)
	r, err := New(t.Context(), program, config)
	require.NoError(t, err)
	r.SetImages(images)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func newPod(t testing.TB, r *Runtime) *Pod { return podtest.NewPod(t, r).(*Pod) }
