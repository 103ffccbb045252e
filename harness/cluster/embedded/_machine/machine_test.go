package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"

	"rolecall.build/machine/sandbox"
)

// TestMain lets the test binary be the machine it tests, and kubectl.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "serve":
		main()
		return
	case len(os.Args) > 1 && os.Args[1] == "kubectl":
		os.Args = os.Args[1:]
		if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
			util.CheckErr(err)
		}
		return
	}
	folder, err := os.MkdirTemp("", "machine-")
	if err == nil {
		agent = filepath.Join(folder, "agent")
		err = exec.Command("go", "build", "-trimpath", "-o", agent, "./sandbox/agent").Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compiling the sandbox's agent:", err)
		os.Exit(1)
	}
	status := m.Run()
	os.RemoveAll(folder)
	os.Exit(status)
}

// agent is the path of the sandbox's program.
var agent string

// machine is a running `machine serve`.
type machine struct {
	*exec.Cmd
	dir   string
	stdin io.Closer
	ready *os.File
	log   string
}

func start(t testing.TB, dir string, more ...string) *machine {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	policy := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"), 0o600))
	m := &machine{dir: dir, log: filepath.Join(dir, "log")}
	m.Cmd = exec.Command(os.Args[0], append([]string{"serve", "-dir", dir, "-audit-policy", policy, "-sandbox", agent}, more...)...)
	log, err := os.OpenFile(m.log, os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	m.Stderr = log
	m.stdin, err = m.StdinPipe()
	require.NoError(t, err)
	ready, child, err := os.Pipe()
	require.NoError(t, err)
	m.ready = ready
	m.ExtraFiles = []*os.File{child}
	require.NoError(t, m.Start())
	child.Close()
	t.Cleanup(func() {
		_ = m.Process.Kill() // most have ended
		_ = m.Wait()
		ready.Close()
	})
	return m
}

// waitReady returns when the machine has said so.
func (m *machine) waitReady(t testing.TB) {
	t.Helper()
	said, err := io.ReadAll(m.ready)
	require.NoError(t, err)
	if !strings.HasPrefix(string(said), "ready\n") {
		log, _ := os.ReadFile(m.log)
		require.FailNow(t, "the machine has ended", "%s", log)
	}
}

func (m *machine) kubectl(t testing.TB, args ...string) (string, int) {
	t.Helper()
	command := exec.Command(os.Args[0], append([]string{"kubectl", "--kubeconfig", filepath.Join(m.dir, "kubeconfig")}, args...)...)
	out, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return string(out), command.ProcessState.ExitCode()
}

// resident is the process's resident memory in MiB.
func (m *machine) resident(t testing.TB) (mib int) {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", m.Process.Pid))
	require.NoError(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "VmRSS: %d kB", &mib); err == nil {
			return mib / 1024
		}
	}
	require.FailNow(t, "no VmRSS")
	return 0
}

func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-name-", 12)) // longer than a socket's address may be
	m := start(t, dir)
	m.waitReady(t)

	info, err := os.Stat(filepath.Join(dir, "kubeconfig"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	pid, err := os.ReadFile(filepath.Join(dir, "lock"))
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintln(m.Process.Pid), string(pid))

	out, code := m.kubectl(t, "get", "nodes,services", "--all-namespaces")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "service/kubernetes")
	out, code = m.kubectl(t, "get", "nosuch")
	assert.Equal(t, 1, code, out)

	same := exec.Command(os.Args[0], m.Args[1:]...)
	said, err := same.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(said), fmt.Sprintf("another machine is running there; run kill %d", m.Process.Pid))

	second := start(t, filepath.Join(t.TempDir(), "second"))
	second.waitReady(t)
	out, code = second.kubectl(t, "get", "--raw", "/readyz")
	assert.Zero(t, code, out)

	time.Sleep(2 * time.Second)
	t.Logf("resident after ready: %d MiB and %d MiB", m.resident(t), second.resident(t))

	asked := time.Now()
	require.NoError(t, m.Process.Signal(syscall.SIGTERM))
	require.NoError(t, m.Wait())
	assert.Less(t, time.Since(asked), 2*time.Second)
	assert.NoFileExists(t, filepath.Join(dir, "kubeconfig"))
	assert.NoDirExists(t, filepath.Join(dir, "pki"))
	assert.NoDirExists(t, filepath.Join(dir, "etcd"))
}

func TestKilled(t *testing.T) {
	dir := t.TempDir()
	m := start(t, dir)
	m.waitReady(t)
	require.NoError(t, m.Process.Kill())
	require.Error(t, m.Wait())
	assert.FileExists(t, filepath.Join(dir, "lock"))

	again := start(t, dir)
	again.waitReady(t)
	assert.NotEqual(t, m.Process.Pid, again.Process.Pid)
}

// TestNodeFails gives the node an image that is not there.
func TestNodeFails(t *testing.T) {
	began := time.Now()
	m := start(t, t.TempDir(), "-image", "labs.local/none:1=/nowhere")
	require.Error(t, m.Wait())
	log, err := os.ReadFile(m.log)
	require.NoError(t, err)
	assert.Contains(t, string(log), "machine serve: running the node: ")
	assert.Contains(t, string(log), "/nowhere")
	assert.Less(t, time.Since(began), 20*time.Second, "it does not wait for a node that has failed")
}

// TestFullDisk fills the disk of a machine: what cannot be recorded is refused,
// and the log says why.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skip("mounting a small disk: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	m := start(t, filepath.Join(dir, "machine"))
	m.waitReady(t)
	out, code := m.kubectl(t, "get", "services")
	require.Zero(t, code, out)
	fill, err := os.Create(filepath.Join(dir, "full"))
	require.NoError(t, err)
	defer fill.Close()
	_, err = io.Copy(fill, zeros{})
	require.ErrorIs(t, err, syscall.ENOSPC)
	for range 20 { // the log has room for some events yet, to the end of its last page
		if out, code = m.kubectl(t, "get", "--raw", "/version"); code != 0 {
			break
		}
	}
	assert.NotZero(t, code, "what is not recorded is not answered: %s", out)
	assert.Contains(t, out, "failed to store audit event")
}

// zeros are as many as anybody reads.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestParentEnds(t *testing.T) {
	m := start(t, t.TempDir())
	time.Sleep(200 * time.Millisecond)
	require.NoError(t, m.stdin.Close())
	ended := make(chan error, 1)
	go func() { ended <- m.Wait() }()
	select {
	case err := <-ended:
		require.Error(t, err)
	case <-time.After(4 * time.Second):
		require.FailNow(t, "still running")
	}
}

func TestParentEndsLater(t *testing.T) {
	m := start(t, t.TempDir())
	m.waitReady(t)
	require.NoError(t, m.stdin.Close())
	time.Sleep(500 * time.Millisecond)
	out, code := m.kubectl(t, "get", "--raw", "/readyz")
	assert.Zero(t, code, out)
}

func TestNotes(t *testing.T) {
	assert.Empty(t, notes(sandbox.Support{Memory: sandbox.LimitCgroup2, CPU: sandbox.LimitCgroup2}))
	assert.Equal(t, "CPU limits are not enforced; control groups are unavailable here (no cpu controller)",
		notes(sandbox.Support{Memory: sandbox.LimitCgroup2, CPU: sandbox.LimitNone, Missing: "no cpu controller"}))
	assert.Equal(t, "CPU limits are not enforced, and memory limits are enforced by measuring, 20 times a second; control groups are unavailable here (not delegated)",
		notes(sandbox.Support{Memory: sandbox.LimitWatch, CPU: sandbox.LimitNone, Missing: "not delegated"}))
	assert.Contains(t, notes(sandbox.Support{Memory: sandbox.LimitWatch, CPU: sandbox.LimitNone, Weaker: "pods are chroots", Why: "seccomp"}), "CPU limits are not enforced")
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		m := start(b, b.TempDir())
		m.waitReady(b)
		b.StopTimer()
		require.NoError(b, m.Process.Signal(syscall.SIGTERM))
		require.NoError(b, m.Wait())
		b.StartTimer()
	}
}
