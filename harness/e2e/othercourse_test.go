package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/report"
	"rolecall/harness/testdata/kitchen/course"
)

// TestAnotherCourse takes a course on another subject through every front: the
// command, the Go test suite, grading, the gradebook and each format.
func TestAnotherCourse(t *testing.T) {
	const source = "../testdata/kitchen"
	bed := bed(t)
	name := bed.Name() + "-kitchen"
	binary := filepath.Join(t.TempDir(), "kitchen")
	out, err := exec.Command("go", "build", "-o", binary, "./"+source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	call := func(command string, args ...string) (string, int) {
		cmd := exec.Command(binary, append([]string{command, "--name=" + name, "--cluster=" + bed.Provider(), "--home=" + fix.options.Home}, args...)...)
		said, _ := cmd.CombinedOutput()
		return string(said), cmd.ProcessState.ExitCode()
	}
	t.Cleanup(func() { call("down") })

	right, wrong := t.TempDir(), t.TempDir()
	kitchen := course.Kitchen()
	require.NoError(t, kitchen.Solutions(right))
	for _, lab := range kitchen.Labs {
		_, err := kitchen.Starter(lab, wrong)
		require.NoError(t, err)
	}

	said, status := call("demo", "--labs=all")
	require.Equal(t, 0, status, said)
	assert.Contains(t, said, "4 of 4 checks passed, 14 of 14 points")
	said, status = call("lab", "--submission="+wrong, "2")
	assert.Equal(t, 1, status)
	assert.Contains(t, said, "wanted   the label course: dinner")
	said, status = call("cooking", "--submission="+right)
	assert.Equal(t, 0, status)
	assert.Contains(t, said, "7 of 7 points", "the default part is its first lab")
	_, status = call("lab", "--submission="+right, "3")
	assert.Equal(t, 2, status, "there is no lab 3")

	suite := exec.Command("go", "test", "./"+source, "-v", "-count=1", "-args",
		"--name="+name, "--cluster="+bed.Provider(), "--home="+fix.options.Home, "--submission="+right)
	out, err = suite.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "sign.labelled")

	class, graded := t.TempDir(), t.TempDir()
	require.NoError(t, os.Rename(right, filepath.Join(class, "ada")))
	require.NoError(t, os.Rename(wrong, filepath.Join(class, "bob")))
	t.Setenv("USERNAME", "ada") // what a Classroom 50 runner sets
	for _, variable := range []string{"CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL"} {
		t.Setenv(variable, "kitchen")
	}
	said, status = call("grade-all", "--submissions="+class, "--out="+graded, "--labs=dinner", "--workers=1", "--formats="+strings.Join(report.FormatNames(), ","))
	require.Equal(t, 0, status, said)
	for submission, points := range map[string]int{"ada": 14, "bob": 6} {
		folder := filepath.Join(graded, "submissions", submission)
		text, err := os.ReadFile(filepath.Join(folder, "results.json"))
		require.NoError(t, err)
		var result harness.Result
		require.NoError(t, json.Unmarshal(text, &result))
		assert.Equal(t, []int{points, 14}, []int{result.Points, result.MaxPoints}, submission)
		files, err := os.ReadDir(folder)
		require.NoError(t, err)
		assert.Len(t, files, len(report.FormatNames())+4, "results.json, report.html, a file for each format, evidence/, log.txt")
		verify := exec.Command(binary, "verify-evidence", "--out="+folder, "--labs=dinner", "--home="+fix.options.Home)
		out, err := verify.CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
	table, err := os.ReadFile(filepath.Join(graded, "gradebook.csv"))
	require.NoError(t, err)
	assert.Contains(t, string(table), "lab-1,lab-2,menu.written,menu.labelled,sign.written,sign.labelled\n")
}
