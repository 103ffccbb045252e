package embedded

import (
	"context"
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"rolecall/harness/cluster/internal/gobuild"
	"rolecall/harness/cluster/internal/labimage"
	"rolecall/harness/cluster/internal/onefile"
	"rolecall/harness/cluster/internal/versions"
	"rolecall/harness/progress"
)

// sources are the machine's Go module, which has a go.mod of its own so that
// rolecall's stays light: machine.mod and machine.sum, since a folder with a
// go.mod cannot be embedded. For the same reason its name begins with _, which
// hides it from the go command.
//
//go:embed _machine
var sources embed.FS

const sourceFolder = "_machine"

// Mod is the text of the machine's go.mod.
func Mod() string {
	text, _ := sources.ReadFile(sourceFolder + "/machine.mod") // what is embedded can be read
	return string(text)
}

// programs are the compiled machine's files.
type programs struct {
	machine string // control plane and node
	agent   string // what holds a pod's namespaces
}

// build is the compilation of both.
func build() gobuild.Program {
	return gobuild.Program{
		Name: "machine", Packages: []string{".", "./sandbox/agent"},
		Ldflags: versions.KubernetesLdflags,
		Content: content(), Write: writeModule, Usual: 4 * time.Minute,
	}
}

// buildKubectl is the compilation of the kubectl that fits the machine.
func buildKubectl() gobuild.Program {
	return gobuild.Program{
		Name: "kubectl", OS: runtime.GOOS, Packages: []string{"k8s.io/kubernetes/cmd/kubectl"},
		Ldflags: versions.KubernetesLdflags,
		Content: []string{Mod()}, Write: writeModule, Usual: time.Minute,
	}
}

// Ready reports whether the machine's programs are there, so that a cluster
// starts in seconds.
func Ready(home string) bool {
	_, there := build().Compiled(filepath.Join(home, machine), runtime.GOARCH)
	return there || onefile.Carried()
}

// Carried reports whether this executable carries the machine's programs.
func Carried() bool { return onefile.Carried() }

// compile returns the machine's programs: those that this executable carries,
// or else such as it compiles, once for each content of the sources.
func compile(ctx context.Context, home string, display *progress.Display) (programs, error) {
	if onefile.Carried() {
		folder, err := onefile.Unpack(ctx, home, display)
		return programs{machine: filepath.Join(folder, onefile.Machine), agent: filepath.Join(folder, onefile.Agent)}, err
	}
	folder, err := build().Compile(ctx, filepath.Join(home, machine), runtime.GOARCH, display)
	return programs{machine: filepath.Join(folder, "machine"), agent: filepath.Join(folder, "agent")}, err
}

// Kubectl returns a folder that holds a kubectl command, for PATH.
func Kubectl(ctx context.Context, home string, display *progress.Display) (folder string, err error) {
	if onefile.Carried() {
		return onefile.Unpack(ctx, home, display)
	}
	return buildKubectl().Compile(ctx, filepath.Join(home, machine), runtime.GOARCH, display)
}

// Pack makes what a release for linux/arch carries, in the source folder of
// package onefile, which says what level is.
func Pack(ctx context.Context, home, arch, folder string, level int, display *progress.Display) (err error) {
	both := build()
	both.Tags = "kubectl"
	compiled, err := both.Compile(ctx, filepath.Join(home, machine), arch, display)
	if err != nil {
		return err
	}
	image, err := labimage.Archive(ctx, home, arch, display)
	if err != nil {
		return err
	}
	task := display.Begin("packing for linux/"+arch, time.Minute)
	defer func() { task.End(err) }()
	return onefile.Pack(ctx, folder, arch, level, map[string]string{
		onefile.Machine: filepath.Join(compiled, "machine"), onefile.Agent: filepath.Join(compiled, "agent"), onefile.LabImage: image,
	})
}

// content is every source by name, in the embedded order, which is sorted.
func content() (all []string) {
	_ = visit(sources, compiled, func(name string, text []byte) error { // what is embedded can be read
		all = append(all, name, string(text))
		return nil
	})
	return all
}

// writeModule lays the sources out as the go command wants them.
func writeModule(_ context.Context, module string) error { return layOut(sources, compiled, module) }

// compiled reports whether a source is part of a program. Tests are not:
// editing one compiles nothing and replaces no cluster.
func compiled(file string) bool {
	return !strings.HasSuffix(file, "_test.go") && !slices.Contains(strings.Split(file, "/"), "testdata")
}

func layOut(from fs.FS, take func(file string) bool, module string) error {
	return visit(from, take, func(name string, text []byte) error {
		file := filepath.Join(module, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		return os.WriteFile(file, text, 0o644)
	})
}

// visit reads sources, under the names that the go command wants.
func visit(from fs.FS, take func(file string) bool, see func(name string, text []byte) error) error {
	names := map[string]string{"machine.mod": "go.mod", "machine.sum": "go.sum"}
	return fs.WalkDir(from, sourceFolder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !take(file) {
			return err
		}
		text, err := fs.ReadFile(from, file)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(file, sourceFolder+"/")
		if other, found := names[name]; found {
			name = other
		}
		return see(name, text)
	})
}
