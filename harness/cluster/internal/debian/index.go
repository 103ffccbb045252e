package debian

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"
)

// Package is one binary package of the archive.
type Package struct {
	Name    string
	Version string // as Debian writes it
	Size    int64  // of the .deb, bytes
	SHA256  string // of the .deb, lower-case hex

	version   version.Version
	url       string
	essential bool
	priority  int // lower is more important
	depends   string
	provides  string
}

// maxIndex bounds an uncompressed package index, in bytes; the largest real
// one has 50 MB.
const maxIndex = 512 << 20

// index holds the newest version of each package, and each virtual package's
// providers under the virtual name.
type index map[string][]*Package

// readFile adds the packages listed in an index, which is compressed as its name
// in the archive says. base is the address that their file names are relative to.
func (x index) readFile(ctx context.Context, path, name, base, arch string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := decompress(name, f)
	if err != nil {
		return fmt.Errorf("unpacking the index: %w", err)
	}
	if err := x.read(io.LimitReader(&cancellable{ctx, r}, maxIndex), base, arch); err != nil {
		return fmt.Errorf("reading the index: %w", err)
	}
	return nil
}

// cancellable stops reading when its context ends.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

func (x index) read(r io.Reader, base, arch string) error {
	return paragraphs(r, func(p paragraph) error {
		if a := p["Architecture"]; a != arch && a != "all" {
			return nil
		}
		pkg, err := newPackage(p, base)
		if err != nil {
			return fmt.Errorf("package %.80q: %w", p["Package"], err)
		}
		x.add(pkg.Name, pkg)
		return x.addProvided(pkg)
	})
}

func newPackage(p paragraph, base string) (*Package, error) {
	want, err := newFile(p["Size"], p["SHA256"])
	if err != nil {
		return nil, err
	}
	v, err := version.Parse(p["Version"])
	if err != nil {
		return nil, err
	}
	if p["Package"] == "" || p["Filename"] == "" {
		return nil, fmt.Errorf("its name or file name is missing")
	}
	return &Package{
		Name: p["Package"], Version: p["Version"], Size: want.Size, SHA256: want.SHA256,
		version: v, url: base + p["Filename"],
		essential: p["Essential"] == "yes", priority: priority(p["Priority"]),
		depends: joinFields(p["Pre-Depends"], p["Depends"]), provides: p["Provides"],
	}, nil
}

// add enters pkg under name; of two versions of one package the newer stays.
func (x index) add(name string, pkg *Package) {
	for i, known := range x[name] {
		if known.Name == pkg.Name {
			if version.Compare(pkg.version, known.version) > 0 {
				x[name][i] = pkg
			}
			return
		}
	}
	x[name] = append(x[name], pkg)
}

func (x index) addProvided(pkg *Package) error {
	if pkg.provides == "" {
		return nil
	}
	provides, err := dependency.Parse(pkg.provides)
	if err != nil {
		return fmt.Errorf("reading what it provides: %w", err)
	}
	for _, p := range provides.GetAllPossibilities() {
		if p.Name != pkg.Name {
			x.add(p.Name, pkg)
		}
	}
	return nil
}

// real returns the package of that very name, or nil.
func (x index) real(name string) *Package {
	for _, p := range x[name] {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func priority(name string) int {
	for i, p := range []string{"required", "important", "standard", "optional"} {
		if name == p {
			return i
		}
	}
	return 4
}

func joinFields(fields ...string) string {
	var set []string
	for _, f := range fields {
		if f != "" {
			set = append(set, f)
		}
	}
	return strings.Join(set, ", ")
}
