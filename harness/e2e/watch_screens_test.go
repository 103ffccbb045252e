package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var updateScreens = flag.Bool("update.screens", false, "rewrite what a watcher shows, testdata/watch")

// TestEmbeddedWatchScreens drives a watcher in tmux, as a learner would: begin,
// break, three hints, mend, pass, go on. What is seen is compared with files.
func TestEmbeddedWatchScreens(t *testing.T) {
	b := only(t, "embedded")
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("this test needs tmux")
	}
	dir := filepath.Join(t.TempDir(), "work")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, fix.course.Solutions(dir))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, lab(t, measured+1).Folder())))
	answers := filepath.Join(dir, lab(t, measured).Folder(), "answer.yaml")
	right, err := os.ReadFile(answers)
	require.NoError(t, err)
	attempt := func(text string) { require.NoError(t, os.WriteFile(answers, []byte(text), 0o644)) }
	wrong := func(n int) string {
		return strings.Replace(string(right), "verb: list", fmt.Sprintf("verb: get # attempt %d", n), 1)
	}
	require.NotEqual(t, string(right), wrong(1))
	attempt(wrong(1))

	command := b.rolecall(t, "watch", number(lab(t, measured)), "--submission", "work")
	t.Setenv("PATH", filepath.Dir(command.Path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	command.Args[0] = "rolecall"
	s := newTmux(t, 96, 40, filepath.Dir(dir), command.Args)
	s.shows(t, "1-failed", "5 of 6 checks passed", "waiting for")
	for n := 1; n <= 3; n++ {
		s.presses(t, "h")
		s.shows(t, fmt.Sprintf("2-hint-%d", n), fmt.Sprintf("Hint %d of 3", n))
		if n < 3 {
			attempt(wrong(n + 1))
			s.waits(t, "Stuck?", "waiting for")
		}
	}
	s.presses(t, "t")
	s.waits(t, "Reading the 403", "In this lab")
	attempt(string(right))
	s.shows(t, "3-passed", "6 of 6 checks passed", "waiting for")
	s.presses(t, "d")
	s.shows(t, "4-difference", "the same as the reference")
	s.presses(t, "l")
	s.waits(t, "passed since")
	s.presses(t, "n")
	s.shows(t, "5-next", "Stuck?", "waiting for")
	s.presses(t, "r")
	s.waits(t, "Start lab 4 over?")
	s.presses(t, "n")
	s.waits(t, "Stuck?")
	s.presses(t, "q")
	s.waits(t, "ended with 0")
}

// tmux is a terminal of its own.
type tmux struct{ socket string }

// newTmux runs a command in a folder, and says how that ended.
func newTmux(t *testing.T, width, height int, folder string, words []string) *tmux {
	t.Helper()
	s := &tmux{filepath.Join(t.TempDir(), "tmux")}
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	script := "stty -echo; env NO_COLOR= TERM=screen-256color " + shellescape.QuoteCommand(words) + `; echo "ended with $?"; sleep 1000`
	s.do(t, "-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "-c", folder, script)
	return s
}

func (s *tmux) do(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, words...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func (s *tmux) presses(t *testing.T, key string) {
	t.Helper()
	s.do(t, "send-keys", key)
}

// waits waits until all of some texts are seen, and returns the screen.
func (s *tmux) waits(t *testing.T, texts ...string) (screen string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 90*time.Second; time.Sleep(50 * time.Millisecond) {
		screen = s.do(t, "capture-pane", "-p")
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(screen, text) }) {
			return screen
		}
	}
	require.Fail(t, "it is not on the screen", "%v in\n%s", texts, screen)
	return ""
}

// once matches what differs from run to run.
var once = regexp.MustCompile(` in [0-9.]+ s\b`)

// shows waits for texts and compares the screen with a file.
func (s *tmux) shows(t *testing.T, name string, texts ...string) {
	t.Helper()
	screen := once.ReplaceAllString(s.waits(t, texts...), "")
	file := filepath.Join("testdata", "watch", name+".txt")
	if *updateScreens {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(screen), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), screen, name)
}
