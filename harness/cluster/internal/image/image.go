// Package image writes container images as archive files that every
// container engine and containerd can load. It needs no engine and no root,
// and equal input gives equal bytes.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Config is how a container of the image starts.
type Config = v1.Config

// Image is one Linux image for one architecture.
type Image struct {
	Ref    string // its full name with a tag
	Arch   string // as GOARCH
	Config Config
	Layers []*Layer // lowest first
}

// Write writes the images as one archive in the format of `docker save`, in the
// order given, each common layer once. Layers are not compressed: the archives
// stay on one machine, where packing would only cost time.
func Write(w io.Writer, images ...Image) error {
	a := archive{tar: tar.NewWriter(w), has: map[string]bool{}}
	for _, i := range images {
		if err := a.add(i); err != nil {
			return fmt.Errorf("writing the image %s: %w", i.Ref, err)
		}
	}
	if err := a.end(); err != nil {
		return fmt.Errorf("writing the image archive: %w", err)
	}
	return nil
}

// archive is written here and not by the tarball package, which takes a map and
// so writes the files of several images in another order each time.
type archive struct {
	tar      *tar.Writer
	manifest tarball.Manifest
	has      map[string]bool
}

func (a *archive) add(i Image) error {
	tag, err := name.NewTag(i.Ref, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("naming the image: %w", err)
	}
	image, err := i.build()
	if err != nil {
		return err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	manifest, err := tarball.ComputeManifest(map[name.Reference]v1.Image{tag: image})
	if err != nil {
		return err
	}
	described := manifest[0]
	a.manifest = append(a.manifest, described)
	if err := a.file(described.Config, int64(len(config)), bytes.NewReader(config)); err != nil {
		return err
	}
	for n, layer := range i.Layers {
		if err := a.layer(described.Layers[n], layer); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) layer(name string, l *Layer) error {
	content, err := l.open()
	if err != nil {
		return err
	}
	defer content.Close()
	return a.file(name, l.size, content)
}

func (a *archive) file(name string, size int64, content io.Reader) error {
	if a.has[name] {
		return nil
	}
	a.has[name] = true
	if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644}); err != nil {
		return err
	}
	_, err := io.CopyN(a.tar, content, size)
	return err
}

func (a *archive) end() error {
	manifest, err := json.Marshal(a.manifest)
	if err != nil {
		return err
	}
	if err := a.file("manifest.json", int64(len(manifest)), bytes.NewReader(manifest)); err != nil {
		return err
	}
	return a.tar.Close()
}

func (i Image) build() (v1.Image, error) {
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		Architecture: i.Arch, OS: "linux", Config: i.Config,
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	for _, l := range i.Layers {
		if img, err = mutate.AppendLayers(img, l); err != nil {
			return nil, err
		}
	}
	return img, nil
}

// Layer is an uncompressed tar file that images are made of. Its methods are
// those of a v1.Layer, for which uncompressed is a way of being compressed.
type Layer struct {
	open   func() (io.ReadCloser, error)
	digest v1.Hash
	size   int64
}

// BytesLayer is a layer held in memory.
func BytesLayer(tar []byte) *Layer {
	sum := sha256.Sum256(tar)
	return &Layer{
		open:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tar)), nil },
		digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])},
		size:   int64(len(tar)),
	}
}

// FileLayer is the layer in the tar file at path, which must stay there until
// the image has been written.
func FileLayer(path string) (*Layer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return nil, err
	}
	return &Layer{
		open:   func() (io.ReadCloser, error) { return os.Open(path) },
		digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))},
		size:   n,
	}, nil
}

// Digest returns the SHA-256 of the tar file.
func (l *Layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID returns the same, as nothing is compressed.
func (l *Layer) DiffID() (v1.Hash, error) { return l.digest, nil }

// Compressed opens the tar file.
func (l *Layer) Compressed() (io.ReadCloser, error) { return l.open() }

// Uncompressed opens the tar file.
func (l *Layer) Uncompressed() (io.ReadCloser, error) { return l.open() }

// Size returns the tar file's size in bytes.
func (l *Layer) Size() (int64, error) { return l.size, nil }

// MediaType says that the layer is not compressed.
func (l *Layer) MediaType() (types.MediaType, error) { return types.DockerUncompressedLayer, nil }
