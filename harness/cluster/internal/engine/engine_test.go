//go:build unix

package engine

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/wait"

	"rolecall/harness/next"
)

// install makes the named shell scripts the only engines on the PATH. The
// scripts find no other program there, so they use the shell's own.
func install(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755))
	}
	t.Setenv("PATH", dir)
	t.Setenv(ProviderVariable, "")
}

const (
	docker  = `case "$1" in -v) echo "Docker version 28.0.0";; info) echo '{"ServerVersion":"28.0.0","OSType":"linux","Architecture":"aarch64","CgroupVersion":"2","SecurityOptions":["name=rootless"]}';; esac`
	stopped = `case "$1" in -v) echo "Docker version 28.0.0";; *) echo "Cannot connect to the Docker daemon" >&2; exit 1;; esac`
	oldStop = `case "$1" in -v) echo "Docker version 20.10.0";; *) echo '{"ServerErrors":["Cannot connect to the Docker daemon"]}';; esac`
	denied  = `case "$1" in -v) echo "Docker version 28.0.0";; *) echo "permission denied while trying to connect" >&2; exit 1;; esac`
	podman  = `case "$1" in -v) echo "podman version 5.0.0";; info) echo '{"host":{"arch":"amd64","os":"linux","cgroupVersion":"v1","security":{"rootless":false}},"version":{"Version":"5.0.0"}}';; esac`
)

func TestDetect(t *testing.T) {
	for name, c := range map[string]struct {
		scripts map[string]string
		command string
	}{
		"docker first":                  {map[string]string{"docker": docker, "podman": podman}, "docker"},
		"podman in docker's clothes":    {map[string]string{"docker": podman, "podman": podman}, "podman"},
		"one that answers":              {map[string]string{"docker": stopped, "podman": podman}, "podman"},
		"finch":                         {map[string]string{"finch": strings.Replace(docker, "Docker", "finch", 1)}, "finch"},
		"nerdctl before finch":          {map[string]string{"nerdctl": strings.Replace(docker, "Docker", "nerdctl", 1), "finch": "exit 1"}, "nerdctl"},
		"a docker that says otherwise":  {map[string]string{"docker": "echo hello", "podman": podman}, "podman"},
		"a docker that does not run":    {map[string]string{"docker": "exit 1", "podman": podman}, "podman"},
		"an empty variable is no order": {map[string]string{"docker": docker}, "docker"},
	} {
		t.Run(name, func(t *testing.T) {
			install(t, c.scripts)
			e, err := Detect(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.command, e.Command)
			require.NotNil(t, e.ProviderOption())
		})
	}
}

func TestDetectHonoursKindsVariable(t *testing.T) {
	install(t, map[string]string{"docker": docker, "podman": podman})
	t.Setenv(ProviderVariable, "podman")
	e, err := Detect(t.Context())
	require.NoError(t, err)
	require.Equal(t, &Engine{Name: "podman", Command: "podman"}, e)

	t.Setenv(ProviderVariable, "nerdctl.lima")
	_, err = Detect(t.Context())
	require.ErrorIs(t, err, ErrNone, "the one asked for is not there")
}

func TestDetectTellsAbsentFromSilentFromForbidden(t *testing.T) {
	install(t, nil)
	_, err := Detect(t.Context())
	require.ErrorIs(t, err, ErrNone)

	for name, script := range map[string]string{"stopped": stopped, "stopped, old client": oldStop} {
		install(t, map[string]string{"docker": script})
		_, err = Detect(t.Context())
		var silent *NotAnsweringError
		require.ErrorAs(t, err, &silent, name)
		require.False(t, silent.Permission)
		require.ErrorContains(t, err, "Cannot connect to the Docker daemon")
		require.Equal(t, "make doctor", next.Of(err))
	}

	install(t, map[string]string{"docker": denied})
	_, err = Detect(t.Context())
	var silent *NotAnsweringError
	require.ErrorAs(t, err, &silent)
	require.True(t, silent.Permission)
}

func TestInfo(t *testing.T) {
	install(t, map[string]string{"docker": docker, "podman": podman})
	info, err := (&Engine{Name: "docker", Command: "docker"}).Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, &Info{Version: "28.0.0", OS: "linux", Arch: "arm64", Cgroup: 2, Rootless: true}, info)

	info, err = (&Engine{Name: "podman", Command: "podman"}).Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, &Info{Version: "5.0.0", OS: "linux", Arch: "amd64", Cgroup: 1}, info)
}

func TestInfoRefusesNonsense(t *testing.T) {
	for _, answer := range []string{"", "nonsense", "{}", "[]", "null"} {
		_, err := parseDockerInfo([]byte(answer))
		require.Error(t, err, "%q", answer)
	}
	_, err := parsePodmanInfo([]byte("nonsense"))
	require.Error(t, err)
}

func TestFailureKeepsCommandAndEndOfStderr(t *testing.T) {
	install(t, map[string]string{"docker": `i=0; while [ $i -lt 2000 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 7`})
	_, err := (&Engine{Name: "docker", Command: "docker"}).Output(t.Context(), "run", "x")
	require.ErrorContains(t, err, `"docker run x": exit status 7`)
	require.ErrorContains(t, err, "line 1999")
	require.Less(t, len(err.Error()), 2200)
}

func TestCancelKillsChildrenToo(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	note := filepath.Join(t.TempDir(), "pid")
	install(t, map[string]string{"docker": sleep + " 300 & echo $! >" + note + "; wait"})
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("enough")
	go func() {
		_ = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 5*time.Second, true, func(context.Context) (bool, error) {
			b, err := os.ReadFile(note)
			return err == nil && len(b) > 0, nil
		})
		cancel(stopped)
	}()
	began := time.Now()
	_, err = (&Engine{Name: "docker", Command: "docker"}).Output(ctx, "run")
	require.ErrorIs(t, err, stopped)
	require.Less(t, time.Since(began), 10*time.Second)

	b, err := os.ReadFile(note)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return dead(pid) }, 5*time.Second, 10*time.Millisecond)
}

// dead also holds for a killed process that nobody has buried yet.
func dead(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && bytes.Contains(stat, []byte(") Z "))
}

func TestPullGivesUpOnASilentRegistry(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	install(t, map[string]string{"docker": "echo 'v1: Pulling from library/x'; " + sleep + " 300"})
	err = (&Engine{Name: "docker", Command: "docker"}).Pull(t.Context(), "x", 100*time.Millisecond, nil)
	require.ErrorContains(t, err, "the registry sends nothing")
}

func TestPullGoesOnOnceItHasBegun(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	install(t, map[string]string{"docker": "echo 'abc: Pulling fs layer'; " + sleep + " 1; echo done"})
	var said []string
	err = (&Engine{Name: "docker", Command: "docker"}).Pull(t.Context(), "x", 500*time.Millisecond, func(l string) { said = append(said, l) })
	require.NoError(t, err)
	require.Equal(t, []string{"abc: Pulling fs layer", "done"}, said)
}

func TestExitProgram(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		b, err := exitProgram(arch)
		require.NoError(t, err)
		f, err := elf.NewFile(bytes.NewReader(b))
		require.NoError(t, err)
		require.Equal(t, machine, f.Machine)
		require.Equal(t, elf.ET_EXEC, f.Type)
		if arch == runtime.GOARCH && runtime.GOOS == "linux" {
			file := filepath.Join(t.TempDir(), "exit")
			require.NoError(t, os.WriteFile(file, b, 0o755))
			require.NoError(t, exec.Command(file).Run())
		}
	}
	_, err := exitProgram("s390x")
	require.Error(t, err)
}
