package nodeimage

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	kindversion "sigs.k8s.io/kind/pkg/cmd/kind/version"

	"rolecall/harness/cluster/internal/gobuild"
	"rolecall/harness/cluster/internal/image"
	"rolecall/harness/cluster/internal/versions"
)

// finish adds kind's files, the programs and the images to the base and
// commits the node image.
func (b *build) finish(ctx context.Context, base string, programs programFolders, images string) (err error) {
	task := b.progress.Begin("assembling the node image", 30*time.Second)
	defer func() { task.End(err) }()

	kind, err := gobuild.Download(ctx, b.temp, "sigs.k8s.io/kind", "v"+kindversion.Version())
	if err != nil {
		return err
	}
	fill := func(w io.Writer) error {
		t := image.NewTree(w)
		if err := addKindFiles(t, filepath.Join(kind.Dir, "images", "base", "files")); err != nil {
			return fmt.Errorf("adding kind's files: %w", err)
		}
		if err := addNodeFiles(t, programs); err != nil {
			return err
		}
		if err := t.FromDisk("rolecall/images.tar", 0o644, images); err != nil {
			return err
		}
		return t.Close()
	}
	if err := b.runScript(ctx, b.container("node"), base, "/rolecall/node.sh", b.ref, fill); err != nil {
		return fmt.Errorf("assembling the node: %w", err)
	}
	return nil
}

// addKindFiles adds the files that kind's node is made of, with the modes that
// kind's Dockerfile gives them, and with the changes that make a node start
// where little is allowed.
func addKindFiles(t *image.Tree, root string) error {
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if name == "usr/local/bin/clean-install" {
			return nil // only of use while building kind's own image
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if content, err = adapt(name, content); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		mode := fs.FileMode(0o644)
		if dir := path.Dir(name); dir == "usr/local/bin" || dir == "kind/bin" {
			mode = 0o755
		}
		return t.File(name, mode, content)
	})
}

// adapt changes the two of kind's files that ask for more than a restricted
// machine gives. Where kind's own image runs, so does this.
func adapt(name string, content []byte) ([]byte, error) {
	switch name {
	case "etc/containerd/config.toml":
		return replaceLines(content, map[string]string{
			"sandbox_image":          fmt.Sprintf("  sandbox_image = %q", versions.ImagePause),
			"restrict_oom_score_adj": "  restrict_oom_score_adj = true",
		})
	case "etc/systemd/system/containerd.service":
		// Raising limits or lowering the OOM score needs CAP_SYS_RESOURCE.
		return replaceLines(content, map[string]string{
			"LimitNPROC": "", "LimitCORE": "", "LimitNOFILE": "", "TasksMax": "", "OOMScoreAdjust": "",
		})
	}
	return content, nil
}

// replaceLines replaces the lines that set a key. That a key is missing is an
// error: then kind's file has changed, and somebody must look.
func replaceLines(content []byte, by map[string]string) ([]byte, error) {
	var out []string
	found := map[string]bool{}
	for _, line := range strings.Split(string(content), "\n") {
		key, _, isSetting := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if replacement, ok := by[key]; isSetting && ok {
			found[key] = true
			if line = replacement; line == "" {
				continue
			}
		}
		out = append(out, line)
	}
	for key := range by {
		if !found[key] {
			return nil, fmt.Errorf("it no longer sets %s", key)
		}
	}
	return []byte(strings.Join(out, "\n")), nil
}

// addNodeFiles adds the programs and what else a node needs beyond kind's files.
func addNodeFiles(t *image.Tree, programs programFolders) error {
	for _, f := range []struct{ folder, program, file string }{
		{"usr/bin", "controlplane", "kubeadm"},
		{"usr/bin", "controlplane", "kubectl"},
		{"usr/bin", "controlplane", "kubelet"},
		{"usr/local/bin", "containerd", "containerd"},
		{"usr/local/bin", "containerd", "containerd-shim-runc-v2"},
		{"usr/local/bin", "containerd", "ctr"},
		{"opt/cni/bin", "cni", "host-local"},
		{"opt/cni/bin", "cni", "loopback"},
		{"opt/cni/bin", "cni", "portmap"},
		{"opt/cni/bin", "cni", "ptp"},
	} {
		if err := t.FromDisk(f.folder+"/"+f.file, 0o755, programs.path(f.program, f.file)); err != nil {
			return err
		}
	}
	if err := t.File("usr/local/bin/crictl", 0o755, []byte(text("crictl"))); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"kind/version":                        versions.Kubernetes,
		"kind/manifests/default-cni.yaml":     text("default-cni.yaml"),
		"kind/manifests/default-storage.yaml": text("default-storage.yaml"),
		"etc/cni/net.d/10-rolecall.conflist":  text("cni.conflist"),
		"rolecall/node.sh":                    text("node.sh"),
	} {
		if err := t.File(name, 0o644, []byte(content)); err != nil {
			return err
		}
	}
	return nil
}
