package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestRunReportsOutputAndExit(t *testing.T) {
	p := newPod(t, newRuntime(t))
	output, exit := runs(t, p, command("echo", "hello"))
	require.Equal(t, "hello\n", output)
	require.Equal(t, Exit{}, exit)
	_, exit = runs(t, p, command("exit", "7"))
	require.Equal(t, Exit{Code: 7}, exit)
}

func TestSignals(t *testing.T) {
	p := newPod(t, newRuntime(t))
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	spec := command("catch")
	spec.Stdout = writer
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	require.NoError(t, process.Signal(unix.SIGTERM))
	exit, err := waits(t, process)
	require.NoError(t, err)
	require.Equal(t, Exit{Code: 42}, exit)
	require.NoError(t, process.Signal(unix.SIGTERM), "one that has ended")

	sleeping(t, p, nil)
	executed, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "sleep"}})
	require.NoError(t, err)
	require.NoError(t, executed.Signal(unix.SIGKILL))
	exit, err = waits(t, executed)
	require.NoError(t, err)
	require.Equal(t, Exit{Code: 137, Signal: unix.SIGKILL}, exit)
}

func TestTheCommandIsTheFirstProcess(t *testing.T) {
	p := newPod(t, newRuntime(t))
	sleeping(t, p, nil)
	output, _ := executes(t, p, "cat", "/proc/1/stat")
	require.True(t, strings.HasPrefix(output, "1 (probe) "), output)
	output, _ = executes(t, p, "cat", "/proc/1/cmdline")
	require.Equal(t, "probe\x00sleep\x00", output)
}

func TestStartErrors(t *testing.T) {
	p := newPod(t, newRuntime(t))
	for _, try := range []struct {
		args []string
		want StartError
	}{
		{[]string{"foo"}, StartError{127, `exec: "foo": executable file not found in $PATH`}},
		{[]string{"/foo"}, StartError{127, `exec: "/foo": stat /foo: no such file or directory`}},
		{[]string{"/etc/plain"}, StartError{126, `exec: "/etc/plain": permission denied`}},
		{[]string{"/etc/text"}, StartError{126, `exec /etc/text: exec format error`}},
		{nil, StartError{128, "no command specified"}},
	} {
		spec := command()
		spec.Args = try.args
		_, err := p.Run(t.Context(), spec)
		var start *StartError
		require.ErrorAs(t, err, &start)
		require.Equal(t, try.want, *start)
	}
	sleeping(t, p, nil)
	_, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"foo"}})
	var start *StartError
	require.ErrorAs(t, err, &start)
	require.Equal(t, 127, start.Code)
	_, err = p.Exec(t.Context(), "other", ExecSpec{Args: []string{"probe"}})
	require.ErrorContains(t, err, "container not running")
	spec := command("true")
	spec.Image = "other"
	_, err = p.Run(t.Context(), spec)
	require.ErrorIs(t, err, ErrNoImage)
	_, exit := executes(t, p, "true")
	require.Equal(t, Exit{}, exit, "the pod is as it was")
}

// TestStoppedStart has a container stop what is executed in it, before or after it executes its command. Others still start.
func TestStoppedStart(t *testing.T) {
	p := newPod(t, newRuntime(t))
	started := begins(t, p, command("stopper"))
	for range 2 {
		process, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "true"}})
		if err != nil {
			require.ErrorContains(t, err, "did not start within")
			continue
		}
		require.NoError(t, process.Signal(unix.SIGKILL))
	}
	other := command("echo", "unharmed")
	other.Name = "other"
	output, _ := runs(t, p, other)
	require.Equal(t, "unharmed\n", output)
	require.NoError(t, started.Signal(unix.SIGKILL))
}

// begins runs a container until it says that it is ready.
func begins(t *testing.T, p *Pod, spec ContainerSpec) *Process {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	spec.Stdout = writer
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, errors.Join(err, writer.Close()))
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return process
}

func TestATracedProcessHasNotEnded(t *testing.T) { tracedProcess(t, newPod(t, newRuntime(t))) }

func tracedProcess(t *testing.T, p *Pod) {
	process := begins(t, p, command("traced"))
	select {
	case <-process.Done():
		exit, err := process.Wait()
		require.Fail(t, "it is there yet", "%v %v", exit, err)
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, process.Signal(unix.SIGKILL))
	exit, err := waits(t, process)
	require.NoError(t, err)
	require.Equal(t, Exit{Code: 137, Signal: unix.SIGKILL}, exit)
}

func TestAnEndedContainerCanRunAgain(t *testing.T) {
	p := newPod(t, newRuntime(t))
	_, exit := runs(t, p, command("write", "/lower/file", "changed"))
	require.Equal(t, Exit{}, exit)
	output, _ := runs(t, p, command("cat", "/lower/file"))
	require.Equal(t, "lower", output, "with a fresh root")
	sleeping(t, p, nil)
	_, err := p.Run(t.Context(), command("true"))
	require.ErrorContains(t, err, "runs already")
}

func TestEnvironmentAndDirectory(t *testing.T) {
	p := newPod(t, newRuntime(t))
	sleeping(t, p, func(c *ContainerSpec) {
		c.Env, c.Dir, c.User, c.Group = []string{"A=b"}, "/made/here", 1000, 1000
		c.Env = append(c.Env, "PATH=/bin")
	})
	output, _ := executes(t, p, "env")
	require.Equal(t, "A=b\nPATH=/bin\nHOME=/\n", output)
	output, _ = executes(t, p, "stat", "../here")
	require.Contains(t, output, "drwxr-xr-x")
}

func TestStandardInput(t *testing.T) {
	p := newPod(t, newRuntime(t))
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	spec := command("copy")
	spec.Stdin = reader
	go func() {
		fmt.Fprint(writer, "through")
		writer.Close()
	}()
	output, exit := runs(t, p, spec)
	require.NoError(t, reader.Close())
	require.Equal(t, "through", output)
	require.Equal(t, Exit{}, exit)
}

func TestTerminal(t *testing.T) {
	p := newPod(t, newRuntime(t))
	for _, user := range []int64{0, 1000} {
		spec := command("terminal")
		spec.TTY, spec.User, spec.Group = true, user, user
		process, err := p.Run(t.Context(), spec)
		require.NoError(t, err)
		converses(t, process)
	}
	sleeping(t, p, func(c *ContainerSpec) { c.User, c.Group = 1000, 1000 })
	process, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "terminal"}, TTY: true})
	require.NoError(t, err)
	converses(t, process)
}

func converses(t *testing.T, process *Process) {
	defer process.Terminal.Close()
	require.NoError(t, process.Resize(33, 111))
	_, err := io.WriteString(process.Terminal, "first\n")
	require.NoError(t, err)
	lines := bufio.NewReader(process.Terminal)
	for _, want := range []string{"first\r\n", "first 33 111\r\n"} { // the echo and the answer
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, want, line)
	}
	_, err = process.Terminal.Write([]byte{3}) // ^C
	require.NoError(t, err)
	_, err = process.Terminal.Write([]byte{4}) // ^D, for a first process, which has no default for SIGINT
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, lines)
	require.ErrorIs(t, err, unix.EIO)
	_, err = waits(t, process)
	require.NoError(t, err)
}

func TestKillingEverythingInsideLeavesThePod(t *testing.T) {
	p := newPod(t, newRuntime(t))
	sleeping(t, p, nil)
	executed, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "sleep"}})
	require.NoError(t, err)
	_, exit := executes(t, p, "killall")
	require.Equal(t, Exit{}, exit)
	exit, err = waits(t, executed)
	require.NoError(t, err)
	require.Equal(t, unix.SIGKILL, exit.Signal)
	_, exit = executes(t, p, "true")
	require.Equal(t, Exit{}, exit, "container and agent are still there")
}

func TestOrphansEndWithTheirContainer(t *testing.T) {
	p := newPod(t, newRuntime(t))
	marker := fmt.Sprintf("orphan-%d", os.Getpid())
	process, err := p.Run(t.Context(), command("sleep"))
	require.NoError(t, err)
	for range 20 {
		_, exit := executes(t, p, "orphan", marker)
		require.Equal(t, Exit{}, exit)
	}
	require.Equal(t, 20, processes(t, marker))
	require.NoError(t, process.Signal(unix.SIGKILL))
	_, err = waits(t, process)
	require.NoError(t, err)
	require.Zero(t, processes(t, marker))
}

func TestAFullPipeStopsTheWriterOnly(t *testing.T) {
	p := newPod(t, newRuntime(t))
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	spec := command("spew")
	spec.Stdout = writer
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	time.Sleep(50 * time.Millisecond)
	_, exit := executes(t, p, "true")
	require.Equal(t, Exit{}, exit)
	_, err = io.CopyN(io.Discard, reader, 10<<20)
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	_, err = waits(t, process)
	require.NoError(t, err, "it ends by SIGPIPE")
}
