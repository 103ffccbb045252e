// Package imagearchive reads images as `docker save` writes them.
package imagearchive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is one whose archive was opened. The archive must stay as it is.
type Image struct {
	// ID is sha256:…, of its configuration.
	ID string
	// Config is what it says of its containers.
	Config v1.Config
	// Passwd and Group are its /etc/passwd and /etc/group, of which a later layer's
	// win; 1 MiB at most.
	Passwd, Group []byte

	layers []v1.Layer
}

// Open reads what containers need to know of an archive, which holds one image.
func Open(archive string) (*Image, error) {
	opened, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		return nil, err
	}
	id, err := opened.ConfigName()
	if err != nil {
		return nil, fmt.Errorf("reading its configuration: %w", err)
	}
	config, err := opened.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading its configuration: %w", err)
	}
	image := &Image{ID: id.String(), Config: config.Config}
	if image.layers, err = opened.Layers(); err != nil {
		return nil, fmt.Errorf("reading its layers: %w", err)
	}
	for _, layer := range image.layers {
		if err := image.readAccounts(layer); err != nil {
			return nil, fmt.Errorf("reading its layers: %w", err)
		}
	}
	return image, nil
}

// longestFile bounds passwd and group, in bytes.
const longestFile = 1 << 20

func (i *Image) readAccounts(layer v1.Layer) error {
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer content.Close()
	for entries := tar.NewReader(content); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var into *[]byte
		switch path.Clean("/" + header.Name) {
		case "/etc/passwd":
			into = &i.Passwd
		case "/etc/group":
			into = &i.Group
		default:
			continue
		}
		if *into, err = io.ReadAll(io.LimitReader(entries, longestFile)); err != nil {
			return err
		}
	}
}

// Layers opens the layers, uncompressed, the lowest first. The caller closes
// them.
func (i *Image) Layers() (layers []io.ReadCloser, err error) {
	for _, layer := range i.layers {
		content, err := layer.Uncompressed()
		if err != nil {
			for _, opened := range layers {
				opened.Close()
			}
			return nil, fmt.Errorf("reading a layer: %w", err)
		}
		layers = append(layers, content)
	}
	return layers, nil
}
