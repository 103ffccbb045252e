package chroot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/testdata/podtest"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv("SANDBOX_TEST_RESTRICTED") == "1" {
		runtime.LockOSThread()
		restrict()
	}
	if os.Getenv("SANDBOX_TEST_NODE") != "" {
		node()
		return
	}
	os.Exit(podtest.Main(m))
}

// restricted says that this process has the rights of a container's root, and
// so can run these tests.
var restricted = os.Getenv("SANDBOX_TEST_RESTRICTED") != ""

// keptRights are the capabilities that Docker gives a container.
var keptRights = []uint{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FSETID, unix.CAP_FOWNER, unix.CAP_MKNOD, unix.CAP_NET_RAW, unix.CAP_SETGID, unix.CAP_SETUID,
	unix.CAP_SETFCAP, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_CHROOT, unix.CAP_KILL, unix.CAP_AUDIT_WRITE,
}

// restrict takes from this thread what a container's root does not have:
// capabilities, namespaces and mounts.
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
			podtest.Must(unix.Prctl(unix.PR_CAPBSET_DROP, right, 0, 0, 0))
		}
	}
	data := [2]unix.CapUserData{
		{Effective: uint32(kept), Permitted: uint32(kept), Inheritable: 0}, {Effective: uint32(kept >> 32), Permitted: uint32(kept >> 32)},
	}
	podtest.Must(unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]))
	podtest.Must(os.Setenv("SANDBOX_TEST_RESTRICTED", "2"))
	podtest.Must(syscall.Exec(os.Args[0], os.Args, os.Environ()))
}

// TestAsContainersRoot runs the tests of chroots as root of a container has to.
func TestAsContainersRoot(t *testing.T) {
	if os.Geteuid() != 0 || restricted {
		t.Skip("it needs root")
	}
	command := exec.Command(os.Args[0], "-test.v", "-test.timeout=3m", "-test.skip=TestAsContainersRoot|TestInDocker")
	command.Env = append(os.Environ(), "SANDBOX_TEST_RESTRICTED=1", "SANDBOX_TEST_BUILT="+podtest.Built)
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
	image, err := docker(strings.NewReader(string(podtest.Archive())), "import", "-")
	require.NoError(t, err, image)
	t.Cleanup(func() { _, _ = docker(nil, "rmi", image) })
	program, err := os.Executable()
	require.NoError(t, err)
	for _, options := range [][]string{{}, {"--security-opt", "seccomp=unconfined"}} {
		arguments := append([]string{"run", "--rm", "-v", program + ":/test:ro", "-v", podtest.Built + ":/podtest.Built:ro"}, options...)
		arguments = append(arguments, "-e", "SANDBOX_TEST_RESTRICTED=2", "-e", "SANDBOX_TEST_BUILT=/podtest.Built", "-e", "TMPDIR=/containers",
			image, "/test", "-test.v", "-test.timeout=3m", "-test.skip=TestAsContainersRoot|TestInDocker")
		output, err := docker(nil, arguments...)
		require.NoError(t, err, "%s: %s", options, output)
		t.Logf("%s: %s", options, output)
	}
}

func chrootRuntime(t *testing.T) *Runtime {
	if !restricted {
		t.Skip("TestAsContainersRoot runs it")
	}
	podtest.Must(os.MkdirAll(os.TempDir(), 0o700))
	config := podtest.Config()
	config.Dir = filepath.Join(t.TempDir(), "containers")
	return runtimeIn(t, config)
}

func runtimeIn(t *testing.T, config sandbox.Config) *Runtime {
	program, err := agents.Load(config.Agent)
	require.NoError(t, err)
	r, err := New(t.Context(), program, config, errors.New("operation not permitted"))
	require.NoError(t, err)
	r.SetImages(podtest.Images())
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func newPod(t *testing.T, r *Runtime) *Pod { return podtest.NewPod(t, r).(*Pod) }

func TestSupport(t *testing.T) {
	r, other := chrootRuntime(t), chrootRuntime(t)
	support := r.Support()
	require.Contains(t, support.Weaker, "chroots")
	require.Contains(t, support.Why, "operation not permitted")
	t.Logf("%+v", support)
	require.True(t, r.Services().Addr().IsLoopback())
	require.NotEqual(t, r.Services(), other.Services())
	for _, each := range []*Runtime{r, other} {
		number := int(each.Services().Addr().As4()[1])
		require.Equal(t, (0x7000+number-64)<<16, each.users.first, "as exclusive as the services")
	}
	p, stranger := newPod(t, r), newPod(t, other)
	podtest.Sleeping(t, p, nil)
	podtest.Sleeping(t, stranger, nil)
	time.Sleep(4 * memoryInterval)
	for _, each := range []*Pod{p, stranger} {
		_, exit := podtest.Executes(t, each, "true")
		require.Equal(t, sandbox.Exit{}, exit, "none is taken for a process of the other's")
	}
}

func TestProcesses(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	output, exit := podtest.Runs(t, p, podtest.Command("echo", "hello"))
	require.Equal(t, "hello\n", output)
	require.Equal(t, sandbox.Exit{}, exit)
	_, exit = podtest.Runs(t, p, podtest.Command("exit", "7"))
	require.Equal(t, sandbox.Exit{Code: 7}, exit)
	_, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "true"}})
	require.ErrorContains(t, err, "container not running")

	podtest.Sleeping(t, p, nil)
	spec := podtest.Command("sleep")
	spec.Name = "beside"
	_, err = p.Run(t.Context(), spec)
	require.NoError(t, err)
	first, _ := podtest.Executes(t, p, "ids")
	again, _ := podtest.Executes(t, p, "ids")
	require.Equal(t, first, again)
	require.NotContains(t, first, "0 0 [")

	background, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "sleep"}})
	require.NoError(t, err)
	_, exit = podtest.Executes(t, p, "killall")
	require.Equal(t, sandbox.Exit{}, exit)
	exit, err = podtest.Waits(t, background)
	require.NoError(t, err)
	require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL}, exit)
	_, exit = podtest.Executes(t, p, "true")
	require.Equal(t, sandbox.Exit{}, exit, "the container's first process is there yet")

	_, err = p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"nothing"}})
	var start *sandbox.StartError
	require.ErrorAs(t, err, &start)
	require.Equal(t, 127, start.Code)
}

func TestLeavesNothing(t *testing.T) {
	r := chrootRuntime(t)
	p := newPod(t, r)
	marker := fmt.Sprintf("chroot-%d", os.Getpid())
	podtest.Sleeping(t, p, func(spec *sandbox.ContainerSpec) { spec.Args = []string{"probe", "sleep", marker} })
	for range 3 {
		_, exit := podtest.Executes(t, p, "sh", marker)
		require.NotEqual(t, sandbox.Exit{}, exit)
		_, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "sleep", marker}})
		require.NoError(t, err)
	}
	require.Equal(t, 4, podtest.Processes(t, marker))
	require.NoError(t, p.Close())
	require.Zero(t, podtest.Processes(t, marker))
	entries, err := os.ReadDir(r.dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestAgentKilled(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	marker := fmt.Sprintf("chroot-agent-%d", os.Getpid())
	spec := podtest.Command("sleep", marker)
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	_, err = p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "sleep", marker}})
	require.NoError(t, err)
	require.NoError(t, p.containers["main"].agent.Kill())
	_, err = podtest.Waits(t, process)
	require.ErrorIs(t, err, sandbox.ErrGone)
	podtest.Eventually(t, "all have ended", func() bool { return podtest.Processes(t, marker) == 0 })
}

func TestFiles(t *testing.T) {
	r := chrootRuntime(t)
	p := newPod(t, r)
	require.NoError(t, p.SetVolume("config", sandbox.Volume{Files: map[string]sandbox.File{"key": {Data: []byte("one"), Mode: 0o600}}}))
	require.NoError(t, p.SetVolume("empty", sandbox.Volume{}))
	spec := podtest.Command("sleep")
	spec.ReadOnlyRoot = true
	spec.Files = map[string][]byte{"/etc/hosts": []byte("127.0.0.1\tlocalhost\n")}
	spec.Mounts = []sandbox.Mount{{Volume: "config", Path: "/config"}, {Volume: "empty", Path: "/tmp"}}
	process, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	output, _ := podtest.Executes(t, p, "list", "/")
	require.Equal(t, []string{"bin", "config", "dev", "etc", "lower", "proc", "sys", "tmp"}, strings.Fields(output))
	output, _ = podtest.Executes(t, p, "cat", "/config/key")
	require.Equal(t, "one", output)
	require.NoError(t, p.SetVolume("config", sandbox.Volume{Files: map[string]sandbox.File{"key": {Data: []byte("two")}}}))
	output, _ = podtest.Executes(t, p, "cat", "/config/key")
	require.Equal(t, "two", output)
	output, _ = podtest.Executes(t, p, "cat", "/etc/hosts")
	require.Contains(t, output, podtest.Own)
	output, _ = podtest.Executes(t, p, "write", "/etc/new", "x")
	require.Contains(t, output, "permission denied")
	output, _ = podtest.Executes(t, p, "write", "/config/key", "x")
	require.Contains(t, output, "permission denied")
	_, exit := podtest.Executes(t, p, "write", "/tmp/file", "kept")
	require.Equal(t, sandbox.Exit{}, exit)
	output, _ = podtest.Executes(t, p, "cat", "/dev/zero/x")
	require.Contains(t, output, "not a directory")

	other := podtest.Command("sleep")
	other.Name, other.Mounts = "other", []sandbox.Mount{{Volume: "empty", Path: "/there"}}
	_, err = p.Run(t.Context(), other)
	var cannot *sandbox.NotSupportedError
	require.ErrorAs(t, err, &cannot)
	require.Contains(t, cannot.Message, "mounted more than once")

	require.NoError(t, process.Signal(unix.SIGKILL))
	_, err = podtest.Waits(t, process)
	require.NoError(t, err)
	_, err = p.Run(t.Context(), spec)
	require.NoError(t, err)
	output, _ = podtest.Executes(t, p, "cat", "/tmp/file")
	require.Equal(t, "kept", output, "an empty volume outlives its container")

	stranger := newPod(t, r)
	podtest.Sleeping(t, stranger, nil)
	output, _ = podtest.Executes(t, stranger, "list", r.dir)
	require.Contains(t, output, "no such file")
}

func TestVolumesKeepThePreviousVersion(t *testing.T) {
	podtest.KeepsThePreviousVersion(t, newPod(t, chrootRuntime(t)))
}

func TestLimits(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	spec := podtest.Command("hog", "300")
	spec.Memory = 64 << 20
	output, exit := podtest.Runs(t, p, spec)
	require.True(t, exit.OOMKilled, "%v: %s", exit, output)

	spec = podtest.Command("fill", "/tmp/full")
	spec.Disk = 32 << 20
	_, exit = podtest.Runs(t, p, spec)
	require.NotEqual(t, sandbox.Exit{}, exit)

	podtest.Sleeping(t, p, nil)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	bomb, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "bomb"}, Stdout: writer})
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

// TestDisk fills the disk in ways that no folder shows.
func TestDisk(t *testing.T) {
	r := chrootRuntime(t)
	limited := podtest.PodSpec()
	limited.Disk = 128 << 20
	p := podtest.StartPod(t, r, limited)
	for _, hog := range [][]string{{"unlinked", "open"}, {"unlinked", "mapped"}, {"touch", "/tmp"}} {
		spec := podtest.Command(hog...)
		spec.Disk = 64 << 20
		output, exit := podtest.Runs(t, p, spec)
		require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL}, exit, "%s: %s", hog, output)
	}
	bystander := newPod(t, r)
	podtest.Sleeping(t, bystander, nil)
	_, exit := podtest.Executes(t, bystander, "true")
	require.Equal(t, sandbox.Exit{}, exit)
}

// TestDiskUse counts a file once, however many names it has.
func TestDiskUse(t *testing.T) {
	folder := t.TempDir()
	alone := diskUse(folder, os.Getuid(), 1<<30)
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, make([]byte, 1<<20), 0o600))
	for i := range 100 {
		require.NoError(t, os.Link(file, fmt.Sprintf("%s-%d", file, i)))
	}
	require.Equal(t, alone+1<<20, diskUse(folder, os.Getuid(), 1<<30))
}

// TestMemoryInOtherForms takes it in ways that no process's resident memory
// shows, or again and again.
func TestMemoryInOtherForms(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	for _, hog := range [][]string{{"memfd", "400"}, {"tables", "400"}, {"buffers", "500"}, {"respawn", "20", "100"}} {
		spec := podtest.Command(hog...)
		spec.Memory = 128 << 20
		output, exit := podtest.Runs(t, p, spec)
		require.NotContains(t, output, "had", hog)
		if hog[0] == "memfd" {
			require.Contains(t, output, "operation not permitted")
			continue
		}
		require.Equal(t, sandbox.Exit{Code: 137, Signal: unix.SIGKILL, OOMKilled: true}, exit, "%s: %s", hog, output)
	}
}

// TestFolderOfTheMachine hands a container what another could hand it: a
// descriptor of a folder outside its root.
func TestFolderOfTheMachine(t *testing.T) {
	r := chrootRuntime(t)
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o644))
	require.NoError(t, os.Chmod(outside, 0o755)) // what it is in does not matter to a descriptor
	folder, err := os.Open(outside)
	require.NoError(t, err)
	defer folder.Close()
	spec := podtest.Command("outside", "secret")
	spec.Stdin = folder
	output, exit := podtest.Runs(t, newPod(t, r), spec)
	require.Equal(t, 1, exit.Code)
	require.Contains(t, output, "permission denied")

	about, err := os.Stat(r.dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), about.Mode().Perm(), "without Landlock this alone keeps containers from each other's files")
}

// TestAbstractSockets has one container listen and another connect.
func TestAbstractSockets(t *testing.T) {
	r := chrootRuntime(t)
	name := fmt.Sprintf("@rolecall-test-%d", os.Getpid())
	podtest.Begins(t, newPod(t, r), podtest.Command("serve-unix", name))
	output, exit := podtest.Runs(t, newPod(t, r), podtest.Command("dial-unix", name))
	require.Equal(t, 1, exit.Code)
	require.Contains(t, output, "operation not permitted")
}

func TestKilledLater(t *testing.T) { podtest.KilledLater(t, newPod(t, chrootRuntime(t))) }

func TestManyForkBombs(t *testing.T) { podtest.ManyForkBombs(t, chrootRuntime(t)) }

func TestDescriptorsOnTheirWay(t *testing.T) {
	r := chrootRuntime(t)
	podtest.DescriptorsOnTheirWay(t, newPod(t, r), newPod(t, r))
}

func TestLimitsOfProcesses(t *testing.T) {
	podtest.LimitsOfProcesses(t, newPod(t, chrootRuntime(t)))
}

func TestHostileAccounts(t *testing.T) { podtest.HostileAccounts(t, newPod(t, chrootRuntime(t))) }

func TestATracedProcessHasNotEnded(t *testing.T) {
	podtest.TracedProcess(t, newPod(t, chrootRuntime(t)))
}

func TestNetwork(t *testing.T) {
	r := chrootRuntime(t)
	elsewhere, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer elsewhere.Close()
	server := r.Services().Addr().Next().String()
	for _, text := range []string{"first", "second"} {
		p := newPod(t, r)
		podtest.Sleeping(t, p, nil)
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
		output, _ := podtest.Executes(t, p, "dial", server+":443")
		require.Equal(t, text, output)
		output, _ = podtest.Executes(t, p, "send", server+":53", "to the ")
		require.Equal(t, "to the "+text, output)
		output, _ = podtest.Executes(t, p, "dial", elsewhere.Addr().String())
		require.Contains(t, output, "permission denied")
		for _, call := range []string{"sendto", "sendmsg"} {
			output, _ = podtest.Executes(t, p, "fast-open", elsewhere.Addr().String(), call)
			require.Contains(t, output, "operation not permitted", "nor in the way that Landlock does not see")
		}
		output, _ = podtest.Executes(t, p, "serve", "127.0.0.1:18443")
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

func TestTerminal(t *testing.T) {
	p := newPod(t, chrootRuntime(t))
	podtest.Sleeping(t, p, nil)
	process, err := p.Exec(t.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "terminal"}, TTY: true})
	require.NoError(t, err)
	defer process.Terminal().Close()
	require.NoError(t, process.Resize(24, 80))
	_, err = process.Terminal().WriteString("ask\n")
	require.NoError(t, err)
	lines := bufio.NewReader(process.Terminal())
	echo, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ask\r\n", echo)
	answer, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, answer, "24 80")
}
