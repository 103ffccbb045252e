// Package nodeimage provides the image that a kind node is started from: kind's
// own if the engine holds it or can pull it, and otherwise one that is built
// here from Go modules and Debian packages, with no registry at all.
//
// The host needs Go and the container engine, nothing else: programs are
// cross-compiled without cgo, and what must run on Linux runs in a container.
package nodeimage

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	kindversion "sigs.k8s.io/kind/pkg/cmd/kind/version"

	"rolecall/harness/cluster/internal/engine"
	"rolecall/harness/cluster/internal/versions"
	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// Folder is where unfinished builds are kept in rolecall's folder.
const Folder = "node"

// revision must be raised when the code here changes what an image holds in a
// way that neither files/ nor the list of versions shows.
const revision = "1"

// pullStart is how long a registry may take to begin sending the image.
const pullStart = 20 * time.Second

// files are the scripts, sources and settings that the image is built with.
//
//go:embed files
var files embed.FS

// Present returns the image that Ensure would return without any work, if the
// engine holds one.
func Present(ctx context.Context, e *engine.Engine) (ref string, ok bool) {
	if has, err := e.HasImage(ctx, defaults.Image); err == nil && has {
		return defaults.Image, true
	}
	info, err := e.Info(ctx)
	if err != nil {
		return "", false
	}
	for _, ref := range []string{Built(info.Arch), renamed()} {
		if has, err := e.HasImage(ctx, ref); err == nil && has {
			return ref, true
		}
	}
	return "", false
}

// Available returns nil if the engine holds an image that a node can be started
// from, or could pull kind's, which it then has done.
func Available(ctx context.Context, e *engine.Engine, p *progress.Display) error {
	if _, ok := Present(ctx, e); ok {
		return nil
	}
	return pull(ctx, e, p)
}

// Built returns the name of the image that is built here for an architecture.
// Its tag holds a digest of all that goes into the image, so a change of any
// of it makes another image.
func Built(arch string) string {
	return fmt.Sprintf("rolecall.local/node:%s-%s", versions.Kubernetes, inputs(arch)[:12])
}

// Ensure returns the name of a node image that the engine holds: kind's
// default or one of ours if present, else kind's if it can be pulled, else
// ours, built now. Building takes minutes, downloads some hundred megabytes
// the first time, and keeps its intermediate results below cacheDir, so that
// an interrupted build goes on where it was.
func Ensure(ctx context.Context, e *engine.Engine, cacheDir string, p *progress.Display) (ref string, err error) {
	info, err := e.Info(ctx)
	if err != nil {
		return "", err
	}
	if ref, ok := Present(ctx, e); ok {
		return ref, nil
	}
	if info.OS != "linux" {
		return "", next.Errorf("switch "+e.Command+" to Linux containers", "providing the node image: %s runs %s containers", e.Command, info.OS)
	}
	if err := pull(ctx, e, p); err == nil || ctx.Err() != nil {
		return defaults.Image, err
	}
	b := &build{engine: e, arch: info.Arch, ref: Built(info.Arch), progress: p}
	if err := b.run(ctx, cacheDir); err != nil {
		return "", fmt.Errorf("building the node image: %w", err)
	}
	return b.ref, nil
}

func pull(ctx context.Context, e *engine.Engine, p *progress.Display) (err error) {
	task := p.Begin("pulling kind's node image", time.Minute)
	defer func() { task.End(err) }()
	return e.Pull(ctx, defaults.Image, pullStart, task.Update)
}

// inputs is a digest of everything that decides what a built image holds.
func inputs(arch string) string {
	sum := sha256.New()
	add := func(parts ...any) {
		for _, part := range parts {
			fmt.Fprintf(sum, "%q\n", fmt.Sprint(part))
		}
	}
	add(revision, arch, kindversion.Version(), versions.DebianSuite, versions.NodePackages, versions.ProxyPackages)
	for _, i := range controlPlaneImages {
		add(i.ref)
	}
	for _, p := range programs {
		add(p.goMod(), p.source, p.ldflags, p.packages)
	}
	entries, _ := files.ReadDir("files") // an embedded folder can be read
	for _, entry := range entries {
		add(entry.Name(), text(entry.Name()))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// text returns one of the embedded files.
func text(name string) string {
	b, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err) // the name is in the source, so it is wrong there
	}
	return string(b)
}
