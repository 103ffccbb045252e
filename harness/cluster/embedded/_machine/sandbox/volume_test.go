package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVolumeFilesAreReplacedAtOnce(t *testing.T) {
	p := newPod(t, newRuntime(t))
	set := func(token string, more ...string) {
		files := map[string]File{"token": {Data: []byte(token)}, "dir/key": {Data: []byte(token), Mode: 0o400}}
		for _, name := range more {
			files[name] = File{Data: []byte(token)}
		}
		require.NoError(t, p.SetVolume("token", Volume{Files: files}))
	}
	set("first", "gone")
	sleeping(t, p, func(c *ContainerSpec) {
		c.Mounts = []Mount{
			{Volume: "token", Path: "/var/run/token", ReadOnly: true},
			{Volume: "token", SubPath: "token", Path: "/single", ReadOnly: true},
		}
	})
	output, _ := executes(t, p, "cat", "/var/run/token/token")
	require.Equal(t, "first", output)
	output, _ = executes(t, p, "write", "/var/run/token/token", "x")
	require.Contains(t, output, "read-only")
	set("second")
	output, _ = executes(t, p, "cat", "/var/run/token/dir/key")
	require.Equal(t, "second", output)
	output, _ = executes(t, p, "cat", "/single")
	require.Equal(t, "first", output, "a subPath stays, as with the kubelet")
	output, _ = executes(t, p, "list", "/var/run/token")
	names := strings.Fields(output)
	require.Len(t, names, 5)
	for _, version := range names[:2] {
		require.Regexp(t, `^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+$`, version)
	}
	require.Equal(t, []string{"..data", "dir", "token"}, names[2:])
	output, _ = executes(t, p, "stat", "/var/run/token/..data/dir/key")
	require.Contains(t, output, "-r--------")
}

func TestVolumesKeepThePreviousVersion(t *testing.T) {
	keepsThePreviousVersion(t, newPod(t, newRuntime(t)))
}

// keepsThePreviousVersion reads as one does who has followed ..data and is preempted before the file.
func keepsThePreviousVersion(t *testing.T, p *Pod) {
	set := func(text string) {
		require.NoError(t, p.SetVolume("v", Volume{Files: map[string]File{"f": {Data: []byte(text)}}}))
	}
	list := func() []string {
		output, _ := executes(t, p, "list", "/v")
		return strings.Fields(output)
	}
	set("first")
	sleeping(t, p, func(c *ContainerSpec) { c.Mounts = []Mount{{Volume: "v", Path: "/v"}} })
	names := list()
	require.Len(t, names, 3)
	followed := "/v/" + names[0] + "/f"
	set("second")
	output, _ := executes(t, p, "cat", followed)
	require.Equal(t, "first", output, "until the next update")
	output, _ = executes(t, p, "cat", "/v/f")
	require.Equal(t, "second", output)
	for _, text := range []string{"third", "fourth"} {
		set(text)
		output, _ = executes(t, p, "cat", "/v/f")
		require.Equal(t, text, output)
		output, _ = executes(t, p, "cat", followed)
		require.Contains(t, output, "no such file")
		require.Len(t, list(), 4, "two versions, ..data and f")
	}
}

func TestVolumesOutliveAnInterruptedUpdate(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("v", Volume{Files: map[string]File{"f": {Data: []byte("first")}}}))
	sleeping(t, p, func(c *ContainerSpec) { c.Mounts = []Mount{{Volume: "v", Path: "/v"}} })
	for _, left := range [][]string{{"remake", "/v/..2026_01_02_03_04_05.6"}, {"link", "..2026_01_02_03_04_05.6", "/v/..data_tmp"}} {
		output, exit := executes(t, p, left...)
		require.Equal(t, Exit{}, exit, output)
	}
	require.NoError(t, p.SetVolume("v", Volume{Files: map[string]File{"f": {Data: []byte("second")}}}))
	output, _ := executes(t, p, "cat", "/v/f")
	require.Equal(t, "second", output)
	output, _ = executes(t, p, "list", "/v")
	require.Len(t, strings.Fields(output), 4, "two versions, ..data and f: %s", output)
}

// TestVolumeFilesAreNeverMissing lets each round of reads meet one update: a read that lasts longer than two may miss its file.
func TestVolumeFilesAreNeverMissing(t *testing.T) {
	p := newPod(t, newRuntime(t))
	set := func(text string) error {
		return p.SetVolume("v", Volume{Files: map[string]File{"f": {Data: []byte(text)}}})
	}
	require.NoError(t, set("0"))
	sleeping(t, p, func(c *ContainerSpec) { c.Mounts = []Mount{{Volume: "v", Path: "/v"}} })
	stdin, rounds, err := os.Pipe()
	require.NoError(t, err)
	defer rounds.Close()
	results, stdout, err := os.Pipe()
	require.NoError(t, err)
	defer results.Close()
	process, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "rounds", "/v/f"}, Stdin: stdin, Stdout: stdout})
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
	exit, err := waits(t, process)
	require.NoError(t, err)
	require.Equal(t, Exit{}, exit)
}

// TestVolumesWithHostileLinks has a container turn a volume's own links elsewhere before an update.
func TestVolumesWithHostileLinks(t *testing.T) {
	p := newPod(t, newRuntime(t))
	set := func(text string) error {
		return p.SetVolume("config", Volume{Files: map[string]File{"f": {Data: []byte(text)}}})
	}
	require.NoError(t, set("one"))
	require.NoError(t, p.SetVolume("other", Volume{}))
	spec := command("sleep")
	spec.Mounts = []Mount{{Volume: "config", Path: "/config"}, {Volume: "other", Path: "/other"}}
	_, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	for _, step := range [][]string{
		{"remake", "/other/..2026"}, {"write", "/other/..2026/kept", "x"}, {"write", "/other/kept", "x"},
		{"unlink", "/config/..data"}, {"link", "../other", "/config/..data"},
	} {
		output, exit := executes(t, p, step...)
		require.Equal(t, Exit{}, exit, output)
	}
	require.NoError(t, set("two"))
	for _, file := range []string{"/other/kept", "/other/..2026/kept"} {
		output, _ := executes(t, p, "cat", file)
		require.Equal(t, "x", output, "another volume is as it was")
	}
	output, _ := executes(t, p, "cat", "/config/f")
	require.Equal(t, "two", output)
	require.NoError(t, set("three"))
	output, _ = executes(t, p, "cat", "/config/f")
	require.Equal(t, "three", output)
}

func TestReadOnlyVolumes(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("config", Volume{Files: map[string]File{"f": {Data: []byte("x")}}}))
	sleeping(t, p, func(c *ContainerSpec) { c.Mounts = []Mount{{Volume: "config", Path: "/config", ReadOnly: true}} })
	for _, step := range [][]string{{"write", "/config/new", "x"}, {"write", "/config/f", "y"}, {"unlink", "/config/..data"}} {
		output, exit := executes(t, p, step...)
		require.Equal(t, 1, exit.Code)
		require.Contains(t, output, "read-only file system")
	}
}

func TestBadVolumes(t *testing.T) {
	p := newPod(t, newRuntime(t))
	for _, name := range []string{"", "..", "a/b"} {
		require.Error(t, p.SetVolume(name, Volume{}), name)
	}
	for _, file := range []string{"../x", "/x", "a/../../x", "..data", "a//b", "."} {
		require.Error(t, p.SetVolume("v", Volume{Files: map[string]File{file: {}}}), file)
	}
	spec := command("true")
	spec.Mounts = []Mount{{Volume: "missing", Path: "/x"}}
	_, err := p.Run(t.Context(), spec)
	require.ErrorContains(t, err, "no such volume")
}

func TestSubPathsStayInTheVolume(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("data", Volume{}))
	mounted := func(c *ContainerSpec) { c.Mounts = []Mount{{Volume: "data", Path: "/data"}} }
	spec := command("link", "/../..", "/data/out")
	mounted(&spec)
	_, exit := runs(t, p, spec)
	require.Equal(t, Exit{}, exit)
	for _, subPath := range []string{"out", "out/etc", "../x", "/../x"} {
		spec := command("true")
		spec.Mounts = []Mount{{Volume: "data", SubPath: subPath, Path: "/sub"}}
		_, err := p.Run(t.Context(), spec)
		require.Error(t, err, subPath)
	}
	spec = command("write", "/sub/file", "x")
	spec.Mounts = []Mount{{Volume: "data", SubPath: "a/b", Path: "/sub"}}
	_, exit = runs(t, p, spec)
	require.Equal(t, Exit{}, exit)
	content, err := p.ReadVolume("data", "a/b/file", 10)
	require.NoError(t, err)
	require.Equal(t, "x", string(content))
	_, err = p.ReadVolume("data", "out/proc/version", 10)
	require.Error(t, err)
}

func TestMountsInMounts(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("outer", Volume{}))
	require.NoError(t, p.SetVolume("inner", Volume{Files: map[string]File{"f": {Data: []byte("x")}}}))
	sleeping(t, p, func(c *ContainerSpec) {
		c.Mounts = []Mount{{Volume: "inner", Path: "/etc/deep/inner"}, {Volume: "outer", Path: "/etc"}}
		c.Files = map[string][]byte{"/etc/hosts": []byte("x")}
		c.Dir = "/etc/work"
	})
	output, _ := executes(t, p, "cat", "/etc/deep/inner/f")
	require.Equal(t, "x", output)
	output, _ = executes(t, p, "list", "/etc")
	require.Equal(t, "deep\nwork\n", output, "files of the container are not put into a volume")
}

func TestTerminationMessages(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("log", Volume{Files: map[string]File{"log": {Mode: 0o666}}}))
	spec := command("write", "/dev/termination-log", "because")
	spec.User, spec.Group = 1000, 1000
	spec.Mounts = []Mount{{Volume: "log", SubPath: "log", Path: "/dev/termination-log"}}
	_, exit := runs(t, p, spec)
	require.Equal(t, Exit{}, exit)
	content, err := p.ReadVolume("log", "log", 4)
	require.NoError(t, err)
	require.Equal(t, "ause", string(content))
}

func TestVolumeOwners(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	require.NoError(t, p.SetVolume("empty", Volume{Group: 2000}))
	require.NoError(t, p.SetVolume("files", Volume{Group: 2000, Files: map[string]File{"f": {Mode: 0o600, User: 1000}}}))
	sleeping(t, p, func(c *ContainerSpec) {
		c.User, c.Group, c.Groups = 1000, 1000, []int64{2000}
		c.Mounts = []Mount{{Volume: "empty", Path: "/empty"}, {Volume: "files", Path: "/files"}}
	})
	_, exit := executes(t, p, "write", "/empty/f", "x")
	require.Equal(t, Exit{}, exit)
	_, exit = executes(t, p, "cat", "/files/f")
	require.Equal(t, Exit{}, exit)
	if r.support.Mapping == MappingSingle {
		return
	}
	for file, want := range map[string]string{"/empty": "dgrwxrwxrwx 0 2000\n", "/empty/f": "-rw-r--r-- 1000 2000\n", "/files/..data/f": "-rw-r----- 1000 2000\n"} {
		output, _ := executes(t, p, "stat", file)
		require.Equal(t, want, output, file)
	}
}
