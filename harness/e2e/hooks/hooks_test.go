// Package hooks_test plays the grading hooks of docs/hooks through, each with a
// rolecall that is played, too.
package hooks_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// played is a rolecall that says what a hostile learner's program would make
// it say, and ends as the file status says. It counts its runs.
const played = `#!/usr/bin/env bash
echo "$@" >>"$(dirname "$0")/calls"
printf '::error::forged\n##[add-mask]x\n'
while [ $# -gt 1 ]; do [ "$1" = --out ] && out=$2; shift; done
status=$(cat "$(dirname "$0")/status")
[ "$status" = 9 ] && exit 2
mkdir -p "$out/evidence"
echo '{"score": 84}' >"$out/gradescope.json"
echo '{"schema": "classroom50/result/v1"}' >"$out/classroom50.json"
echo '# 84 of 100' >"$out/summary.md"
echo '::error title=token.fresh::wanted' >"$out/annotations.txt"
echo '<testsuites/>' >"$out/junit.xml"
echo '{}' >"$out/results.json"
exit "$status"
`

// playRolecall puts it where a hook expects rolecall's checkout.
func playRolecall(t *testing.T, checkout, status string) (calls func() []string) {
	t.Helper()
	bin := filepath.Join(checkout, "bin")
	require.NoError(t, os.MkdirAll(bin, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(checkout, "Makefile"), []byte("bin/rolecall:\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "rolecall"), []byte(played), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "status"), []byte(status), 0o644))
	return func() []string {
		text, err := os.ReadFile(filepath.Join(bin, "calls"))
		require.NoError(t, err)
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

// hook runs a hook's command and returns its words and exit status.
func hook(t *testing.T, dir string, env []string, command ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	said, _ := cmd.CombinedOutput()
	return string(said), cmd.ProcessState.ExitCode()
}

// fenced holds what learners' programs print to standing where GitHub's runner
// reads no commands.
func fenced(t *testing.T, said string) {
	t.Helper()
	begin, rest, found := strings.Cut(said, "::stop-commands::")
	require.True(t, found, said)
	token, rest, _ := strings.Cut(rest, "\n")
	inside, after, found := strings.Cut(rest, "::"+token+"::")
	require.True(t, found, said)
	assert.GreaterOrEqual(t, len(token), 32, "nobody can guess it")
	assert.Contains(t, inside, "::error::forged")
	assert.NotContains(t, begin+after, "forged")
}

func TestGitHubWorkflow(t *testing.T) {
	text, err := os.ReadFile("../../../docs/hooks/github/grade.yml")
	require.NoError(t, err)
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &workflow))
	script := ""
	for _, step := range workflow.Jobs["grade"].Steps {
		if step.Name == "grade" {
			script = step.Run
		}
	}
	for status, want := range map[string]int{"0": 0, "1": 1, "2": 2, "3": 3, "9": 2} {
		t.Run("status "+status, func(t *testing.T) {
			dir := t.TempDir()
			calls := playRolecall(t, filepath.Join(dir, "rolecall"), status)
			summary := filepath.Join(dir, "summary.md")
			said, got := hook(t, dir, []string{"RUNNER_TEMP=" + dir, "GITHUB_STEP_SUMMARY=" + summary}, "bash", "-e", "-o", "pipefail", "-c", script)
			assert.Equal(t, want, got, said)
			fenced(t, said)
			assert.Contains(t, calls()[0], "grade --submission submission --out "+dir+"/out --formats junit,markdown,annotations")
			if status == "9" {
				assert.NoFileExists(t, summary)
				return
			}
			assert.Contains(t, said, "::error title=token.fresh::wanted")
			text, err := os.ReadFile(summary)
			require.NoError(t, err)
			assert.Equal(t, "# 84 of 100\n", string(text))
		})
	}
}

func TestGradescope(t *testing.T) {
	run, err := filepath.Abs("../../../docs/hooks/gradescope/run_autograder")
	require.NoError(t, err)
	for status, test := range map[string]struct{ exit, runs int }{"0": {0, 1}, "1": {0, 1}, "2": {1, 2}, "3": {1, 1}, "9": {1, 2}} {
		t.Run("status "+status, func(t *testing.T) {
			dir := t.TempDir()
			calls := playRolecall(t, filepath.Join(dir, "source/rolecall"), status)
			said, got := hook(t, dir, []string{"AUTOGRADER=" + dir}, run)
			assert.Equal(t, test.exit, got, said)
			assert.Len(t, calls(), test.runs, "what could not be checked is tried once more")
			results, err := os.ReadFile(filepath.Join(dir, "results/results.json"))
			if test.exit != 0 {
				assert.ErrorIs(t, err, os.ErrNotExist, "no score where we could not check")
				return
			}
			require.NoError(t, err)
			assert.JSONEq(t, `{"score": 84}`, string(results))
			entries, err := os.ReadDir(filepath.Join(dir, "results"))
			require.NoError(t, err)
			assert.Len(t, entries, 1)
		})
	}
}

func TestGradescopeSetup(t *testing.T) {
	setup, err := filepath.Abs("../../../docs/hooks/gradescope/setup.sh")
	require.NoError(t, err)
	dir := t.TempDir()
	calls := playRolecall(t, filepath.Join(dir, "source/rolecall"), "0")
	tools := filepath.Join(dir, "tools")
	require.NoError(t, os.Mkdir(tools, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(tools, "apt-get"), []byte("#!/bin/sh\n"), 0o755))
	said, got := hook(t, dir, []string{"AUTOGRADER=" + dir, "PATH=" + tools + ":" + os.Getenv("PATH")}, setup)
	assert.Equal(t, 0, got, said)
	assert.Equal(t, []string{"up --cluster embedded --name warm", "down --cluster embedded --name warm"}, calls())
}

func TestClassroom50(t *testing.T) {
	entry, err := filepath.Abs("../../../docs/hooks/classroom50/autograder.py")
	require.NoError(t, err)
	for status, want := range map[string]int{"0": 0, "1": 0, "2": 1, "3": 1, "9": 1} {
		t.Run("status "+status, func(t *testing.T) {
			bundle, checkout := t.TempDir(), t.TempDir()
			calls := playRolecall(t, filepath.Join(bundle, "rolecall"), status)
			require.NoError(t, os.WriteFile(filepath.Join(checkout, "result.json"), []byte(`{"score": 100}`), 0o644))
			said, got := hook(t, checkout, []string{"CLASSROOM50_BUNDLE_DIR=" + bundle}, "python3", entry)
			assert.Equal(t, want, got, said)
			fenced(t, said)
			assert.Contains(t, calls()[0], "--formats classroom50,markdown")
			result, err := os.ReadFile(filepath.Join(checkout, "result.json"))
			if want != 0 {
				assert.ErrorIs(t, err, os.ErrNotExist, "a learner's own is no result")
				return
			}
			require.NoError(t, err)
			assert.JSONEq(t, `{"schema": "classroom50/result/v1"}`, string(result))
			assert.FileExists(t, filepath.Join(checkout, "release-body.md"))
		})
	}
}

// TestGitLabJob holds the job to keywords that GitLab documents: there is no
// linter for it that needs no GitLab.
func TestGitLabJob(t *testing.T) {
	text, err := os.ReadFile("../../../docs/hooks/gitlab/gitlab-ci.yml")
	require.NoError(t, err)
	var jobs map[string]struct {
		Image     string            `json:"image"`
		Variables map[string]string `json:"variables"`
		Cache     map[string]any    `json:"cache"`
		Timeout   string            `json:"timeout"`
		Script    []string          `json:"script"`
		Retry     struct {
			Max       int `json:"max"`
			ExitCodes int `json:"exit_codes"`
		} `json:"retry"`
		Artifacts struct {
			When    string            `json:"when"`
			Paths   []string          `json:"paths"`
			Reports map[string]string `json:"reports"`
		} `json:"artifacts"`
	}
	require.NoError(t, yaml.UnmarshalStrict(text, &jobs))
	job := jobs["grade"]
	assert.Equal(t, 2, job.Retry.ExitCodes, "what could not be checked is tried again, a failure is not")
	assert.Equal(t, map[string]string{"junit": "out/junit.xml"}, job.Artifacts.Reports)
	assert.Equal(t, "always", job.Artifacts.When)

	dir := t.TempDir()
	checkout := filepath.Join(dir, "rolecall")
	calls := playRolecall(t, checkout, "1")
	script := strings.ReplaceAll(job.Script[len(job.Script)-1], "/tmp/rolecall", checkout)
	said, got := hook(t, dir, []string{"CI_PROJECT_DIR=" + dir}, "bash", "-e", "-c", script)
	assert.Equal(t, 1, got, said)
	assert.Contains(t, calls()[0], "--cluster embedded")
	assert.FileExists(t, filepath.Join(dir, "out/junit.xml"))
}
