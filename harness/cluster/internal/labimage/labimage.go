// Package labimage makes the image that learners' pods run: a BusyBox shell
// with all its tools, and curl. It is made from Debian packages in plain Go,
// so it exists wherever the harness runs, with no registry and no engine.
package labimage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2/maybe"

	"rolecall/harness/cluster/internal/debian"
	"rolecall/harness/cluster/internal/image"
	"rolecall/harness/cluster/internal/onefile"
	"rolecall/harness/cluster/internal/versions"
	"rolecall/harness/progress"
)

// Ref is the image's name on every cluster.
const Ref = "labs.local/busybox-curl:1"

// Folder is where the image is kept in rolecall's folder.
const Folder = "labimage"

// revision must be raised when the code here makes another image of the same
// packages.
const revision = "3"

// Archive returns the path of an archive of the image for linux/arch, which
// `ctr images import` and `docker load` read. It is made once, below cacheDir,
// which takes seconds and the network; the same packages give the same bytes.
func Archive(ctx context.Context, cacheDir, arch string, p *progress.Display) (_ string, err error) {
	if onefile.Carried() && arch == runtime.GOARCH {
		folder, err := onefile.Unpack(ctx, cacheDir, p)
		return filepath.Join(folder, onefile.LabImage), err
	}
	dir := filepath.Join(cacheDir, Folder)
	file := filepath.Join(dir, arch+"-"+recipe(arch)+".tar")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the lab image's folder: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("waiting for another command that makes the lab image: %w", err)
	}
	defer lock.Unlock()
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}

	tree, err := packages(ctx, cacheDir, arch, p)
	if err != nil {
		return "", fmt.Errorf("making the lab image: %w", err)
	}
	task := p.Begin("making the lab image", time.Second)
	defer func() { task.End(err) }()
	if err := write(file, arch, tree); err != nil {
		return "", fmt.Errorf("making the lab image: %w", err)
	}
	return file, nil
}

// Key is a digest of what the image is made of. It changes when a cluster that
// holds an earlier image has to load it again.
func Key() string { return recipe("") }

// recipe is a digest of what the image is made of, packages' versions apart:
// those are fixed by the first making, so that a workshop keeps its image.
func recipe(arch string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []any{revision, arch, Ref, versions.DebianSuite, versions.LabPackages}))
	return hex.EncodeToString(sum[:6])
}

func packages(ctx context.Context, cacheDir, arch string, p *progress.Display) (*debian.Tree, error) {
	archive, err := debian.Open(ctx, cacheDir, arch, p)
	if err != nil {
		return nil, err
	}
	pkgs, err := archive.Resolve(slices.Concat(versions.LabPackages, []string{debian.UsrIsMerged})...)
	if err != nil {
		return nil, err
	}
	debs, err := archive.Fetch(ctx, pkgs, p)
	if err != nil {
		return nil, err
	}
	return debian.Unpack(arch, debs)
}

// write makes the archive at file, whole or not at all.
func write(file, arch string, tree *debian.Tree) error {
	layer, err := rootFS(arch, tree)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	err = image.Write(&archive, image.Image{
		Ref: Ref, Arch: arch, Layers: []*image.Layer{image.BytesLayer(layer)},
		Config: image.Config{
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Cmd: []string{"sh"},
		},
	})
	if err != nil {
		return err
	}
	return maybe.WriteFile(file, archive.Bytes(), 0o644)
}
