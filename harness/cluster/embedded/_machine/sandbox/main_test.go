package sandbox

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// built is the folder with the agent, the probe and its image. The tests run again as an ordinary user find it in the environment.
var built = os.Getenv("SANDBOX_TEST_BUILT")

func TestMain(m *testing.M) {
	if os.Getenv("SANDBOX_TEST_RESTRICTED") == "1" {
		runtime.LockOSThread()
		restrict()
	}
	if os.Getenv("SANDBOX_TEST_NODE") != "" {
		node()
		return
	}
	os.Exit(withBuilt(m))
}

func withBuilt(m *testing.M) int {
	if built != "" {
		return m.Run()
	}
	var err error
	built, err = os.MkdirTemp("", "sandbox-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(built)
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build() error {
	for name, folder := range map[string]string{"agent": "./agent", "probe": "./testdata/probe"} {
		command := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(built, name), folder)
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", folder, err, output)
		}
	}
	// As in a home folder that nobody else can enter: the agent has to start nevertheless.
	if err := os.Chmod(filepath.Join(built, "agent"), 0o700); err != nil {
		return err
	}
	probe, err := os.ReadFile(filepath.Join(built, "probe"))
	if err != nil {
		return err
	}
	layer := archive(
		tar.Header{Name: "bin/", Mode: 0o755},
		tar.Header{Name: "bin/probe", Mode: 0o755, PAXRecords: content(string(probe))},
		tar.Header{Name: "etc/", Mode: 0o755},
		tar.Header{Name: "etc/passwd", Mode: 0o644, PAXRecords: content("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")},
		tar.Header{Name: "etc/plain", Mode: 0o644, PAXRecords: content("not a program")},
		tar.Header{Name: "etc/text", Mode: 0o755, PAXRecords: content("no interpreter")},
		tar.Header{Name: "lower/", Mode: 0o755},
		tar.Header{Name: "lower/file", Mode: 0o644, PAXRecords: content("lower")},
		tar.Header{Name: "tmp/", Mode: 0o1777},
	)
	return os.WriteFile(filepath.Join(built, "image.tar"), save(layer), 0o644)
}

// content marks what archive writes as the file's content.
func content(text string) map[string]string { return map[string]string{"TEST.content": text} }

func archive(headers ...tar.Header) []byte {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, header := range headers {
		text := header.PAXRecords["TEST.content"]
		header.PAXRecords, header.Size = nil, int64(len(text))
		must(writer.WriteHeader(&header))
		_, err := io.WriteString(writer, text)
		must(err)
	}
	must(writer.Close())
	return buffer.Bytes()
}

// save makes what `docker save` writes of an image with these layers.
func save(layers ...[]byte) []byte {
	names := []string{}
	headers := []tar.Header{{Name: "config.json", Mode: 0o644, PAXRecords: content(`{"config":{"Cmd":["probe"],"Env":["PATH=/bin"],"User":"1000"}}`)}}
	for i, layer := range layers {
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
		headers = append(headers, tar.Header{Name: names[i], Mode: 0o644, PAXRecords: content(string(layer))})
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "Layers": names}})
	must(err)
	return archive(append(headers, tar.Header{Name: "manifest.json", Mode: 0o644, PAXRecords: content(string(manifest))})...)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
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
	require.NoError(t, exec.Command("cp", "-r", built, os.Args[0], folder).Run())
	require.NoError(t, exec.Command("chown", "-R", fmt.Sprint(nobody), folder).Run())
	command := exec.Command(filepath.Join(folder, filepath.Base(os.Args[0])), "-test.v", "-test.timeout=3m", "-test.skip=TestAsOrdinaryUser")
	command.Dir = folder
	command.Env = append(os.Environ(), "SANDBOX_TEST_BUILT="+filepath.Join(folder, filepath.Base(built)), "HOME=/")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	if testing.Verbose() {
		t.Logf("%s", output)
	}
}

const own, service = "10.244.0.5", "10.96.0.1"

var count atomic.Int64

func newRuntime(t testing.TB) *Runtime {
	r := &Runtime{
		Agent: filepath.Join(built, "agent"), Images: map[string]string{"probe": filepath.Join(built, "image.tar")},
		Prefix: fmt.Sprintf("sandboxtest-%d", os.Getpid()),
	}
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func podSpec() PodSpec {
	return PodSpec{
		UID: fmt.Sprint(count.Add(1)), Name: "test", Hostname: "web-0",
		Addresses: []netip.Addr{netip.MustParseAddr(own), netip.MustParseAddr(service)},
	}
}

func newPod(t testing.TB, r *Runtime) *Pod {
	p, err := r.Start(t.Context(), podSpec())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func command(arguments ...string) ContainerSpec {
	return ContainerSpec{Name: "main", Image: "probe", Args: append([]string{"probe"}, arguments...), Env: []string{"PATH=/bin"}}
}

// sleeping starts a container that stays, to execute things in.
func sleeping(t testing.TB, p *Pod, change func(*ContainerSpec)) {
	spec := command("sleep")
	if change != nil {
		change(&spec)
	}
	_, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
}

// runs runs a container to its end and returns what it wrote.
func runs(t testing.TB, p *Pod, spec ContainerSpec) (string, Exit) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	spec.Stdout, spec.Stderr = writer, writer
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	return ends(t, process, reader)
}

// executes does the same for a command in the container "main".
func executes(t testing.TB, p *Pod, arguments ...string) (string, Exit) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	process, err := p.Exec(t.Context(), "main", ExecSpec{Args: append([]string{"probe"}, arguments...), Stdout: writer, Stderr: writer})
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	return ends(t, process, reader)
}

func ends(t testing.TB, process *Process, output io.ReadCloser) (string, Exit) {
	defer output.Close()
	written, err := io.ReadAll(output)
	require.NoError(t, err)
	exit, err := waits(t, process)
	require.NoError(t, err)
	return string(written), exit
}

func waits(t testing.TB, process *Process) (Exit, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	select {
	case <-process.Done():
	case <-ctx.Done():
		require.Fail(t, "the process does not end")
	}
	return process.Wait()
}

// eventually waits for something that other processes bring about.
func eventually(t testing.TB, what string, is func() bool) {
	require.Eventually(t, is, 5*time.Second, 5*time.Millisecond, what)
}

// processes counts those on this machine that have the text in their command line.
func processes(t testing.TB, text string) int {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), text) {
			found++
		}
	}
	return found
}
