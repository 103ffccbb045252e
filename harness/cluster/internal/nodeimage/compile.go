package nodeimage

import (
	"context"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"rolecall/harness/cluster/internal/gobuild"
	"rolecall/harness/cluster/internal/versions"
	"rolecall/harness/progress"
)

// compile returns the folder that holds the program's files for linux/arch.
func (p program) compile(ctx context.Context, dir, arch string, display *progress.Display) (string, error) {
	targets := p.packages
	if p.source != "" {
		targets = append([]string{"."}, targets...)
	}
	return gobuild.Program{
		Name: p.name, Packages: targets, Ldflags: p.ldflags, Usual: p.usual,
		Content: []string{p.goMod(), p.sourceText()}, Write: p.writeModule,
	}.Compile(ctx, dir, arch, display)
}

func (p program) sourceText() string {
	if p.source == "" {
		return ""
	}
	return text(p.source)
}

// writeModule writes the module's files. A go.sum from an earlier run is kept,
// so that nothing has to be looked up twice.
func (p program) writeModule(ctx context.Context, dir string) error {
	mod := filepath.Join(dir, "go.mod")
	if err := os.WriteFile(mod, []byte(p.goMod()), 0o644); err != nil {
		return err
	}
	if p.requires == kubernetesModule {
		staging, err := stagingReplaces(ctx, dir)
		if err != nil {
			return err
		}
		if err := os.WriteFile(mod, []byte(p.goMod()+staging), 0o644); err != nil {
			return err
		}
	}
	if p.source == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, "main.go"), []byte(p.sourceText()), 0o644)
}

// stagingReplaces returns what a module that requires k8s.io/kubernetes has to
// add to its go.mod: that module replaces its staging modules by folders of
// its repository, which holds only while it is the main module.
func stagingReplaces(ctx context.Context, dir string) (string, error) {
	m, err := gobuild.Download(ctx, dir, kubernetesModule, versions.Kubernetes)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(m.GoMod)
	if err != nil {
		return "", err
	}
	mod, err := modfile.Parse(m.GoMod, b, nil)
	if err != nil {
		return "", fmt.Errorf("reading the go.mod of Kubernetes: %w", err)
	}
	var add strings.Builder
	fmt.Fprintf(&add, "\ngodebug default=%s\n\n", version.Lang("go"+versions.Go))
	for _, r := range mod.Replace {
		if strings.HasPrefix(r.New.Path, "./staging/") {
			fmt.Fprintf(&add, "replace %s => %s %s\n", r.Old.Path, r.Old.Path, versions.KubernetesStaging)
		}
	}
	return add.String(), nil
}
