// Package debian takes packages from a Debian archive: it checks them, works
// out what they depend on, downloads them and opens them. It is pure Go, so it
// works on any host and needs neither dpkg nor root.
//
// Trust starts at Debian's archive keys, which are part of the program. Every
// step below is checked against the one above: the signature of InRelease, the
// digests of the package indexes in it, the digests of the packages in those.
// How old an archive's state is, is not checked, so a frozen mirror works.
//
// What versions and dependencies mean is left to pault.ag/go/debian. Its
// readers of control files and of .deb files are not used: they take a field
// that is there twice, a member of negative size, a line without end and a
// packing that they do not know, which are refused here, and they come with an
// OpenPGP that is no longer maintained.
package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rolecall/harness/cluster/internal/versions"
	"rolecall/harness/progress"
)

// Folder is where packages and lists are kept in rolecall's folder.
const Folder = "debian"

// MirrorVariable names the environment variable that replaces
// https://deb.debian.org: a base address below which debian/ and
// debian-security/ are found.
const MirrorVariable = "ROLECALL_DEBIAN_MIRROR"

const defaultMirror = "https://deb.debian.org"

// suites are the parts of the archive that packages come from.
var suites = []suite{
	{folder: "debian", name: versions.DebianSuite},
	{folder: "debian", name: versions.DebianSuite + "-updates"},
	{folder: "debian-security", name: versions.DebianSuite + "-security"},
}

type suite struct{ folder, name string }

// Archive is the checked state of a Debian archive for one architecture.
type Archive struct {
	arch   string
	mirror string
	cache  *cache
	index  index
}

// Open reads the archive's indexes for arch (amd64 or arm64, as Go and Debian
// both call them), checking each. What it downloads stays below cacheDir.
// Nothing is read from the network that cacheDir holds already, except for the
// three small files that say what the archive's state is.
func Open(ctx context.Context, cacheDir, arch string, p *progress.Display) (_ *Archive, err error) {
	if arch != "amd64" && arch != "arm64" {
		return nil, fmt.Errorf("opening the Debian archive: unknown architecture %q; it must be amd64 or arm64", arch)
	}
	a := &Archive{arch: arch, mirror: defaultMirror, index: index{}}
	if m := os.Getenv(MirrorVariable); m != "" {
		a.mirror = strings.TrimRight(m, "/")
	}
	if a.cache, err = newCache(filepath.Join(cacheDir, Folder)); err != nil {
		return nil, err
	}

	task := p.Begin("reading Debian's package lists", 0)
	defer func() { task.End(err) }()
	unlock, err := a.cache.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, s := range suites {
		task.Update(s.name)
		if err := a.read(ctx, s); err != nil {
			return nil, fmt.Errorf("reading Debian's package list of %s from %s: %w", s.name, a.mirror, err)
		}
	}
	return a, nil
}

// read adds the packages of one suite to the index.
func (a *Archive) read(ctx context.Context, s suite) error {
	dists := a.mirror + "/" + s.folder + "/dists/" + s.name + "/"
	signed, err := a.cache.get(ctx, dists+"InRelease", maxRelease)
	if err != nil {
		return err
	}
	keys, err := archiveKeys()
	if err != nil {
		return err
	}
	rel, err := parseRelease(signed, keys)
	if err != nil {
		return err
	}
	if rel.codename != s.name {
		return fmt.Errorf("checking InRelease: it is signed for %q; the mirror serves another suite under this name", rel.codename)
	}

	folder := "main/binary-" + a.arch + "/"
	name, want, err := rel.index(folder)
	if err != nil {
		return err
	}
	path, err := a.cache.fetch(ctx, dists+folder+"by-hash/SHA256/"+want.SHA256, want, nil)
	if err != nil {
		return err
	}
	return a.index.readFile(ctx, path, name, a.mirror+"/"+s.folder+"/", a.arch)
}
