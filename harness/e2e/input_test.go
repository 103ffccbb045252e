package e2e_test

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

// TestBadInput hands the command what learners and accidents produce. Each gets
// a sentence and the right exit status, never a stack trace.
func TestBadInput(t *testing.T) {
	bed := bed(t)
	for _, test := range []struct {
		name   string
		lab    string
		spoil  func(t *testing.T, dir string) // what is wrong with the solutions in dir
		args   []string
		status int
		says   string
	}{
		{"results where they cannot go", "4", keep, []string{"--results", "/dev/null/x"}, 2, "--results=results"},
		{"lab not attempted", "3", func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "lab-3")))
		}, nil, 1, "neither"},
		{"empty file", "1", put("lab-1/pod.yaml", ""), nil, 1, "an empty file"},
		{"50 MB", "1", func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "lab-1/pod.yaml"), 50<<20))
		}, nil, 1, "52428800 bytes"},
		{"binary garbage", "1", put("lab-1/pod.yaml", "\x7fELF\x02\x01\x00\xff\xfe"), nil, 1, "binary data"},
		{"binary program", "2", put("lab-2/call.sh", "\x7fELF\x02\x01\x00\xff\xfe"), nil, 1, "binary data"},
		{"anchors that explode", "4", put("lab-4/rolebinding.yaml", bomb()), nil, 1, "aliases (*name) that make the file larger"},
		{"a link out of the submission", "1", func(t *testing.T, dir string) {
			file := filepath.Join(dir, "lab-1/pod.yaml")
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Symlink("/etc/hostname", file))
		}, nil, 1, "links that lead out of the submission are not followed"},
		{"a folder for a file", "5", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "lab-5/list.sh")))
			require.NoError(t, os.Mkdir(filepath.Join(dir, "lab-5/list.sh"), 0o755))
		}, nil, 1, "a folder"},
		{"shell and Go", "3", put("lab-3/call.go", "package main\n\nfunc main() {}\n"), nil, 1, "both, so neither is judged"},
		{"control characters", "1", put("lab-1/pod.yaml", "apiVersion: v1\nkind: \"Pod\\e[31m\"\n"), nil, 1, `Pod\x1b[31m`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := solutions(t)
			test.spoil(t, dir)
			began := time.Now()
			cmd := bed.rolecall(t, append([]string{"lab", test.lab, "--submission", dir}, test.args...)...)
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
	bed, dir, lab := bed(t), t.TempDir(), lab(t, 1)
	run := func() (string, int) {
		cmd := bed.rolecall(t, "lab", number(lab))
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	mine := filepath.Join(dir, "work", lab.Folder(), lab.Files[0].Name)
	out, status := run()
	assert.Equal(t, 1, status)
	assert.Contains(t, out, filepath.Join("work", lab.Folder(), lab.Files[0].Name))
	assert.FileExists(t, mine)
	out, status = run()
	assert.Equal(t, 1, status, "the starter is not the solution")
	assert.Contains(t, out, "hint")
	require.NoError(t, os.WriteFile(mine, []byte("# mine\n"), 0o644))
	_, status = run()
	assert.Equal(t, 1, status)
	text, err := os.ReadFile(mine)
	require.NoError(t, err)
	assert.Equal(t, "# mine\n", string(text))
}

// TestFrontsAgree holds the command and the course's Go test suite to the same
// verdicts.
func TestFrontsAgree(t *testing.T) {
	bed := bed(t)
	for name, spoil := range map[string]func(*testing.T, string){
		"solution": keep,
		"wrong":    put("lab-3/call.sh", "echo 403\nexit 3\n"),
	} {
		t.Run(name, func(t *testing.T) {
			dir, byCommand, bySuite := solutions(t), t.TempDir(), t.TempDir()
			spoil(t, dir)
			c := bed.start(t, "lab", "3", "--submission", dir, "--results", byCommand)
			status := c.status()
			out, err := exec.Command("go", "test", fix.folder, "-count=1", "-run", "TestLab/3$", "-args",
				"-submission", dir, "-results", bySuite, "-name", bed.Name(), "-home", fix.options.Home, "-cluster", bed.Provider()).CombinedOutput()
			assert.Equal(t, status == 0, err == nil, "%s", out)
			command, suite := read(t, byCommand), read(t, bySuite)
			require.Len(t, suite.Labs, 1, "%s", out)
			require.Len(t, suite.Labs[0].Checks, len(command.Labs[0].Checks))
			for i, c := range command.Labs[0].Checks {
				s := suite.Labs[0].Checks[i]
				assert.Equal(t, []any{c.ID, c.Outcome, c.Points, c.Want, c.Got, c.Hint}, []any{s.ID, s.Outcome, s.Points, s.Want, s.Got, s.Hint})
			}
		})
	}
}
