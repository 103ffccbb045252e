// Package podtest is what the tests of pods in namespaces and of chroots share.
// It is in testdata so that it is no part of the program.
package podtest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/imagearchive"
	"rolecall.build/machine/sandbox"
)

// Built is the folder with the agent, the probe and its image. The tests run
// again as another user find it in the environment.
var Built = os.Getenv("SANDBOX_TEST_BUILT")

// Main runs tests once the programs are built.
func Main(m *testing.M) int {
	if Built != "" {
		return m.Run()
	}
	var err error
	Built, err = os.MkdirTemp("", "sandbox-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(Built)
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build() error {
	for name, folder := range map[string]string{"agent": "../agent", "probe": "../testdata/probe"} {
		command := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(Built, name), folder)
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", folder, err, output)
		}
	}
	// As in a home folder that nobody else can enter: the agent has to start
	// nevertheless.
	if err := os.Chmod(filepath.Join(Built, "agent"), 0o700); err != nil {
		return err
	}
	probe, err := os.ReadFile(filepath.Join(Built, "probe"))
	if err != nil {
		return err
	}
	layer := Archive(
		tar.Header{Name: "bin/", Mode: 0o755},
		tar.Header{Name: "bin/probe", Mode: 0o755, PAXRecords: Content(string(probe))},
		tar.Header{Name: "etc/", Mode: 0o755},
		tar.Header{Name: "etc/passwd", Mode: 0o644, PAXRecords: Content("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")},
		tar.Header{Name: "etc/plain", Mode: 0o644, PAXRecords: Content("not a program")},
		tar.Header{Name: "etc/text", Mode: 0o755, PAXRecords: Content("no interpreter")},
		tar.Header{Name: "lower/", Mode: 0o755},
		tar.Header{Name: "lower/file", Mode: 0o644, PAXRecords: Content("lower")},
		tar.Header{Name: "tmp/", Mode: 0o1777},
	)
	return os.WriteFile(filepath.Join(Built, "image.tar"), Save(layer), 0o644)
}

// Content marks what archive writes as the file's content.
func Content(text string) map[string]string { return map[string]string{"TEST.content": text} }

// Archive makes a layer.
func Archive(headers ...tar.Header) []byte {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, header := range headers {
		text := header.PAXRecords["TEST.content"]
		header.PAXRecords, header.Size = nil, int64(len(text))
		Must(writer.WriteHeader(&header))
		_, err := io.WriteString(writer, text)
		Must(err)
	}
	Must(writer.Close())
	return buffer.Bytes()
}

// Save makes what `docker save` writes of an image with these layers.
func Save(layers ...[]byte) []byte {
	names, diffIDs, headers := []string{}, []string{}, []tar.Header{}
	for i, layer := range layers {
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
		diffIDs = append(diffIDs, fmt.Sprintf("sha256:%x", sha256.Sum256(layer)))
		headers = append(headers, tar.Header{Name: names[i], Mode: 0o644, PAXRecords: Content(string(layer))})
	}
	config, err := json.Marshal(map[string]any{
		"config": map[string]any{"Cmd": []string{"probe"}, "Env": []string{"PATH=/bin"}, "User": "1000"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	Must(err)
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "Layers": names}})
	Must(err)
	return Archive(append(headers,
		tar.Header{Name: "config.json", Mode: 0o644, PAXRecords: Content(string(config))},
		tar.Header{Name: "manifest.json", Mode: 0o644, PAXRecords: Content(string(manifest))})...)
}

// Must panics.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Own and Service are addresses of a pod.
const Own, Service = "10.244.0.5", "10.96.0.1"

// Config is that of a runtime for tests.
func Config() sandbox.Config {
	return sandbox.Config{Agent: filepath.Join(Built, "agent"), Prefix: fmt.Sprintf("sandboxtest-%d", os.Getpid())}
}

// Images has the probe's.
func Images() map[string]*imagearchive.Image {
	probe, err := imagearchive.Open(filepath.Join(Built, "image.tar"))
	Must(err)
	return map[string]*imagearchive.Image{"probe": probe}
}

var count atomic.Int64

// PodSpec is a pod without limits.
func PodSpec() sandbox.PodSpec {
	return sandbox.PodSpec{
		UID: fmt.Sprint(count.Add(1)), Name: "test", Hostname: "web-0",
		Addresses: []netip.Addr{netip.MustParseAddr(Own), netip.MustParseAddr(Service)},
	}
}

// NewPod starts a pod that ends with the test.
func NewPod(t testing.TB, r sandbox.Runtime) sandbox.Pod { return StartPod(t, r, PodSpec()) }

// StartPod does the same for a spec.
func StartPod(t testing.TB, r sandbox.Runtime, spec sandbox.PodSpec) sandbox.Pod {
	p, err := r.Start(t.Context(), spec)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// Command is a container that runs a command of the probe.
func Command(arguments ...string) sandbox.ContainerSpec {
	return sandbox.ContainerSpec{Name: "main", Image: "probe", Args: append([]string{"probe"}, arguments...), Env: []string{"PATH=/bin"}}
}

// Sleeping starts a container that stays, to execute things in.
func Sleeping(t testing.TB, p sandbox.Pod, change func(*sandbox.ContainerSpec)) {
	spec := Command("sleep")
	if change != nil {
		change(&spec)
	}
	_, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
}

// Runs runs a container to its end and returns what it wrote.
func Runs(t testing.TB, p sandbox.Pod, spec sandbox.ContainerSpec) (string, sandbox.Exit) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	spec.Stdout, spec.Stderr = writer, writer
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	return Ends(t, process, reader)
}

// Executes does the same for a command in the container "main".
func Executes(t testing.TB, p sandbox.Pod, arguments ...string) (string, sandbox.Exit) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	process, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: append([]string{"probe"}, arguments...), Stdout: writer, Stderr: writer})
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	return Ends(t, process, reader)
}

// Ends reads what a process writes until it has ended.
func Ends(t testing.TB, process sandbox.Process, output io.ReadCloser) (string, sandbox.Exit) {
	defer output.Close()
	written, err := io.ReadAll(output)
	require.NoError(t, err)
	exit, err := Waits(t, process)
	require.NoError(t, err)
	return string(written), exit
}

// Waits waits for a process.
func Waits(t testing.TB, process sandbox.Process) (sandbox.Exit, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	select {
	case <-process.Done():
	case <-ctx.Done():
		require.Fail(t, "the process does not end")
	}
	return process.Wait()
}

// Eventually waits for something that other processes bring about.
func Eventually(t testing.TB, what string, is func() bool) {
	require.Eventually(t, is, 5*time.Second, 5*time.Millisecond, what)
}

// Processes counts those on this machine that have the text in their command
// line.
func Processes(t testing.TB, text string) int {
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
