package nodeimage

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rolecall/harness/cluster/internal/debian"
	"rolecall/harness/cluster/internal/image"
	"rolecall/harness/cluster/internal/versions"
)

// base returns an image with the node's Debian packages installed. It is made
// in two steps, as every Debian installer does: the essential packages are
// just unpacked, here, and then install all packages, themselves included.
func (b *build) base(ctx context.Context, cacheDir string) (ref string, err error) {
	archive, err := debian.Open(ctx, cacheDir, b.arch, b.progress)
	if err != nil {
		return "", err
	}
	b.archive = archive
	essential, err := archive.Resolve(append(archive.Essential(), debian.UsrIsMerged)...)
	if err != nil {
		return "", err
	}
	all, err := archive.Resolve(slices.Concat(archive.Essential(), []string{debian.UsrIsMerged}, versions.NodePackages)...)
	if err != nil {
		return "", err
	}
	ref = baseRef(all)
	if has, err := b.engine.HasImage(ctx, ref); err != nil || has {
		return ref, err
	}
	debs, err := archive.Fetch(ctx, all, b.progress)
	if err != nil {
		return "", err
	}

	task := b.progress.Begin("installing Debian packages", 30*time.Second)
	defer func() { task.End(err) }()
	task.Update("unpacking")
	debOf := map[string]string{}
	for i, p := range all {
		debOf[p.Name] = debs[i]
	}
	var first []string
	for _, p := range essential {
		first = append(first, debOf[p.Name])
	}
	if err := b.loadBootstrap(ctx, first); err != nil {
		return "", fmt.Errorf("unpacking Debian's essential packages: %w", err)
	}
	task.Update("configuring")
	err = b.runScript(ctx, b.container("base"), b.bootstrap(), "/rolecall/base.sh", ref, func(w io.Writer) error {
		return packageStream(w, debs)
	})
	if err != nil {
		return "", fmt.Errorf("installing the Debian packages: %w", err)
	}
	return ref, nil
}

// baseRef names the image by the packages and the way they are installed.
func baseRef(all []*debian.Package) string {
	sum := sha256.New()
	fmt.Fprintln(sum, revision, text("base.sh"))
	for _, p := range all {
		fmt.Fprintln(sum, p.Name, p.SHA256)
	}
	return "rolecall.local/node-base:" + versions.DebianSuite + "-" + hex.EncodeToString(sum.Sum(nil)[:6])
}

func (b *build) bootstrap() string { return "rolecall.local/node-bootstrap:" + b.tag }

// loadBootstrap makes the image of the unpacked essential packages known to
// the engine.
func (b *build) loadBootstrap(ctx context.Context, debs []string) error {
	file := filepath.Join(b.temp, "bootstrap.tar")
	if err := writeTree(file, func(t *image.Tree) error { return unpackEssential(t, debs) }); err != nil {
		return err
	}
	layer, err := image.FileLayer(file)
	if err != nil {
		return err
	}
	bootstrap := image.Image{
		Ref: b.bootstrap(), Arch: b.arch, Layers: []*image.Layer{layer},
		Config: image.Config{
			// systemd asks for the first, and ends on the second; the rest is for exec.
			Env:        []string{"container=docker", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			StopSignal: "SIGRTMIN+3",
		},
	}
	stream, w := io.Pipe()
	defer stream.Close()
	go func() { w.CloseWithError(image.Write(w, bootstrap)) }()
	return b.engine.Load(ctx, stream)
}

func unpackEssential(t *image.Tree, debs []string) error {
	for _, link := range debian.MergedLinks {
		if err := t.Dir("usr/"+link, 0o755); err != nil {
			return err
		}
		if err := t.Link(link, "usr/"+link); err != nil {
			return err
		}
	}
	for _, deb := range debs {
		err := debian.Data(deb, func(h *tar.Header, r io.Reader) error {
			if documentation(h.Name) || slices.Contains(debian.MergedLinks, h.Name) {
				return nil
			}
			h.Name = debian.Merged(h.Name)
			if h.Typeflag == tar.TypeLink {
				h.Linkname = debian.Merged(h.Linkname)
			}
			return t.Entry(h, r)
		})
		if err != nil {
			return err
		}
	}
	// What dpkg finds on a system where nothing is installed yet.
	for _, name := range []string{"status", "available"} {
		if err := t.File("var/lib/dpkg/"+name, 0o644, nil); err != nil {
			return err
		}
	}
	for _, name := range []string{"info", "updates", "triggers", "parts"} {
		if err := t.Dir("var/lib/dpkg/"+name, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// documentation says what is left out, as base.sh leaves it out too.
func documentation(name string) bool {
	for _, folder := range []string{"usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/locale/"} {
		if strings.HasPrefix(name, folder) {
			return true
		}
	}
	return false
}

// packageStream writes the packages and the script that installs them.
func packageStream(w io.Writer, debs []string) error {
	t := image.NewTree(w)
	for i, deb := range debs {
		if err := t.FromDisk(fmt.Sprintf("rolecall/debs/%03d.deb", i), 0o644, deb); err != nil {
			return err
		}
	}
	if err := t.File("rolecall/base.sh", 0o755, []byte(text("base.sh"))); err != nil {
		return err
	}
	return t.Close()
}

// writeTree writes a tar file.
func writeTree(name string, fill func(*image.Tree) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	t := image.NewTree(f)
	if err := fill(t); err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	return f.Close()
}
