package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/engine"
)

// machine is a made-up one, described by what differs from a healthy Debian.
type machine struct {
	Machine
	env, files map[string]string
}

func healthy() *machine {
	m := &machine{
		env: map[string]string{},
		files: map[string]string{
			"/etc/os-release":                         "NAME=\"Debian\"\nID=debian\n",
			"/proc/1/comm":                            "systemd\n",
			"/proc/self/status":                       "Name:\tx\nCapBnd:\t000001ffffffffff\n",
			"/proc/sys/kernel/osrelease":              "6.1.0-amd64\n",
			"/proc/sys/fs/inotify/max_user_watches":   "524288\n",
			"/proc/sys/fs/inotify/max_user_instances": "512\n",
		},
	}
	m.Machine = Machine{
		GOOS: "linux", Program: "/home/ada/rolecall", Home: homeFolder, Try: "make first",
		Getenv: func(key string) string { return m.env[key] },
		ReadFile: func(name string) ([]byte, error) {
			if text, ok := m.files[name]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		},
		GoEnv: func(_ context.Context, key string) (string, error) {
			return map[string]string{"GOVERSION": "go1.26.8", "GOCACHE": "/home/ada/.cache/go-build", "GOMODCACHE": "/home/ada/go/pkg/mod"}[key], nil
		},
		Space:         func(string) (Space, error) { return Space{1, 50 * gigabyte}, nil },
		Embedded:      func() (string, error) { return "", nil },
		Compiled:      func() bool { return true },
		Detect:        func(context.Context) (*engine.Engine, error) { return docker, nil },
		Info:          info(engine.Info{Version: "28.2.2", OS: "linux", Arch: "amd64", Cgroup: 2}),
		TryPrivileged: func(context.Context, *engine.Engine) error { return nil },
		NodeImage:     func(context.Context, *engine.Engine) (string, bool) { return "kindest/node:v1.37.2", true },
		DataRoot:      func(context.Context, *engine.Engine) string { return "/var/lib/docker" },
	}
	return m
}

var docker = &engine.Engine{Name: "docker", Command: "docker"}

func info(i engine.Info) func(context.Context, *engine.Engine) (*engine.Info, error) {
	return func(context.Context, *engine.Engine) (*engine.Info, error) { return &i, nil }
}

// detecting makes finding an engine end in err.
func detecting(err error) func(context.Context) (*engine.Engine, error) {
	return func(context.Context) (*engine.Engine, error) { return nil, err }
}

// saying is what a command of the engine ends with.
func saying(stderr string) error {
	return &engine.CommandError{Args: []string{"docker", "info"}, Stderr: stderr, Err: errors.New("exit status 1")}
}

func silent(command string, permission bool, stderr string) func(context.Context) (*engine.Engine, error) {
	return detecting(&engine.NotAnsweringError{Engine: command, Permission: permission, Reason: saying(stderr)})
}

func refusing(stderr string) func(context.Context, *engine.Engine) error {
	return func(context.Context, *engine.Engine) error {
		return fmt.Errorf("starting a privileged container: %w", saying(stderr))
	}
}

const (
	noSysResource = "Name:\tx\nCapBnd:\t000001fffeffffff\n"

	noSocket  = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
	notMember = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
	noCaps    = "docker: Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: " +
		"unable to start container process: unable to apply caps: operation not permitted: unknown\n\nRun 'docker run --help' for more information"
)

func TestDiagnose(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*machine)
		topic  Topic
		level  Level
		says   []string // in words or commands
		not    []string
	}{
		// The three cases that must not be taken for one another.
		{"no engine", func(m *machine) { m.Detect = detecting(engine.ErrNone) },
			Engine, Fix, []string{"no container engine", "apt-get install docker.io", "CLUSTER=existing"}, []string{"start docker", "CAP_SYS_RESOURCE"}},
		{"stopped", func(m *machine) { m.Detect = silent("docker", false, noSocket) },
			Engine, Fix, []string{"installed, but its service does not answer", "sudo systemctl start docker", noSocket}, []string{"install docker", "CAP_SYS_RESOURCE"}},
		{"restricted", func(m *machine) {
			m.TryPrivileged = refusing(noCaps)
			m.files["/proc/self/status"] = noSysResource
		}, Privileged, Fix, []string{"itself restricted", "CAP_SYS_RESOURCE, the right to raise limits", ".ci/engine", "CLUSTER=existing", "unable to apply caps"}, []string{"--help", "does not answer"}},

		{"no engine, on a restricted machine", func(m *machine) {
			m.Detect, m.Root = detecting(engine.ErrNone), true
			m.files["/proc/self/status"] = noSysResource
		}, Engine, Fix, []string{"no container engine", "CAP_SYS_RESOURCE", "\n.ci/engine"}, []string{"sudo", "env"}},
		{"no engine, Ubuntu", func(m *machine) {
			m.Detect = detecting(engine.ErrNone)
			m.files["/etc/os-release"] = "ID=ubuntu\nID_LIKE=debian\n"
		}, Engine, Fix, []string{"apt-get install docker.io"}, nil},
		{"no engine, Rocky", func(m *machine) {
			m.Detect = detecting(engine.ErrNone)
			m.files["/etc/os-release"] = "ID=\"rocky\"\nID_LIKE=\"rhel centos\"\n"
		}, Engine, Fix, []string{"dnf install podman"}, []string{"apt-get"}},
		{"no engine, a distribution nobody knows", func(m *machine) {
			m.Detect = detecting(engine.ErrNone)
			delete(m.files, "/etc/os-release")
		}, Engine, Fix, []string{"https://docs.docker.com/engine/install/"}, nil},
		{"no engine, macOS", func(m *machine) { m.Detect, m.GOOS = detecting(engine.ErrNone), "darwin" },
			Engine, Fix, []string{"brew install --cask docker"}, []string{"apt-get"}},
		{"no engine, WSL", func(m *machine) {
			m.Detect = detecting(engine.ErrNone)
			m.files["/proc/sys/kernel/osrelease"] = "5.15.90.1-microsoft-standard-WSL2\n"
		}, Engine, Fix, []string{"WSL integration"}, nil},
		{"no engine, Windows", func(m *machine) { m.Detect, m.GOOS = detecting(engine.ErrNone), "windows" },
			Engine, Fix, []string{"wsl --install"}, nil},
		{"the engine asked for is missing", func(m *machine) {
			m.Detect = detecting(engine.ErrNone)
			m.env[engine.ProviderVariable] = "podman"
		}, Engine, Fix, []string{"KIND_EXPERIMENTAL_PROVIDER asks for podman", "unset KIND_EXPERIMENTAL_PROVIDER"}, nil},

		{"stopped, no systemd", func(m *machine) {
			m.Detect = silent("docker", false, noSocket)
			m.files["/proc/1/comm"] = "init\n"
		}, Engine, Fix, []string{"sudo service docker start"}, []string{"sudo systemctl"}},
		{"stopped, on a restricted machine", func(m *machine) {
			m.Detect = silent("docker", false, noSocket)
			m.files["/proc/self/status"] = noSysResource
		}, Engine, Fix, []string{"does not answer", "CAP_SYS_RESOURCE", "sudo env \"PATH=$PATH\" .ci/engine"}, []string{"systemctl"}},
		{"stopped, root", func(m *machine) {
			m.Detect, m.Root = silent("docker", false, noSocket), true
		}, Engine, Fix, []string{"systemctl start docker"}, []string{"sudo"}},
		{"stopped, macOS", func(m *machine) { m.Detect, m.GOOS = silent("docker", false, noSocket), "darwin" },
			Engine, Fix, []string{"open -a Docker", "colima start"}, []string{"systemctl"}},
		{"stopped, WSL", func(m *machine) {
			m.Detect = silent("docker", false, noSocket)
			m.files["/proc/sys/kernel/osrelease"] = "5.15.90.1-microsoft-standard-WSL2\n"
		}, Engine, Fix, []string{"Docker Desktop.exe", "WSL integration"}, nil},
		{"stopped, Windows", func(m *machine) { m.Detect, m.GOOS = silent("docker", false, noSocket), "windows" },
			Engine, Fix, []string{"Docker Desktop.exe"}, nil},
		{"stopped Podman, macOS", func(m *machine) { m.Detect, m.GOOS = silent("podman", false, "no connection"), "darwin" },
			Engine, Fix, []string{"podman machine start"}, nil},
		{"stopped nerdctl", func(m *machine) { m.Detect = silent("nerdctl", false, "rootful containerd is not running") },
			Engine, Fix, []string{"nerdctl is installed", "start containerd"}, nil},
		{"an address where nothing answers", func(m *machine) {
			m.Detect = silent("docker", false, noSocket)
			m.env["DOCKER_HOST"] = "tcp://10.0.0.9:2375"
		}, Engine, Fix, []string{"DOCKER_HOST points to: tcp://10.0.0.9:2375", "unset DOCKER_HOST"}, []string{"systemctl"}},
		{"not in the group", func(m *machine) { m.Detect = silent("docker", true, notMember) },
			Engine, Fix, []string{"this user may not", "usermod -aG docker $USER"}, []string{"start docker"}},
		{"another error", func(m *machine) { m.Detect = detecting(errors.New("odd")) },
			Engine, Fix, []string{"could not be asked: odd."}, nil},
		{"Windows containers", func(m *machine) { m.Info = info(engine.Info{OS: "windows"}) },
			Engine, Fix, []string{"Linux containers"}, nil},

		{"restricted, with Podman", func(m *machine) {
			m.Detect = func(context.Context) (*engine.Engine, error) {
				return &engine.Engine{Name: "podman", Command: "podman"}, nil
			}
			m.TryPrivileged = refusing("Error: runc: runc create failed: error setting rlimit type 7: operation not permitted: OCI permission denied")
			m.files["/proc/self/status"] = noSysResource
		}, Privileged, Fix, []string{"Nothing is wrong with Podman", "CAP_SYS_RESOURCE", "cat .ci/README.md"}, []string{".ci/engine", "docker stop"}},
		{"restricted, and not Debian", func(m *machine) {
			m.TryPrivileged = refusing(noCaps)
			m.files["/etc/os-release"] = "ID=alpine\n"
		}, Privileged, Fix, []string{"itself restricted", ".ci/README.md"}, []string{".ci/engine", "CAP_SYS_RESOURCE"}},
		{"restricted, the engine is elsewhere", func(m *machine) {
			m.TryPrivileged = refusing(noCaps)
			m.GOOS = "darwin"
		}, Privileged, Fix, []string{"itself restricted"}, []string{".ci/"}},
		{"userns-remap", func(m *machine) {
			m.TryPrivileged = refusing("docker: Error response from daemon: privileged mode is incompatible with user namespaces.")
		}, Privileged, Fix, []string{"userns-remap", "daemon.json"}, []string{"restricted"}},
		{"disk full in the engine", func(m *machine) { m.TryPrivileged = refusing("write /x: no space left on device") },
			Privileged, Fix, []string{"no room", "docker system prune"}, []string{"restricted"}},
		{"forbidden by the administrator", func(m *machine) {
			m.TryPrivileged = refusing("authorization denied by plugin opa: no")
		}, Privileged, Fix, []string{"administrator forbids"}, []string{"restricted"}},
		{"refused for another reason", func(m *machine) { m.TryPrivileged = refusing("exec format error") },
			Privileged, Fix, []string{"exec format error"}, []string{"restricted"}},
		{"stopped while it was asked", func(m *machine) {
			m.TryPrivileged = func(ctx context.Context, _ *engine.Engine) error {
				_, err := silent("docker", false, noSocket)(ctx)
				return err
			}
		}, Engine, Fix, []string{"does not answer"}, nil},

		{"no engine, but namespaces", func(m *machine) { m.Detect, m.Embedded = detecting(engine.ErrNone), healthy().Embedded },
			Engine, Note, []string{"no container engine"}, nil},
		{"no namespaces for anybody", func(m *machine) { m.files["/proc/sys/user/max_user_namespaces"] = "0\n" },
			Embedded, Note, []string{"user.max_user_namespaces is 0", "sudo sysctl user.max_user_namespaces=15000"}, nil},
		{"namespaces for root only", func(m *machine) { m.files["/proc/sys/kernel/unprivileged_userns_clone"] = "0\n" },
			Embedded, Note, []string{"only root", "sudo sysctl kernel.unprivileged_userns_clone=1"}, nil},
		{"AppArmor restricts namespaces", func(m *machine) { m.files["/proc/sys/kernel/apparmor_restrict_unprivileged_userns"] = "1\n" },
			Embedded, Note, []string{"AppArmor", "unless root runs them", `profile rolecall "/home/ada/rolecall" flags=(unconfined) { userns, }`,
				"sudo apparmor_parser --replace /etc/apparmor.d/rolecall", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0", "CLUSTER=existing"}, nil},
		{"AppArmor restricts namespaces, and nothing else runs", func(m *machine) {
			m.files["/proc/sys/kernel/apparmor_restrict_unprivileged_userns"] = "1\n"
			m.Detect, m.Program = detecting(engine.ErrNone), ""
		}, Embedded, Note, []string{"AppArmor", "sudo sysctl"}, []string{"profile rolecall"}},
		{"AppArmor could restrict namespaces", func(m *machine) { m.files["/proc/sys/kernel/apparmor_restrict_unprivileged_userns"] = "0\n" },
			Embedded, Note, []string{"which this machine does not allow"}, []string{"AppArmor"}},
		{"inside a container", func(m *machine) { m.files["/proc/self/status"] = "CapBnd:\t00000000a80425fb\nSeccomp:\t2\n" },
			Embedded, Note, []string{"seccomp filter of the container", "seccomp=unconfined"}, nil},
		{"root of a container", func(m *machine) { m.Embedded = func() (string, error) { return "pods are chroots", nil } },
			Embedded, OK, []string{"less isolated: pods are chroots."}, nil},
		{"no namespaces on macOS", func(m *machine) { m.GOOS = "darwin" },
			Embedded, Note, []string{"needs Linux"}, nil},

		{"cgroup v1", func(m *machine) { m.Info = info(engine.Info{OS: "linux", Cgroup: 1}) },
			Cgroup, Note, []string{"nothing to do"}, nil},
		{"rootless", func(m *machine) { m.Info = info(engine.Info{OS: "linux", Cgroup: 2, Rootless: true}) },
			Rootless, Note, []string{"docs/user/rootless"}, nil},
		{"rootless on cgroup v1", func(m *machine) { m.Info = info(engine.Info{OS: "linux", Cgroup: 1, Rootless: true}) },
			Rootless, Fix, []string{"version 2"}, nil},
		{"few watches", func(m *machine) { m.files["/proc/sys/fs/inotify/max_user_watches"] = "8192\n" },
			Inotify, Note, []string{"8192", "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512"}, nil},

		{"no node image", func(m *machine) { m.NodeImage = absent },
			NodeImage, Note, []string{"about 15 minutes"}, nil},
		{"room to pull only", func(m *machine) { m.NodeImage, m.Space = absent, free(3*gigabyte) },
			Disk, Note, []string{"3.0 GB are free", homeFolder, "about 6 GB"}, nil},
		{"no room", func(m *machine) { m.Space = free(gigabyte) },
			Disk, Fix, []string{"1.0 GB are free", "needs 2.0 GB"}, nil},
		{"no room, and no engine either", func(m *machine) { m.Detect, m.Space = detecting(engine.ErrNone), free(gigabyte/4) },
			Disk, Fix, []string{"0.2 GB are free", "needs 0.5 GB"}, nil},

		{"no Go", func(m *machine) {
			m.GoEnv = func(context.Context, string) (string, error) {
				return "", &exec.Error{Name: "go", Err: exec.ErrNotFound}
			}
		}, Go, Note, []string{"no go command in PATH", "Shell programs need no Go", "https://go.dev/doc/install"}, []string{"the embedded cluster"}},
		{"no Go, and it is needed", func(m *machine) {
			m.GoEnv = func(context.Context, string) (string, error) {
				return "", &exec.Error{Name: "go", Err: exec.ErrNotFound}
			}
			m.Embedded, m.Compiled, m.Detect = healthy().Embedded, func() bool { return false }, detecting(engine.ErrNone)
		}, Go, Fix, []string{"no go command in PATH", "It compiles the embedded cluster, once"}, nil},
		{"old Go", func(m *machine) {
			m.GoEnv = func(context.Context, string) (string, error) { return "go1.22.1", nil }
		}, Go, Note, []string{"go1.22.1", goNeeded}, nil},
		{"a Go of one's own", func(m *machine) {
			m.GoEnv = func(context.Context, string) (string, error) { return "devel go1.27-abcdef", nil }
		}, Go, OK, []string{"devel go1.27"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := healthy()
			m.Embedded = namespacesForbidden // unless it is what the case is about: most are about kind
			tc.change(m)
			var told []Finding
			report, err := Diagnose(t.Context(), m.Machine, cluster.Auto, func(f Finding) { told = append(told, f) })
			require.NoError(t, err)
			assert.Equal(t, report.Findings, told)

			found := about(report, tc.topic)
			require.NotNil(t, found, "nothing was said about it: %v", report)
			assert.Equal(t, tc.level, found.Level)
			text := found.Says
			for _, a := range found.Next {
				text += "\n" + a.When + "\n" + a.Command
			}
			for _, part := range tc.says {
				assert.Contains(t, text, part)
			}
			for _, part := range tc.not {
				assert.NotContains(t, text, part)
			}
			if tc.level == Fix {
				assert.False(t, report.Ready())
				assert.NotEmpty(t, found.Next, "a way on is missing")
			}
		})
	}
}

func namespacesForbidden() (string, error) {
	return "", errors.New("fork/exec /proc/self/exe: operation not permitted")
}

const homeFolder = "/home/ada/.cache/rolecall"

func absent(context.Context, *engine.Engine) (string, bool) { return "", false }

func free(bytes uint64) func(string) (Space, error) {
	return func(string) (Space, error) { return Space{1, bytes}, nil }
}

// about returns what was found on a topic in the end, or nil.
func about(r Report, topic Topic) *Finding {
	for _, f := range slices.Backward(r.Findings) {
		if f.Topic == topic {
			return &f
		}
	}
	return nil
}

func TestHealthyMachineIsReady(t *testing.T) {
	for _, provider := range []string{cluster.Auto, "kind", "embedded", "existing"} {
		for _, f := range diagnose(t, healthy(), provider).Findings {
			assert.Equal(t, OK, f.Level, f)
		}
	}
}

func diagnose(t *testing.T, m *machine, provider string) Report {
	t.Helper()
	report, err := Diagnose(t.Context(), m.Machine, provider, nil)
	require.NoError(t, err)
	return report
}

// TestWhatWasAskedForIsJudged has machines on which some clusters start and
// others do not.
func TestWhatWasAskedForIsJudged(t *testing.T) {
	noEngine := func(m *machine) { m.Detect = detecting(engine.ErrNone) }
	noNamespaces := func(m *machine) { m.Embedded = namespacesForbidden }
	notCompiled := func(m *machine) { m.Compiled = func() bool { return false } }
	noGo := func(m *machine) {
		m.GoEnv = func(context.Context, string) (string, error) {
			return "", &exec.Error{Name: "go", Err: exec.ErrNotFound}
		}
	}
	room := func(bytes uint64) func(*machine) { return func(m *machine) { m.Space = free(bytes) } }
	noImage := func(m *machine) { m.NodeImage = absent }
	for name, c := range map[string]struct {
		changes                        []func(*machine)
		auto, kind, embedded, existing bool
	}{
		"healthy":                             {nil, true, true, true, true},
		"no engine":                           {[]func(*machine){noEngine}, true, false, true, true},
		"no namespaces":                       {[]func(*machine){noNamespaces}, true, true, false, true},
		"neither":                             {[]func(*machine){noEngine, noNamespaces}, false, false, false, true},
		"a stock Debian, and one file":        {[]func(*machine){noGo, noEngine}, true, false, true, true},
		"no Go, all is built":                 {[]func(*machine){noGo}, true, true, true, true},
		"no Go, nothing is compiled":          {[]func(*machine){noGo, notCompiled}, true, true, false, true},
		"no Go, nothing compiled, no engine":  {[]func(*machine){noGo, notCompiled, noEngine}, false, false, false, true},
		"no Go, no image":                     {[]func(*machine){noGo, noImage}, true, true, true, true},
		"room for an embedded cluster":        {[]func(*machine){room(gigabyte)}, true, false, true, true},
		"room for an image":                   {[]func(*machine){room(3 * gigabyte), notCompiled, noImage}, true, true, false, true},
		"room for nothing":                    {[]func(*machine){room(gigabyte / 4)}, false, false, false, true},
		"room, but for what does not start":   {[]func(*machine){room(gigabyte), noNamespaces}, false, false, false, true},
		"room for what must be compiled only": {[]func(*machine){room(3 * gigabyte), notCompiled, noEngine}, false, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			for provider, ready := range map[string]bool{cluster.Auto: c.auto, "kind": c.kind, "embedded": c.embedded, "existing": c.existing} {
				m := healthy()
				for _, change := range c.changes {
					change(m)
				}
				report := diagnose(t, m, provider)
				assert.Equal(t, ready, report.Ready(), "%s: %v", provider, report)
			}
		})
	}
}

func TestOnlyWhatWasAskedForIsLookedAt(t *testing.T) {
	m := healthy()
	m.Detect = func(context.Context) (*engine.Engine, error) { panic("nobody asked for kind") }
	diagnose(t, m, "embedded")
	m.Embedded = func() (string, error) { panic("nobody asked for either") }
	diagnose(t, m, "existing")
	_, err := Diagnose(t.Context(), m.Machine, "knid", nil)
	require.ErrorContains(t, err, "unknown CLUSTER=knid")
}

func TestOneClusterIsEnough(t *testing.T) {
	m := healthy()
	m.Detect, m.Embedded = detecting(engine.ErrNone), namespacesForbidden
	assert.Contains(t, diagnose(t, m, cluster.Auto).toDo(m.Machine), "or do what is said about the embedded cluster")
	assert.NotContains(t, diagnose(t, m, "embedded").toDo(m.Machine), " or ")
	assert.NotContains(t, diagnose(t, m, "kind").toDo(m.Machine), " or ")
	m.GOOS = "darwin"
	assert.NotContains(t, diagnose(t, m, cluster.Auto).toDo(m.Machine), " or ")
}

func TestAdviceIsTheCommandThatWasAskedFor(t *testing.T) {
	m := healthy()
	m.Detect = detecting(engine.ErrNone)
	found := about(diagnose(t, m, "kind"), Engine)
	assert.Equal(t, "make first CLUSTER=existing CONTEXT=name", found.Next[len(found.Next)-1].Command)
}

func TestEachFileSystemIsLookedAtOnce(t *testing.T) {
	m := healthy()
	m.NodeImage = absent
	volumes := map[string]uint64{m.Home: 1, "/home/ada/.cache/go-build": 1, "/var/lib/docker": 2}
	m.Space = func(dir string) (Space, error) { return Space{volumes[dir], 50 * gigabyte}, nil }
	disks := 0
	for _, f := range diagnose(t, m, "kind").Findings {
		if f.Topic == Disk {
			disks++
		}
	}
	assert.Equal(t, 2, disks)
}

func TestNothingIsToldOfWhatWasCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := healthy()
	m.TryPrivileged = func(context.Context, *engine.Engine) error { cancel(); return context.Canceled }
	_, err := Diagnose(ctx, m.Machine, "kind", func(f Finding) { assert.NotEqual(t, Privileged, f.Topic) })
	require.NoError(t, err)
}

func TestRun(t *testing.T) {
	var out strings.Builder
	require.NoError(t, Run(t.Context(), &out, t.TempDir(), "existing", "make first", strings.Clone))
	assert.True(t, strings.HasSuffix(out.String(), "\nReady. Run make first\n"), out.String())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Run(ctx, &out, t.TempDir(), "existing", "make first", strings.Clone), context.Canceled)
}

func TestFindingString(t *testing.T) {
	f := Finding{Fix, Engine, strings.Repeat("word ", 20), []Advice{{"Do this", "first command\nsecond command"}}}
	assert.Equal(t, `[fix]  word word word word word word word word word word word word word word
       word word word word word word
       Do this:
           first command
           second command
`, f.String())
}

func TestSpaceOfAFolderNotMadeYet(t *testing.T) {
	dir := t.TempDir()
	here, err := spaceAt(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	there, err := spaceAt(dir + "/not/made/yet")
	require.NoError(t, err)
	assert.Equal(t, here.Volume, there.Volume)
	assert.NotZero(t, there.Free)
}
