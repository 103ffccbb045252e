package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"rolecall/harness/check"
)

var watchEnds = flag.Int("watch.ends", 8, "how many watchers TestWatchEnds ends")

// TestWatchEnds ends watchers at random moments, by Ctrl-C and by SIGKILL. Then
// nothing is left: no object in the cluster, no file in the folder for temporary
// ones, and the terminal is set as it was.
func TestWatchEnds(t *testing.T) {
	b := bed(t)
	dir := solutions(t)
	program := filepath.Join(dir, lab(t, measured).Folder(), "call.sh")
	text, err := os.ReadFile(program)
	require.NoError(t, err)
	for i := range *watchEnds {
		temp := t.TempDir()
		terminal, tty, err := pty.Open()
		require.NoError(t, err)
		before, err := term.GetState(int(tty.Fd()))
		require.NoError(t, err)
		words := b.rolecall(t, "watch", number(lab(t, measured)), "--submission", dir).Args
		c := exec.Command("sh", append([]string{"-c", `trap : INT; "$@"; sleep 1000`, "sh"}, words...)...) // as a shell: its end would take the terminal away
		c.Stdin, c.Stdout, c.Stderr = tty, tty, tty
		c.Env = append(os.Environ(), "TMPDIR="+temp, "TERM=xterm-256color", "NO_COLOR=")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		require.NoError(t, c.Start())
		shown := make(chan string, 1)
		go func() {
			all, _ := io.ReadAll(terminal) // ends with an error when nobody has the other side
			shown <- string(all)
		}()
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
		require.NoError(t, os.WriteFile(program, append(text, strings.Repeat("#\n", i)...), 0o755))
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
		if i%2 == 0 {
			_, err := terminal.WriteString("\x03")
			require.NoError(t, err)
		} else {
			require.NoError(t, child(t, c.Process.Pid).Kill())
		}
		b.leftAlone(t, i)
		assert.Eventually(t, func() bool {
			after, err := term.GetState(int(tty.Fd()))
			return err == nil && assert.ObjectsAreEqual(before, after)
		}, 10*time.Second, 20*time.Millisecond, "round %d: how the terminal is set", i)
		var left []os.DirEntry
		assert.Eventually(t, func() bool {
			left, err = os.ReadDir(temp)
			return err == nil && len(left) == 0
		}, 10*time.Second, 20*time.Millisecond, "round %d: in the folder for temporary files: %v", i, &left)
		require.NoError(t, syscall.Kill(-c.Process.Pid, syscall.SIGKILL))
		_ = c.Wait()
		tty.Close()
		said := <-shown
		terminal.Close()
		if strings.Contains(said, "\x1b[?1049h") {
			assert.Greater(t, strings.LastIndex(said, "\x1b[?1049l"), strings.LastIndex(said, "\x1b[?1049h"), "round %d: the alternate screen", i)
			assert.Greater(t, strings.LastIndex(said, "\x1b[?25h"), strings.LastIndex(said, "\x1b[?25l"), "round %d: the cursor", i)
		}
	}
}

// child is the first process that a process started.
func child(t *testing.T, pid int) *os.Process {
	t.Helper()
	var first int
	require.Eventually(t, func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			return false
		}
		_, err = fmt.Sscan(string(children), &first)
		return err == nil
	}, 5*time.Second, 10*time.Millisecond, "a child of process %d", pid)
	process, err := os.FindProcess(first)
	require.NoError(t, err)
	return process
}

// leftAlone holds a cluster to hold nothing of a run, a moment after a watcher's
// end.
func (b testbed) leftAlone(t *testing.T, round int) {
	t.Helper()
	var names []string
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		list, err := b.client(t).CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: check.RunLabel})
		if err != nil {
			return false, err
		}
		names = nil
		for _, pod := range list.Items {
			names = append(names, pod.Name)
		}
		return len(names) == 0, nil
	})
	assert.NoError(t, err, "round %d: %v", round, names)
}
