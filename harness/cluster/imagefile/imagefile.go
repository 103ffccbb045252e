// Package imagefile writes container images as archive files that every
// container engine and containerd can load. It needs no engine and no root,
// and equal input gives equal bytes.
package imagefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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

// Write writes the images as one archive in the format of `docker save`, each
// common layer once. Layers are not compressed: the archives stay on one
// machine, where packing would only cost time.
func Write(w io.Writer, images ...Image) error {
	all := map[name.Tag]v1.Image{}
	for _, i := range images {
		tag, err := name.NewTag(i.Ref, name.StrictValidation)
		if err != nil {
			return fmt.Errorf("naming the image: %w", err)
		}
		if all[tag], err = i.build(); err != nil {
			return fmt.Errorf("composing the image %s: %w", i.Ref, err)
		}
	}
	if err := tarball.MultiWrite(all, w); err != nil {
		return fmt.Errorf("writing the image archive: %w", err)
	}
	return nil
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
