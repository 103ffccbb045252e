package nodeimage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"rolecall/harness/cluster/pieces"
	"rolecall/harness/progress"
)

// compile returns the folder that holds the program's files for linux/arch.
// It compiles only if no earlier run has left them below dir.
func (p program) compile(ctx context.Context, dir, arch string, display *progress.Display) (_ string, err error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%q", []any{p.goMod(), p.sourceText(), p.packages, p.ldflags, arch}))
	out := filepath.Join(dir, "programs", p.name+"-"+arch+"-"+hex.EncodeToString(key[:6]))
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	task := display.Begin("compiling "+p.name, p.usual)
	defer func() { task.End(err) }()

	module := filepath.Join(dir, "modules", filepath.Base(out))
	if err := p.writeModule(ctx, module); err != nil {
		return "", err
	}
	targets := p.packages
	if p.source != "" {
		targets = append([]string{"."}, targets...)
	}
	unfinished := out + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)

	total := countPackages(ctx, module, arch, targets)
	count := &packageCount{total: total, task: task}
	args := []string{
		"build", "-v", "-trimpath", "-buildvcs=false",
		"-ldflags", strings.TrimSpace("-s -w " + p.ldflags), "-o", unfinished + string(filepath.Separator),
	}
	if err := runGo(ctx, module, arch, nil, count, append(args, targets...)...); err != nil {
		return "", fmt.Errorf("compiling %s: %w", p.name, err)
	}
	return out, os.Rename(unfinished, out)
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
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
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
	m, err := downloadModule(ctx, dir, kubernetesModule, pieces.Kubernetes)
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
	add.WriteString("\ngodebug default=go1.26\n\n")
	for _, r := range mod.Replace {
		if strings.HasPrefix(r.New.Path, "./staging/") {
			fmt.Fprintf(&add, "replace %s => %s %s\n", r.Old.Path, r.Old.Path, pieces.KubernetesStaging)
		}
	}
	return add.String(), nil
}
