package nodeimage

import (
	"context"
	"os"
	"path/filepath"

	"rolecall/harness/cluster/internal/gobuild"
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
func (p program) writeModule(_ context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(p.goMod()), 0o644); err != nil || p.source == "" {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "main.go"), []byte(p.sourceText()), 0o644)
}
