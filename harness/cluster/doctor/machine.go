package doctor

import (
	"context"
	"os"
	"runtime"
	"strings"

	"rolecall/harness/cluster/embedded"
	"rolecall/harness/cluster/internal/engine"
	"rolecall/harness/cluster/internal/nodeimage"
	"rolecall/harness/gocommand"
)

// Machine is what the doctor looks at. ThisMachine has the real one.
type Machine struct {
	GOOS     string
	Root     bool   // the person is root and needs no sudo
	Program  string // this program's file; empty if unknown
	Home     string // rolecall's folder for clusters and images
	Try      string // the command to go on with
	Getenv   func(key string) string
	ReadFile func(name string) ([]byte, error)

	GoEnv func(ctx context.Context, key string) (string, error) // asks the go command that compiles
	Space func(dir string) (Space, error)                       // of the file system that has, or would have, dir

	Embedded func() (weaker string, err error) // whether pods can be isolated processes; see embedded.Possible
	Compiled func() bool                       // whether the embedded cluster's programs are there

	Detect        func(ctx context.Context) (*engine.Engine, error)
	Info          func(ctx context.Context, e *engine.Engine) (*engine.Info, error)
	TryPrivileged func(ctx context.Context, e *engine.Engine) error
	NodeImage     func(ctx context.Context, e *engine.Engine) (ref string, present bool)
	DataRoot      func(ctx context.Context, e *engine.Engine) string // where the engine keeps images; empty if it does not say
}

// elsewhere is the way on for those who can have no cluster of their own here.
func (m Machine) elsewhere() Advice {
	return Advice{"Or use a cluster that exists already; name its context", m.Try + " CLUSTER=existing CONTEXT=name"}
}

// Space is the room on a file system.
type Space struct {
	Volume uint64 // tells file systems apart
	Free   uint64 // bytes this user may fill
}

// ThisMachine is the machine that the program runs on.
func ThisMachine(home, try string) Machine {
	return Machine{
		GOOS: runtime.GOOS, Root: os.Geteuid() == 0, Home: home, Try: try, Getenv: os.Getenv, ReadFile: os.ReadFile,
		GoEnv: goEnv(home), Space: spaceAt,
		Embedded:      embedded.Possible,
		Compiled:      func() bool { return embedded.Ready(home) },
		Detect:        engine.Detect,
		Info:          func(ctx context.Context, e *engine.Engine) (*engine.Info, error) { return e.Info(ctx) },
		TryPrivileged: func(ctx context.Context, e *engine.Engine) error { return e.TryPrivileged(ctx) },
		NodeImage:     nodeimage.Present,
		DataRoot:      dataRoot,
		Program:       thisProgram(),
	}
}

func thisProgram() string {
	file, err := os.Executable()
	if err != nil {
		return ""
	}
	return file
}

func goEnv(home string) func(ctx context.Context, key string) (string, error) {
	return func(ctx context.Context, key string) (string, error) {
		toolchain, err := gocommand.Find(home)
		if err != nil {
			return "", err
		}
		out, err := toolchain.New(ctx, "", "", "", "", "env", key).Output()
		return strings.TrimSpace(string(out)), err
	}
}

func dataRoot(ctx context.Context, e *engine.Engine) string {
	field := "{{.DockerRootDir}}"
	if e.Name == "podman" {
		field = "{{.Store.GraphRoot}}"
	}
	out, err := e.Output(ctx, "info", "--format", field)
	if err != nil {
		return "" // nerdctl has no such field
	}
	return out
}
