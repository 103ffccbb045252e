package namespaces

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

func TestVolumeFilesAreReplacedAtOnce(t *testing.T) {
	p := newPod(t, newRuntime(t))
	set := func(token string, more ...string) {
		files := map[string]sandbox.File{"token": {Data: []byte(token)}, "dir/key": {Data: []byte(token), Mode: 0o400}}
		for _, name := range more {
			files[name] = sandbox.File{Data: []byte(token)}
		}
		require.NoError(t, p.SetVolume("token", sandbox.Volume{Files: files}))
	}
	set("first", "gone")
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) {
		c.Mounts = []sandbox.Mount{
			{Volume: "token", Path: "/var/run/token", ReadOnly: true},
			{Volume: "token", SubPath: "token", Path: "/single", ReadOnly: true},
		}
	})
	output, _ := podtest.Executes(t, p, "cat", "/var/run/token/token")
	require.Equal(t, "first", output)
	output, _ = podtest.Executes(t, p, "write", "/var/run/token/token", "x")
	require.Contains(t, output, "read-only")
	set("second")
	output, _ = podtest.Executes(t, p, "cat", "/var/run/token/dir/key")
	require.Equal(t, "second", output)
	output, _ = podtest.Executes(t, p, "cat", "/single")
	require.Equal(t, "first", output, "a subPath stays, as with the kubelet")
	output, _ = podtest.Executes(t, p, "list", "/var/run/token")
	names := strings.Fields(output)
	require.Len(t, names, 5)
	for _, version := range names[:2] {
		require.Regexp(t, `^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+$`, version)
	}
	require.Equal(t, []string{"..data", "dir", "token"}, names[2:])
	output, _ = podtest.Executes(t, p, "stat", "/var/run/token/..data/dir/key")
	require.Contains(t, output, "-r--------")
}

func TestVolumesKeepThePreviousVersion(t *testing.T) {
	podtest.KeepsThePreviousVersion(t, newPod(t, newRuntime(t)))
}

func TestVolumesOutliveAnInterruptedUpdate(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("v", sandbox.Volume{Files: map[string]sandbox.File{"f": {Data: []byte("first")}}}))
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) { c.Mounts = []sandbox.Mount{{Volume: "v", Path: "/v"}} })
	for _, left := range [][]string{{"remake", "/v/..2026_01_02_03_04_05.6"}, {"link", "..2026_01_02_03_04_05.6", "/v/..data_tmp"}} {
		output, exit := podtest.Executes(t, p, left...)
		require.Equal(t, sandbox.Exit{}, exit, output)
	}
	require.NoError(t, p.SetVolume("v", sandbox.Volume{Files: map[string]sandbox.File{"f": {Data: []byte("second")}}}))
	output, _ := podtest.Executes(t, p, "cat", "/v/f")
	require.Equal(t, "second", output)
	output, _ = podtest.Executes(t, p, "list", "/v")
	require.Len(t, strings.Fields(output), 4, "two versions, ..data and f: %s", output)
}

// TestVolumeFilesAreNeverMissing lets each round of reads meet one update: a
// read that lasts longer than two may miss its file.
func TestVolumeFilesAreNeverMissing(t *testing.T) {
	p := newPod(t, newRuntime(t))
	set := func(text string) error {
		return p.SetVolume("v", sandbox.Volume{Files: map[string]sandbox.File{"f": {Data: []byte(text)}}})
	}
	require.NoError(t, set("0"))
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) { c.Mounts = []sandbox.Mount{{Volume: "v", Path: "/v"}} })
	stdin, rounds, err := os.Pipe()
	require.NoError(t, err)
	defer rounds.Close()
	results, stdout, err := os.Pipe()
	require.NoError(t, err)
	defer results.Close()
	process, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "rounds", "/v/f"}, Stdin: stdin, Stdout: stdout})
	require.NoError(t, errors.Join(err, stdin.Close(), stdout.Close()))
	result := bufio.NewScanner(results)
	for round := range 50 {
		_, err := fmt.Fprintln(rounds)
		require.NoError(t, err)
		require.NoError(t, set(fmt.Sprint(round+1)))
		require.True(t, result.Scan())
		require.Contains(t, []string{fmt.Sprint(round), fmt.Sprint(round + 1)}, result.Text())
	}
	require.NoError(t, rounds.Close())
	exit, err := podtest.Waits(t, process)
	require.NoError(t, err)
	require.Equal(t, sandbox.Exit{}, exit)
}

// TestVolumesWithHostileLinks has a container turn a volume's own links
// elsewhere before an update.
func TestVolumesWithHostileLinks(t *testing.T) {
	p := newPod(t, newRuntime(t))
	set := func(text string) error {
		return p.SetVolume("config", sandbox.Volume{Files: map[string]sandbox.File{"f": {Data: []byte(text)}}})
	}
	require.NoError(t, set("one"))
	require.NoError(t, p.SetVolume("other", sandbox.Volume{}))
	spec := podtest.Command("sleep")
	spec.Mounts = []sandbox.Mount{{Volume: "config", Path: "/config"}, {Volume: "other", Path: "/other"}}
	_, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	for _, step := range [][]string{
		{"remake", "/other/..2026"}, {"write", "/other/..2026/kept", "x"}, {"write", "/other/kept", "x"},
		{"unlink", "/config/..data"}, {"link", "../other", "/config/..data"},
	} {
		output, exit := podtest.Executes(t, p, step...)
		require.Equal(t, sandbox.Exit{}, exit, output)
	}
	require.NoError(t, set("two"))
	for _, file := range []string{"/other/kept", "/other/..2026/kept"} {
		output, _ := podtest.Executes(t, p, "cat", file)
		require.Equal(t, "x", output, "another volume is as it was")
	}
	output, _ := podtest.Executes(t, p, "cat", "/config/f")
	require.Equal(t, "two", output)
	require.NoError(t, set("three"))
	output, _ = podtest.Executes(t, p, "cat", "/config/f")
	require.Equal(t, "three", output)
}

func TestReadOnlyVolumes(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("config", sandbox.Volume{Files: map[string]sandbox.File{"f": {Data: []byte("x")}}}))
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) {
		c.Mounts = []sandbox.Mount{{Volume: "config", Path: "/config", ReadOnly: true}}
	})
	for _, step := range [][]string{{"write", "/config/new", "x"}, {"write", "/config/f", "y"}, {"unlink", "/config/..data"}} {
		output, exit := podtest.Executes(t, p, step...)
		require.Equal(t, 1, exit.Code)
		require.Contains(t, output, "read-only file system")
	}
}

func TestBadVolumes(t *testing.T) {
	p := newPod(t, newRuntime(t))
	for _, name := range []string{"", "..", "a/b"} {
		require.Error(t, p.SetVolume(name, sandbox.Volume{}), name)
	}
	for _, file := range []string{"../x", "/x", "a/../../x", "..data", "a//b", "."} {
		require.Error(t, p.SetVolume("v", sandbox.Volume{Files: map[string]sandbox.File{file: {}}}), file)
	}
	spec := podtest.Command("true")
	spec.Mounts = []sandbox.Mount{{Volume: "missing", Path: "/x"}}
	_, err := p.Run(t.Context(), spec)
	require.ErrorContains(t, err, "no such volume")
}

func TestSubPathsStayInTheVolume(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("data", sandbox.Volume{}))
	mounted := func(c *sandbox.ContainerSpec) { c.Mounts = []sandbox.Mount{{Volume: "data", Path: "/data"}} }
	spec := podtest.Command("link", "/../..", "/data/out")
	mounted(&spec)
	_, exit := podtest.Runs(t, p, spec)
	require.Equal(t, sandbox.Exit{}, exit)
	for _, subPath := range []string{"out", "out/etc", "../x", "/../x"} {
		spec := podtest.Command("true")
		spec.Mounts = []sandbox.Mount{{Volume: "data", SubPath: subPath, Path: "/sub"}}
		_, err := p.Run(t.Context(), spec)
		require.Error(t, err, subPath)
	}
	spec = podtest.Command("write", "/sub/file", "x")
	spec.Mounts = []sandbox.Mount{{Volume: "data", SubPath: "a/b", Path: "/sub"}}
	_, exit = podtest.Runs(t, p, spec)
	require.Equal(t, sandbox.Exit{}, exit)
	content, err := p.ReadVolume("data", "a/b/file", 10)
	require.NoError(t, err)
	require.Equal(t, "x", string(content))
	_, err = p.ReadVolume("data", "out/proc/version", 10)
	require.Error(t, err)
}

func TestMountsInMounts(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("outer", sandbox.Volume{}))
	require.NoError(t, p.SetVolume("inner", sandbox.Volume{Files: map[string]sandbox.File{"f": {Data: []byte("x")}}}))
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) {
		c.Mounts = []sandbox.Mount{{Volume: "inner", Path: "/etc/deep/inner"}, {Volume: "outer", Path: "/etc"}}
		c.Files = map[string][]byte{"/etc/hosts": []byte("x")}
		c.Dir = "/etc/work"
	})
	output, _ := podtest.Executes(t, p, "cat", "/etc/deep/inner/f")
	require.Equal(t, "x", output)
	output, _ = podtest.Executes(t, p, "list", "/etc")
	require.Equal(t, "deep\nwork\n", output, "files of the container are not put into a volume")
}

func TestTerminationMessages(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("log", sandbox.Volume{Files: map[string]sandbox.File{"log": {Mode: 0o666}}}))
	spec := podtest.Command("write", "/dev/termination-log", "because")
	spec.User, spec.Group = 1000, 1000
	spec.Mounts = []sandbox.Mount{{Volume: "log", SubPath: "log", Path: "/dev/termination-log"}}
	_, exit := podtest.Runs(t, p, spec)
	require.Equal(t, sandbox.Exit{}, exit)
	content, err := p.ReadVolume("log", "log", 4)
	require.NoError(t, err)
	require.Equal(t, "ause", string(content))
}

func TestVolumeOwners(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	require.NoError(t, p.SetVolume("empty", sandbox.Volume{Group: 2000}))
	require.NoError(t, p.SetVolume("files", sandbox.Volume{Group: 2000, Files: map[string]sandbox.File{"f": {Mode: 0o600, User: 1000}}}))
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) {
		c.User, c.Group, c.Groups = 1000, 1000, []int64{2000}
		c.Mounts = []sandbox.Mount{{Volume: "empty", Path: "/empty"}, {Volume: "files", Path: "/files"}}
	})
	_, exit := podtest.Executes(t, p, "write", "/empty/f", "x")
	require.Equal(t, sandbox.Exit{}, exit)
	_, exit = podtest.Executes(t, p, "cat", "/files/f")
	require.Equal(t, sandbox.Exit{}, exit)
	if r.mode == sandbox.ModeRootless {
		return
	}
	for file, want := range map[string]string{"/empty": "dgrwxrwxrwx 0 2000\n", "/empty/f": "-rw-r--r-- 1000 2000\n", "/files/..data/f": "-rw-r----- 1000 2000\n"} {
		output, _ := podtest.Executes(t, p, "stat", file)
		require.Equal(t, want, output, file)
	}
}
