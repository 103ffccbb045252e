package labs_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBadInput hands the command what learners, teachers and accidents
// produce. Each gets a sentence and the right exit status, never a stack trace.
func TestBadInput(t *testing.T) {
	binary := build(t)
	lend(t)
	for _, test := range []struct {
		name   string
		lab    string
		spoil  func(t *testing.T, dir string) // what is wrong with the solutions in dir
		args   []string                       // instead of -submission dir
		status int
		says   string
	}{
		{"no such directory", "1", nil, []string{"-submission", "nowhere"}, 2, "no such directory"},
		{"a file for a directory", "1", nil, []string{"-submission", "input_test.go"}, 2, "it is a file"},
		{"no such lab", "6", keep, nil, 2, "type a number from 1 to 5"},
		{"no such cluster", "1", keep, []string{"-cluster", "minikube"}, 2, "CLUSTER is auto, kind, embedded or existing"},
		{"no context named", "1", keep, []string{"-cluster", "existing"}, 2, "CONTEXT=name"},
		{"results where they cannot go", "4", keep, []string{"-results", "/dev/null/x"}, 2, "RESULTS=dir"},
		{"lab not attempted", "3", func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "lab-3")))
		}, nil, 1, "neither"},
		{"empty file", "1", put("lab-1/pod.yaml", ""), nil, 1, "an empty file"},
		{"50 MB", "1", func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "lab-1/pod.yaml"), 50<<20))
		}, nil, 1, "52428800 bytes"},
		{"binary garbage", "1", put("lab-1/pod.yaml", "\x7fELF\x02\x01\x00\xff\xfe"), nil, 1, "binary data"},
		{"binary program", "2", put("lab-2/call.sh", "\x7fELF\x02\x01\x00\xff\xfe"), nil, 1, "binary data"},
		{"anchors that explode", "4", put("lab-4/rolebinding.yaml", bomb()), nil, 1, "excessive aliasing"},
		{"a link out of the submission", "1", func(t *testing.T, dir string) {
			file := filepath.Join(dir, "lab-1/pod.yaml")
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Symlink("/etc/hostname", file))
		}, nil, 1, "links that lead out of the submission are not followed"},
		{"a folder for a file", "5", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "lab-5/list.sh")))
			require.NoError(t, os.Mkdir(filepath.Join(dir, "lab-5/list.sh"), 0o755))
		}, nil, 1, "a folder"},
		{"shell and Go", "3", put("lab-3/call.go", "package main\n\nfunc main() {}\n"), nil, 1, "both, so it is not gradable"},
		{"control characters", "1", put("lab-1/pod.yaml", "apiVersion: v1\nkind: \"Pod\\e[31m\"\n"), nil, 1, `Pod\x1b[31m`},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"lab", test.lab, "-name", wish.Name, "-home", wish.Home, "-cluster", lab.kind}, test.args...)
			if test.spoil != nil {
				dir := solutions(t)
				test.spoil(t, dir)
				args = append(args, "-submission", dir)
			}
			began := time.Now()
			cmd := exec.Command(binary, args...)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			_ = cmd.Run()
			t.Logf("%.1f s", time.Since(began).Seconds())
			assert.Equal(t, test.status, cmd.ProcessState.ExitCode(), said.String())
			assert.Contains(t, said.String(), test.says)
			assert.NotContains(t, said.String(), "goroutine ")
			assert.NotContains(t, said.String(), "\x1b")
			assert.Less(t, said.Len(), 10_000)
		})
	}
}

func keep(*testing.T, string) {}

func put(name, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
}

// bomb is a small YAML text of a thousand million values.
func bomb() string {
	text := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for _, n := range []string{"1 0", "2 1", "3 2", "4 3", "5 4", "6 5", "7 6", "8 7", "9 8"} {
		next, last, _ := strings.Cut(n, " ")
		text += "a" + next + ": &a" + next + " [" + strings.TrimSuffix(strings.Repeat("*a"+last+",", 10), ",") + "]\n"
	}
	return text
}

// TestFirstTime is a learner's first make lab-1: the starter appears, and the
// second time it stays as the learner left it.
func TestFirstTime(t *testing.T) {
	binary := build(t)
	lend(t)
	dir := t.TempDir()
	run := func() (string, int) {
		cmd := exec.Command(binary, "lab", "1", "-name", wish.Name, "-home", wish.Home)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, status := run()
	assert.Equal(t, 1, status)
	assert.Contains(t, out, "Edit work/lab-1/pod.yaml, then type make lab-1 again.")
	out, status = run()
	assert.Equal(t, 1, status, "the starter is not the solution")
	assert.Contains(t, out, "hint")
	mine := filepath.Join(dir, "work/lab-1/pod.yaml")
	require.NoError(t, os.WriteFile(mine, []byte("# mine\n"), 0o644))
	_, status = run()
	assert.Equal(t, 1, status)
	text, err := os.ReadFile(mine)
	require.NoError(t, err)
	assert.Equal(t, "# mine\n", string(text))
}

// TestFrontsAgree holds the command and this suite to the same verdicts.
func TestFrontsAgree(t *testing.T) {
	binary := build(t)
	lend(t)
	for name, spoil := range map[string]func(*testing.T, string){
		"solution": keep,
		"wrong":    put("lab-3/call.sh", "echo 403\nexit 3\n"),
	} {
		t.Run(name, func(t *testing.T) {
			dir, byCommand, bySuite := solutions(t), t.TempDir(), t.TempDir()
			spoil(t, dir)
			c := start(t, binary, "lab", "3", "-submission", dir, "-results", byCommand)
			status := c.status()
			out, err := exec.Command("go", "test", ".", "-count=1", "-run", "TestLab3$", "-args",
				"-submission", dir, "-results", bySuite, "-name", wish.Name, "-home", wish.Home).CombinedOutput()
			assert.Equal(t, status == 0, err == nil, "%s", out)
			command, suite := read(t, byCommand), read(t, bySuite)
			require.Len(t, suite.Steps, 1, "%s", out)
			require.Len(t, suite.Steps[0].Checks, len(command.Steps[0].Checks))
			for i, c := range command.Steps[0].Checks {
				s := suite.Steps[0].Checks[i]
				assert.Equal(t, []any{c.ID, c.Outcome, c.Points, c.Want, c.Got, c.Hint}, []any{s.ID, s.Outcome, s.Points, s.Want, s.Got, s.Hint})
			}
		})
	}
}
