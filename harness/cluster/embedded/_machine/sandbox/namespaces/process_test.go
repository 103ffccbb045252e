package namespaces

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"golang.org/x/sys/unix"
	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

func TestRunReportsOutputAndExit(t *testing.T) {
	p := newPod(t, newRuntime(t))
	output, exit := podtest.Runs(t, p, podtest.Command("echo", "hello"))
	require.Equal(t, "hello\n", output)
	require.Equal(t, sandbox.Exit{}, exit)
	_, exit = podtest.Runs(t, p, podtest.Command("exit", "7"))
	require.Equal(t, sandbox.Exit{Code: 7}, exit)
}

func TestSignals(t *testing.T) {
	p := newPod(t, newRuntime(t))
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	spec := podtest.Command("catch")
	spec.Stdout = writer
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	require.NoError(t, process.Signal(unix.SIGTERM))
	exit, err := podtest.Waits(t, process)
	require.NoError(t, err)
	require.Equal(t, sandbox.Exit{Code: 42}, exit)
	require.NoError(t, process.Signal(unix.SIGTERM), "one that has ended")

	podtest.Sleeping(t, p, nil)
	executed, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "sleep"}})
	require.NoError(t, err)
	require.NoError(t, executed.Signal(unix.SIGKILL))
	exit, err = podtest.Waits(t, executed)
	require.NoError(t, err)
	require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL}, exit)
}

func TestTheCommandIsTheFirstProcess(t *testing.T) {
	p := newPod(t, newRuntime(t))
	podtest.Sleeping(t, p, nil)
	output, _ := podtest.Executes(t, p, "cat", "/proc/1/stat")
	require.True(t, strings.HasPrefix(output, "1 (probe) "), output)
	output, _ = podtest.Executes(t, p, "cat", "/proc/1/cmdline")
	require.Equal(t, "probe\x00sleep\x00", output)
}

func TestStartErrors(t *testing.T) {
	p := newPod(t, newRuntime(t))
	for _, try := range []struct {
		args []string
		want sandbox.StartError
	}{
		{[]string{"foo"}, sandbox.StartError{Code: 127, Message: `exec: "foo": executable file not found in $PATH`}},
		{[]string{"/foo"}, sandbox.StartError{Code: 127, Message: `exec: "/foo": stat /foo: no such file or directory`}},
		{[]string{"/etc/plain"}, sandbox.StartError{Code: 126, Message: `exec: "/etc/plain": permission denied`}},
		{[]string{"/etc/text"}, sandbox.StartError{Code: 126, Message: `exec /etc/text: exec format error`}},
		{nil, sandbox.StartError{Code: 128, Message: "no command specified"}},
	} {
		spec := podtest.Command()
		spec.Args = try.args
		_, err := p.Run(t.Context(), spec)
		var start *sandbox.StartError
		require.ErrorAs(t, err, &start)
		require.Equal(t, try.want, *start)
	}
	podtest.Sleeping(t, p, nil)
	_, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"foo"}})
	var start *sandbox.StartError
	require.ErrorAs(t, err, &start)
	require.Equal(t, 127, start.Code)
	_, err = p.Exec(t.Context(), "other", sandbox.ExecSpec{Args: []string{"probe"}})
	require.ErrorContains(t, err, "container not running")
	spec := podtest.Command("true")
	spec.Image = "other"
	_, err = p.Run(t.Context(), spec)
	require.ErrorIs(t, err, sandbox.ErrNoImage)
	_, exit := podtest.Executes(t, p, "true")
	require.Equal(t, sandbox.Exit{}, exit, "the pod is as it was")
}

// TestStoppedStart has a container stop what is executed in it, before or after
// it executes its command. Others still start.
func TestStoppedStart(t *testing.T) {
	p := newPod(t, newRuntime(t))
	started := podtest.Begins(t, p, podtest.Command("stopper"))
	for range 2 {
		process, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "true"}})
		if err != nil {
			require.ErrorContains(t, err, "did not start within")
			continue
		}
		require.NoError(t, process.Signal(unix.SIGKILL))
	}
	other := podtest.Command("echo", "unharmed")
	other.Name = "other"
	output, _ := podtest.Runs(t, p, other)
	require.Equal(t, "unharmed\n", output)
	require.NoError(t, started.Signal(unix.SIGKILL))
}

func TestATracedProcessHasNotEnded(t *testing.T) { podtest.TracedProcess(t, newPod(t, newRuntime(t))) }

func TestAnEndedContainerCanRunAgain(t *testing.T) {
	p := newPod(t, newRuntime(t))
	_, exit := podtest.Runs(t, p, podtest.Command("write", "/lower/file", "changed"))
	require.Equal(t, sandbox.Exit{}, exit)
	output, _ := podtest.Runs(t, p, podtest.Command("cat", "/lower/file"))
	require.Equal(t, "lower", output, "with a fresh root")
	podtest.Sleeping(t, p, nil)
	_, err := p.Run(t.Context(), podtest.Command("true"))
	require.ErrorContains(t, err, "runs already")
}

func TestEnvironmentAndDirectory(t *testing.T) {
	p := newPod(t, newRuntime(t))
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) {
		c.Env, c.Dir, c.User, c.Group = []string{"A=b"}, "/made/here", 1000, 1000
		c.Env = append(c.Env, "PATH=/bin")
	})
	output, _ := podtest.Executes(t, p, "env")
	require.Equal(t, "A=b\nPATH=/bin\nHOME=/\n", output)
	output, _ = podtest.Executes(t, p, "stat", "../here")
	require.Contains(t, output, "drwxr-xr-x")
}

func TestStandardInput(t *testing.T) {
	p := newPod(t, newRuntime(t))
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	spec := podtest.Command("copy")
	spec.Stdin = reader
	go func() {
		fmt.Fprint(writer, "through")
		writer.Close()
	}()
	output, exit := podtest.Runs(t, p, spec)
	require.NoError(t, reader.Close())
	require.Equal(t, "through", output)
	require.Equal(t, sandbox.Exit{}, exit)
}

func TestTerminal(t *testing.T) {
	p := newPod(t, newRuntime(t))
	for _, user := range []int64{0, 1000} {
		spec := podtest.Command("terminal")
		spec.TTY, spec.User, spec.Group = true, user, user
		process, err := p.Run(t.Context(), spec)
		require.NoError(t, err)
		converses(t, process)
	}
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) { c.User, c.Group = 1000, 1000 })
	process, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "terminal"}, TTY: true})
	require.NoError(t, err)
	converses(t, process)
}

func converses(t *testing.T, process sandbox.Process) {
	defer process.Terminal().Close()
	require.NoError(t, process.Resize(33, 111))
	_, err := io.WriteString(process.Terminal(), "first\n")
	require.NoError(t, err)
	lines := bufio.NewReader(process.Terminal())
	for _, want := range []string{"first\r\n", "first 33 111\r\n"} { // the echo and the answer
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, want, line)
	}
	_, err = process.Terminal().Write([]byte{3}) // ^C
	require.NoError(t, err)
	_, err = process.Terminal().Write([]byte{4}) // ^D, for a first process, which has no default for SIGINT
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, lines)
	require.ErrorIs(t, err, unix.EIO)
	_, err = podtest.Waits(t, process)
	require.NoError(t, err)
}

func TestKillingEverythingInsideLeavesThePod(t *testing.T) {
	p := newPod(t, newRuntime(t))
	podtest.Sleeping(t, p, nil)
	executed, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "sleep"}})
	require.NoError(t, err)
	_, exit := podtest.Executes(t, p, "killall")
	require.Equal(t, sandbox.Exit{}, exit)
	exit, err = podtest.Waits(t, executed)
	require.NoError(t, err)
	require.Equal(t, unix.SIGKILL, exit.Signal)
	_, exit = podtest.Executes(t, p, "true")
	require.Equal(t, sandbox.Exit{}, exit, "container and agent are still there")
}

func TestOrphansEndWithTheirContainer(t *testing.T) {
	p := newPod(t, newRuntime(t))
	marker := fmt.Sprintf("orphan-%d", os.Getpid())
	process, err := p.Run(t.Context(), podtest.Command("sleep"))
	require.NoError(t, err)
	for range 20 {
		_, exit := podtest.Executes(t, p, "orphan", marker)
		require.Equal(t, sandbox.Exit{}, exit)
	}
	require.Equal(t, 20, podtest.Processes(t, marker))
	require.NoError(t, process.Signal(unix.SIGKILL))
	_, err = podtest.Waits(t, process)
	require.NoError(t, err)
	require.Zero(t, podtest.Processes(t, marker))
}

func TestAFullPipeStopsTheWriterOnly(t *testing.T) {
	p := newPod(t, newRuntime(t))
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	spec := podtest.Command("spew")
	spec.Stdout = writer
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	time.Sleep(50 * time.Millisecond)
	_, exit := podtest.Executes(t, p, "true")
	require.Equal(t, sandbox.Exit{}, exit)
	_, err = io.CopyN(io.Discard, reader, 10<<20)
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	_, err = podtest.Waits(t, process)
	require.NoError(t, err, "it ends by SIGPIPE")
}
