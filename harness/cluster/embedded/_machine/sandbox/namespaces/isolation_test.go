package namespaces

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/imagearchive"
	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

func TestNothingOfTheHostIsVisible(t *testing.T) {
	t.Setenv("SANDBOX_SECRET", "of the host")
	r := newRuntime(t)
	p := newPod(t, r)
	podtest.Sleeping(t, p, nil)
	output, _ := podtest.Executes(t, p, "list", "/")
	require.Equal(t, []string{"bin", "dev", "etc", "lower", "proc", "sys", "tmp"}, strings.Fields(output))
	output, _ = podtest.Executes(t, p, "cat", "/proc/self/mountinfo")
	require.NotContains(t, output, podtest.Built)
	require.NotContains(t, output, "/volumes")
	output, _ = podtest.Executes(t, p, "env")
	require.NotContains(t, output, "SECRET")
	require.Equal(t, 2, visible(t, p), "the container's process and the one that asks")
	output, _ = podtest.Executes(t, p, "files")
	require.Equal(t, "4\n", output, "standard input, output, error and the folder that is listed")
	output, _ = podtest.Executes(t, p, "cat", "/proc/sys/kernel/hostname")
	require.Equal(t, "web-0\n", output)
	if p.cgroup != nil {
		output, _ = podtest.Executes(t, p, "cat", "/proc/self/cgroup")
		require.NotContains(t, output, r.prefix)
	}
}

// visible counts the processes that one in the container "main" sees.
func visible(t *testing.T, p *Pod) int {
	output, _ := podtest.Executes(t, p, "list", "/proc")
	found := 0
	for _, name := range strings.Fields(output) {
		if name[0] >= '0' && name[0] <= '9' {
			found++
		}
	}
	return found
}

func TestContainersOfAPodShareNetworkButNotProcesses(t *testing.T) {
	p := newPod(t, newRuntime(t))
	podtest.Sleeping(t, p, nil)
	other := podtest.Command("sleep")
	other.Name = "other"
	stays, err := p.Run(t.Context(), other)
	require.NoError(t, err)
	require.Equal(t, 2, visible(t, p), "the container's process and the one that asks")
	_, exit := podtest.Executes(t, p, "killall")
	require.Equal(t, sandbox.Exit{}, exit)
	select {
	case <-stays.Done():
		require.Fail(t, "the other container has ended")
	case <-time.After(100 * time.Millisecond):
	}
}

// TestHostileAccounts puts in the place of /etc/passwd what has no end, and
// what nobody answers.
func TestHostileAccounts(t *testing.T) { podtest.HostileAccounts(t, newPod(t, newRuntime(t))) }

// TestTheAgentHasALimit reads what the kernel holds it to, and what it has
// used.
func TestTheAgentHasALimit(t *testing.T) {
	p := newPod(t, newRuntime(t))
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.agent.PID()))
	require.NoError(t, err)
	require.Regexp(t, `Max data size +536870912 `, string(limits))
	output, _ := podtest.Runs(t, p, podtest.Command("cat", "/proc/self/limits"))
	require.Regexp(t, `Max data size +unlimited `, output, "it is not the containers'")
}

// TestMaskedFiles mounts a volume over /dev, where it has a /dev/null of its
// own.
func TestMaskedFiles(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("dev", sandbox.Volume{}))
	spec := podtest.Command("write", "/dev/null", "a null of its own")
	spec.Mounts = []sandbox.Mount{{Volume: "dev", Path: "/dev"}}
	output, exit := podtest.Runs(t, p, spec)
	require.Equal(t, sandbox.Exit{}, exit, output)
	for _, masked := range []string{"/proc/keys", "/proc/timer_list", "/proc/interrupts"} {
		spec.Args = []string{"probe", "cat", masked}
		output, exit = podtest.Runs(t, p, spec)
		require.Equal(t, sandbox.Exit{}, exit, output)
		require.Empty(t, output, masked)
	}
	spec.Args = []string{"probe", "cat", "/dev/null"}
	output, _ = podtest.Runs(t, p, spec)
	require.Equal(t, "a null of its own", output)
}

func TestReadOnlyRoot(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("data", sandbox.Volume{}))
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) {
		c.ReadOnlyRoot = true
		c.Mounts = []sandbox.Mount{{Volume: "data", Path: "/data/deep"}}
		c.Files = map[string][]byte{"/etc/hosts": []byte("127.0.0.1 localhost\n")}
	})
	output, exit := podtest.Executes(t, p, "write", "/etc/new", "x")
	require.Contains(t, output, "read-only file system")
	require.Equal(t, 1, exit.Code)
	_, exit = podtest.Executes(t, p, "write", "/data/deep/new", "x")
	require.Equal(t, sandbox.Exit{}, exit)
	output, _ = podtest.Executes(t, p, "cat", "/etc/hosts")
	require.Equal(t, "127.0.0.1 localhost\n", output)
	output, _ = podtest.Executes(t, p, "write", "/proc/sys/kernel/hostname", "x")
	require.Contains(t, output, "read-only file system")
}

func TestWritableRoot(t *testing.T) {
	p := newPod(t, newRuntime(t))
	podtest.Sleeping(t, p, nil)
	output, exit := podtest.Executes(t, p, "remake", "/lower")
	require.Equal(t, "0\n", output, "a folder of the image made again is empty")
	require.Equal(t, sandbox.Exit{}, exit)
}

func TestUsersAndGroups(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	for _, user := range []int64{0, 1000, 65534, 1000650000} {
		spec := podtest.Command("ids")
		spec.User, spec.Group, spec.Groups = user, user, []int64{7}
		if user > highest {
			spec.Groups = nil
		}
		output, exit := podtest.Runs(t, p, spec)
		require.Equal(t, sandbox.Exit{}, exit, output)
		fields := strings.Fields(output)
		require.Equal(t, fields[0], fields[1])
		if user <= highest && r.mode == sandbox.ModeNamespaces {
			require.Contains(t, output, "[7]")
		}
		spec.Args = []string{"probe", "sleep"}
		process, err := p.Run(t.Context(), spec)
		require.NoError(t, err)
		executed, _ := podtest.Executes(t, p, "ids")
		require.Equal(t, fields[:2], strings.Fields(executed)[:2])
		output, _ = podtest.Executes(t, p, "cat", "/proc/1/environ")
		require.Contains(t, output, "PATH=", "one's own processes can be read")
		require.NoError(t, process.Signal(9))
		_, err = podtest.Waits(t, process)
		require.NoError(t, err)
	}
}

const highest = 65535

func TestCapabilities(t *testing.T) {
	p := newPod(t, newRuntime(t))
	for _, try := range []struct {
		user                int64
		bounding, effective string
		noNewPrivileges     bool
		privileges          string
	}{
		{0, "0000000000000401", "0000000000000401", false, "0"},
		{1000, "0000000000000401", "0000000000000000", true, "1"},
	} {
		spec := podtest.Command("cat", "/proc/self/status")
		spec.User, spec.Group, spec.NoNewPrivileges = try.user, try.user, try.noNewPrivileges
		spec.Capabilities = []string{"CHOWN", "CAP_NET_BIND_SERVICE"}
		output, _ := podtest.Runs(t, p, spec)
		for name, want := range map[string]string{
			"CapBnd": try.bounding, "CapEff": try.effective, "CapPrm": try.effective, "CapInh": "0000000000000000",
			"CapAmb": "0000000000000000", "NoNewPrivs": try.privileges, "Seccomp": "2",
		} {
			require.Contains(t, output, name+":\t"+want+"\n")
		}
		spec.Args = []string{"probe", "sleep"}
		process, err := p.Run(t.Context(), spec)
		require.NoError(t, err)
		executed, _ := podtest.Executes(t, p, "cat", "/proc/self/status")
		require.Contains(t, executed, "CapBnd:\t"+try.bounding+"\n")
		require.Contains(t, executed, "CapEff:\t"+try.effective+"\n")
		require.Contains(t, executed, "Seccomp:\t2\n")
		require.Contains(t, executed, "NoNewPrivs:\t"+try.privileges+"\n")
		require.NoError(t, process.Signal(9))
		_, err = podtest.Waits(t, process)
		require.NoError(t, err)
	}
}

func TestRefusedCalls(t *testing.T) {
	p := newPod(t, newRuntime(t))
	output, exit := podtest.Runs(t, p, podtest.Command("calls"))
	require.Equal(t, sandbox.Exit{}, exit)
	require.Equal(t, "unshare: 1\nclone: 1\nclone3: 38\nmount: 1\nkeyctl: 1\nkexec: 1\nvsock: 1\nalg: 1\nio_uring: 1\nopen_tree_attr: 38\nlistns: 38\nlater: 38\n", output)
}

// TestHostileImages makes images whose paths, links and whiteouts point out of
// them.
func TestHostileImages(t *testing.T) {
	folder := t.TempDir()
	probe, err := os.ReadFile(filepath.Join(podtest.Built, "probe"))
	require.NoError(t, err)
	base := podtest.Archive(
		tar.Header{Name: "bin/probe", Mode: 0o755, PAXRecords: podtest.Content(string(probe))},
		tar.Header{Name: "../../escaped", Mode: 0o644, PAXRecords: podtest.Content("x")},
		tar.Header{Name: "/absolute", Mode: 0o644, PAXRecords: podtest.Content("x")},
		tar.Header{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "../../.."},
		tar.Header{Name: "out/through", Mode: 0o644, PAXRecords: podtest.Content("x")},
		tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "../../absolute"},
		tar.Header{Name: "volumes/data/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "etc", Typeflag: tar.TypeSymlink, Linkname: "/volumes/data"},
		tar.Header{Name: "device", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
		tar.Header{Name: "gone/a", Mode: 0o644, PAXRecords: podtest.Content("x")},
		tar.Header{Name: "hidden/a", Mode: 0o644, PAXRecords: podtest.Content("x")},
	)
	upper := podtest.Archive(
		tar.Header{Name: "gone/.wh.a", Mode: 0o644},
		tar.Header{Name: "hidden/b", Mode: 0o644, PAXRecords: podtest.Content("x")},
		tar.Header{Name: "hidden/.wh..wh..opq", Mode: 0o644},
	)
	hostile := podtest.Archive(tar.Header{Name: ".wh...", Mode: 0o644})
	devices := podtest.Archive(tar.Header{Name: "dev", Typeflag: tar.TypeSymlink, Linkname: "/bin"})
	require.NoError(t, os.WriteFile(folder+"/links.tar", podtest.Save(base, upper), 0o644))
	require.NoError(t, os.WriteFile(folder+"/whiteout.tar", podtest.Save(base, hostile), 0o644))
	require.NoError(t, os.WriteFile(folder+"/devices.tar", podtest.Save(base, devices), 0o644))

	for _, copies := range []bool{false, true} {
		images := map[string]*imagearchive.Image{}
		for name, file := range map[string]string{"probe": "links", "whiteout": "whiteout", "devices": "devices"} {
			images[name], err = imagearchive.Open(folder + "/" + file + ".tar")
			require.NoError(t, err)
		}
		r := runtimeWith(t, podtest.Config(), images)
		r.store.copies = copies
		p := newPod(t, r)
		require.NoError(t, p.SetVolume("data", sandbox.Volume{Files: map[string]sandbox.File{"secret": {Data: []byte("s")}}}))
		spec := podtest.Command("list", "/")
		spec.Files = map[string][]byte{"/etc/hosts": []byte("x")}
		output, exit := podtest.Runs(t, p, spec)
		require.Equal(t, sandbox.Exit{}, exit, output)
		require.Subset(t, strings.Fields(output), []string{"absolute", "bin", "escaped", "hard", "through", "volumes"})
		require.NotContains(t, output, "device")
		for folder, want := range map[string]string{"/gone": "", "/hidden": "b\n", "/volumes/data": ""} {
			output, _ = podtest.Runs(t, p, podtest.Command("list", folder))
			require.Equal(t, want, output, "%s is the image's own, and as the image has it", folder)
		}
		for _, image := range []string{"whiteout", "devices"} {
			spec := podtest.Command("true")
			spec.Image = image
			_, err := p.Run(t.Context(), spec)
			require.Error(t, err, image)
		}
	}
	_, err = os.Stat("/escaped")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestImagesCopied is for kernels whose overlays do not work.
func TestImagesCopied(t *testing.T) {
	r := newRuntime(t)
	r.store.copies = true
	p := newPod(t, r)
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) { c.Disk = 8 << 20 })
	output, exit := podtest.Executes(t, p, "fill", "/tmp/full")
	require.Equal(t, 1, exit.Code)
	require.Contains(t, output, "no space left on device")
	output, _ = podtest.Executes(t, p, "stat", "/tmp")
	require.Contains(t, output, "dtrwxrwxrwx")
}

// TestNoFurtherUserNamespaces gives the capability with which the filter allows
// the call: what refuses it then is the pod's limit.
func TestNoFurtherUserNamespaces(t *testing.T) {
	p := newPod(t, newRuntime(t))
	for _, user := range []int64{0, 1000, 1000650000} {
		spec := podtest.Command("calls")
		spec.User, spec.Group, spec.Capabilities = user, user, []string{"SYS_ADMIN"}
		output, exit := podtest.Runs(t, p, spec)
		require.Equal(t, sandbox.Exit{}, exit)
		require.Contains(t, output, "clone: 28\n", "no space left")
		require.NotContains(t, output, "clone: 0\n")
		spec = podtest.Command("cat", "/proc/sys/user/max_user_namespaces")
		spec.User, spec.Group = user, user
		output, exit = podtest.Runs(t, p, spec)
		require.Equal(t, sandbox.Exit{}, exit)
		require.Equal(t, "0\n", output, "a limit of its own, from before its command began")
	}
}
