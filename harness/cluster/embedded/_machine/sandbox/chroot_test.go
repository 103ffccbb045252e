package sandbox

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// restricted says that this process has the rights of a container's root, and so runs the tests of MappingChroot.
var restricted = os.Getenv("SANDBOX_TEST_RESTRICTED") != ""

// keptRights are the capabilities that Docker gives a container.
var keptRights = []uint{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FSETID, unix.CAP_FOWNER, unix.CAP_MKNOD, unix.CAP_NET_RAW, unix.CAP_SETGID, unix.CAP_SETUID,
	unix.CAP_SETFCAP, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_CHROOT, unix.CAP_KILL, unix.CAP_AUDIT_WRITE,
}

// restrict takes from this thread what a container's root does not have: capabilities, namespaces and mounts.
func restrict() {
	code := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}}
	for _, call := range []uint32{unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_FSOPEN, unix.SYS_OPEN_TREE, unix.SYS_PIVOT_ROOT} {
		code = append(code,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	}
	code = append(code, // clone with a namespace's flag
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 3, K: unix.SYS_CLONE},
		unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16},
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jf: 1, K: 0x7E020000},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		panic(errno)
	}
	var kept uint64
	for _, right := range keptRights {
		kept |= 1 << right
	}
	for right := range uintptr(41) {
		if kept&(1<<right) == 0 {
			must(unix.Prctl(unix.PR_CAPBSET_DROP, right, 0, 0, 0))
		}
	}
	data := [2]unix.CapUserData{
		{Effective: uint32(kept), Permitted: uint32(kept), Inheritable: 0}, {Effective: uint32(kept >> 32), Permitted: uint32(kept >> 32)},
	}
	must(unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]))
	must(os.Setenv("SANDBOX_TEST_RESTRICTED", "2"))
	must(syscall.Exec(os.Args[0], os.Args, os.Environ()))
}

// TestAsContainersRoot runs the tests of MappingChroot as root of a container has to.
func TestAsContainersRoot(t *testing.T) {
	if os.Geteuid() != 0 || restricted {
		t.Skip("it needs root")
	}
	command := exec.Command(os.Args[0], "-test.v", "-test.timeout=3m", "-test.run=Chroot")
	command.Env = append(os.Environ(), "SANDBOX_TEST_RESTRICTED=1", "SANDBOX_TEST_BUILT="+built)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	t.Logf("%s", output)
}

// TestInDocker does the same in a container, if an engine is there.
func TestInDocker(t *testing.T) {
	if restricted || os.Geteuid() != 0 {
		t.Skip("it needs root")
	}
	docker := func(stdin io.Reader, arguments ...string) (string, error) {
		command := exec.Command("docker", arguments...)
		command.Stdin = stdin
		output, err := command.CombinedOutput()
		return strings.TrimSpace(string(output)), err
	}
	if _, err := docker(nil, "version"); err != nil {
		t.Skip("no Docker answers")
	}
	image, err := docker(strings.NewReader(string(archive())), "import", "-")
	require.NoError(t, err, image)
	t.Cleanup(func() { _, _ = docker(nil, "rmi", image) })
	program, err := os.Executable()
	require.NoError(t, err)
	for _, options := range [][]string{{}, {"--security-opt", "seccomp=unconfined"}} {
		arguments := append([]string{"run", "--rm", "-v", program + ":/test:ro", "-v", built + ":/built:ro"}, options...)
		arguments = append(arguments, "-e", "SANDBOX_TEST_RESTRICTED=2", "-e", "SANDBOX_TEST_BUILT=/built", "-e", "TMPDIR=/rooms",
			image, "/test", "-test.v", "-test.timeout=3m", "-test.run=Chroot")
		output, err := docker(nil, arguments...)
		require.NoError(t, err, "%s: %s", options, output)
		t.Logf("%s: %s", options, output)
	}
}

func chrootRuntime(t *testing.T) *Runtime {
	if !restricted {
		t.Skip("TestAsContainersRoot runs it")
	}
	r := newRuntime(t)
	must(os.MkdirAll(os.TempDir(), 0o700))
	r.Dir = filepath.Join(t.TempDir(), "rooms")
	support, err := r.Support(t.Context())
	require.NoError(t, err)
	require.Equal(t, MappingChroot, support.Mapping)
	return r
}

func TestChrootSupport(t *testing.T) {
	r := chrootRuntime(t)
	support, err := r.Support(t.Context())
	require.NoError(t, err)
	require.Contains(t, support.Weaker, "chroots")
	require.Contains(t, support.Why, "operation not permitted")
	t.Logf("%+v", support)

	other := chrootRuntime(t)
	services, err := r.Services(t.Context())
	require.NoError(t, err)
	require.True(t, services.Addr().IsLoopback())
	others, err := other.Services(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, services, others)
	for _, each := range []*Runtime{r, other} {
		number := int(each.services.Addr().As4()[1])
		require.Equal(t, (0x7000+number-64)<<16, each.hostIDs(), "as exclusive as the services")
	}
	p, stranger := newPod(t, r), newPod(t, other)
	sleeping(t, p, nil)
	sleeping(t, stranger, nil)
	time.Sleep(4 * memoryInterval)
	for _, each := range []*Pod{p, stranger} {
		_, exit := executes(t, each, "true")
		require.Equal(t, Exit{}, exit, "none is taken for a process of the other's")
	}
}

func TestChrootProcesses(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	output, exit := runs(t, p, command("echo", "hello"))
	require.Equal(t, "hello\n", output)
	require.Equal(t, Exit{}, exit)
	_, exit = runs(t, p, command("exit", "7"))
	require.Equal(t, Exit{Code: 7}, exit)
	_, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "true"}})
	require.ErrorContains(t, err, "container not running")

	sleeping(t, p, nil)
	spec := command("sleep")
	spec.Name = "beside"
	_, err = p.Run(t.Context(), spec)
	require.NoError(t, err)
	first, _ := executes(t, p, "ids")
	again, _ := executes(t, p, "ids")
	require.Equal(t, first, again)
	require.NotContains(t, first, "0 0 [")

	background, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "sleep"}})
	require.NoError(t, err)
	_, exit = executes(t, p, "killall")
	require.Equal(t, Exit{}, exit)
	exit, err = waits(t, background)
	require.NoError(t, err)
	require.Equal(t, Exit{Code: 137, Signal: unix.SIGKILL}, exit)
	_, exit = executes(t, p, "true")
	require.Equal(t, Exit{}, exit, "the container's first process is there yet")

	_, err = p.Exec(t.Context(), "main", ExecSpec{Args: []string{"nothing"}})
	var start *StartError
	require.ErrorAs(t, err, &start)
	require.Equal(t, 127, start.Code)
}

func TestChrootLeavesNothing(t *testing.T) {
	r := chrootRuntime(t)
	p := newPod(t, r)
	marker := fmt.Sprintf("chroot-%d", os.Getpid())
	sleeping(t, p, func(spec *ContainerSpec) { spec.Args = []string{"probe", "sleep", marker} })
	for range 3 {
		_, exit := executes(t, p, "sh", marker)
		require.NotEqual(t, Exit{}, exit)
		_, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "sleep", marker}})
		require.NoError(t, err)
	}
	require.Equal(t, 4, processes(t, marker))
	require.NoError(t, p.Close())
	require.Zero(t, processes(t, marker))
	entries, err := os.ReadDir(r.Dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestChrootAgentKilled(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	marker := fmt.Sprintf("chroot-agent-%d", os.Getpid())
	spec := command("sleep", marker)
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	_, err = p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "sleep", marker}})
	require.NoError(t, err)
	require.NoError(t, p.rooms.all["main"].agent.agent.Kill())
	_, err = waits(t, process)
	require.ErrorIs(t, err, ErrGone)
	eventually(t, "all have ended", func() bool { return processes(t, marker) == 0 })
}

func TestChrootFiles(t *testing.T) {
	r := chrootRuntime(t)
	p := newPod(t, r)
	require.NoError(t, p.SetVolume("config", Volume{Files: map[string]File{"key": {Data: []byte("one"), Mode: 0o600}}}))
	require.NoError(t, p.SetVolume("empty", Volume{}))
	spec := command("sleep")
	spec.ReadOnlyRoot = true
	spec.Files = map[string][]byte{"/etc/hosts": []byte("127.0.0.1\tlocalhost\n")}
	spec.Mounts = []Mount{{Volume: "config", Path: "/config"}, {Volume: "empty", Path: "/tmp"}}
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	output, _ := executes(t, p, "list", "/")
	require.Equal(t, []string{"bin", "config", "dev", "etc", "lower", "proc", "sys", "tmp"}, strings.Fields(output))
	output, _ = executes(t, p, "cat", "/config/key")
	require.Equal(t, "one", output)
	require.NoError(t, p.SetVolume("config", Volume{Files: map[string]File{"key": {Data: []byte("two")}}}))
	output, _ = executes(t, p, "cat", "/config/key")
	require.Equal(t, "two", output)
	output, _ = executes(t, p, "cat", "/etc/hosts")
	require.Contains(t, output, own)
	output, _ = executes(t, p, "write", "/etc/new", "x")
	require.Contains(t, output, "permission denied")
	output, _ = executes(t, p, "write", "/config/key", "x")
	require.Contains(t, output, "permission denied")
	_, exit := executes(t, p, "write", "/tmp/file", "kept")
	require.Equal(t, Exit{}, exit)
	output, _ = executes(t, p, "cat", "/dev/zero/x")
	require.Contains(t, output, "not a directory")

	other := command("sleep")
	other.Name, other.Mounts = "other", []Mount{{Volume: "empty", Path: "/there"}}
	_, err = p.Run(t.Context(), other)
	var start *StartError
	require.ErrorAs(t, err, &start)
	require.Contains(t, start.Message, "CLUSTER=kind")

	require.NoError(t, process.Signal(unix.SIGKILL))
	_, err = waits(t, process)
	require.NoError(t, err)
	_, err = p.Run(t.Context(), spec)
	require.NoError(t, err)
	output, _ = executes(t, p, "cat", "/tmp/file")
	require.Equal(t, "kept", output, "an empty volume outlives its container")

	stranger := newPod(t, r)
	sleeping(t, stranger, nil)
	output, _ = executes(t, stranger, "list", r.Dir)
	require.Contains(t, output, "no such file")
}

func TestChrootVolumesKeepThePreviousVersion(t *testing.T) {
	keepsThePreviousVersion(t, newPod(t, chrootRuntime(t)))
}

func TestChrootLimits(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	spec := command("hog", "300")
	spec.Memory = 64 << 20
	output, exit := runs(t, p, spec)
	require.True(t, exit.OOMKilled, "%v: %s", exit, output)

	spec = command("fill", "/tmp/full")
	spec.Disk = 32 << 20
	_, exit = runs(t, p, spec)
	require.NotEqual(t, Exit{}, exit)

	sleeping(t, p, nil)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	bomb, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "bomb"}, Stdout: writer})
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	line := make([]byte, 100)
	n, err := reader.Read(line)
	require.NoError(t, err)
	var count int
	_, err = fmt.Sscanf(string(line[:n]), "stopped after %d", &count)
	require.NoError(t, err, string(line[:n]))
	require.Greater(t, count, 50)
	require.NoError(t, bomb.Signal(unix.SIGKILL))
}

// TestChrootDisk fills the disk in ways that no folder shows.
func TestChrootDisk(t *testing.T) {
	r := chrootRuntime(t)
	spec := podSpec()
	spec.Disk = 128 << 20
	p, err := r.Start(t.Context(), spec)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	for _, hog := range [][]string{{"unlinked", "open"}, {"unlinked", "mapped"}, {"touch", "/tmp"}} {
		spec := command(hog...)
		spec.Disk = 64 << 20
		output, exit := runs(t, p, spec)
		require.Equal(t, Exit{Code: 137, Signal: unix.SIGKILL}, exit, "%s: %s", hog, output)
	}
	bystander := newPod(t, r)
	sleeping(t, bystander, nil)
	_, exit := executes(t, bystander, "true")
	require.Equal(t, Exit{}, exit)
}

// TestChrootMemoryInOtherForms takes it in ways that no process's resident memory shows, or again and again.
func TestChrootMemoryInOtherForms(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	for _, hog := range [][]string{{"memfd", "400"}, {"tables", "400"}, {"buffers", "500"}, {"respawn", "20", "100"}} {
		spec := command(hog...)
		spec.Memory = 128 << 20
		output, exit := runs(t, p, spec)
		require.NotContains(t, output, "had", hog)
		if hog[0] == "memfd" {
			require.Contains(t, output, "operation not permitted")
			continue
		}
		require.Equal(t, Exit{Code: 137, Signal: unix.SIGKILL, OOMKilled: true}, exit, "%s: %s", hog, output)
	}
}

// TestChrootFolderOfTheMachine hands a container what another could hand it: a descriptor of a folder outside its root.
func TestChrootFolderOfTheMachine(t *testing.T) {
	r := chrootRuntime(t)
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o644))
	require.NoError(t, os.Chmod(outside, 0o755)) // what it is in does not matter to a descriptor
	folder, err := os.Open(outside)
	require.NoError(t, err)
	defer folder.Close()
	spec := command("outside", "secret")
	spec.Stdin = folder
	output, exit := runs(t, newPod(t, r), spec)
	require.Equal(t, 1, exit.Code)
	require.Contains(t, output, "permission denied")

	about, err := os.Stat(r.Dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), about.Mode().Perm(), "without Landlock this alone keeps containers from each other's files")
}

// TestChrootAbstractSockets has one container listen and another connect.
func TestChrootAbstractSockets(t *testing.T) {
	r := chrootRuntime(t)
	name := fmt.Sprintf("@rolecall-test-%d", os.Getpid())
	begins(t, newPod(t, r), command("serve-unix", name))
	output, exit := runs(t, newPod(t, r), command("dial-unix", name))
	require.Equal(t, 1, exit.Code)
	require.Contains(t, output, "operation not permitted")
}

func TestChrootManyForkBombs(t *testing.T) { manyForkBombs(t, chrootRuntime(t)) }

func TestChrootDescriptorsOnTheirWay(t *testing.T) {
	r := chrootRuntime(t)
	descriptorsOnTheirWay(t, newPod(t, r), newPod(t, r))
}

func TestChrootLimitsOfProcesses(t *testing.T) {
	limitsOfProcesses(t, newPod(t, chrootRuntime(t)))
}

func TestChrootHostileAccounts(t *testing.T) { hostileAccounts(t, newPod(t, chrootRuntime(t))) }

func TestChrootATracedProcessHasNotEnded(t *testing.T) { tracedProcess(t, newPod(t, chrootRuntime(t))) }

func TestChrootNetwork(t *testing.T) {
	r := chrootRuntime(t)
	services, err := r.Services(t.Context())
	require.NoError(t, err)
	elsewhere, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer elsewhere.Close()
	server := services.Addr().Next().String()
	for _, text := range []string{"first", "second"} {
		p := newPod(t, r)
		sleeping(t, p, nil)
		listener, err := p.Listen("tcp", server+":443")
		require.NoError(t, err)
		packets, err := p.ListenPacket("udp", server+":53")
		require.NoError(t, err)
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(conn, text)
				conn.Close()
			}
		}()
		go func() {
			data := make([]byte, 100)
			for {
				n, from, err := packets.ReadFrom(data)
				if err != nil {
					return
				}
				_, _ = packets.WriteTo(append(data[:n:n], text...), from)
			}
		}()
		output, _ := executes(t, p, "dial", server+":443")
		require.Equal(t, text, output)
		output, _ = executes(t, p, "send", server+":53", "to the ")
		require.Equal(t, "to the "+text, output)
		output, _ = executes(t, p, "dial", elsewhere.Addr().String())
		require.Contains(t, output, "permission denied")
		for _, call := range []string{"sendto", "sendmsg"} {
			output, _ = executes(t, p, "fast-open", elsewhere.Addr().String(), call)
			require.Contains(t, output, "operation not permitted", "nor in the way that Landlock does not see")
		}
		output, _ = executes(t, p, "serve", "127.0.0.1:18443")
		require.Contains(t, output, "permission denied")
	}
	// Nobody else is served.
	conn, err := net.DialTimeout("tcp", server+":443", time.Second)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestChrootTerminal(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	sleeping(t, p, nil)
	process, err := p.Exec(t.Context(), "main", ExecSpec{Args: []string{"probe", "terminal"}, TTY: true})
	require.NoError(t, err)
	defer process.Terminal.Close()
	require.NoError(t, process.Resize(24, 80))
	_, err = process.Terminal.WriteString("ask\n")
	require.NoError(t, err)
	data := make([]byte, 100)
	n, err := process.Terminal.Read(data)
	require.NoError(t, err)
	if text := string(data[:n]); !strings.Contains(text, "24 80") {
		n, err = process.Terminal.Read(data)
		require.NoError(t, err)
		require.Contains(t, string(data[:n]), "24 80")
	}
}
