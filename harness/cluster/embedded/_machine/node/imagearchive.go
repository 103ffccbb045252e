package node

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
)

// imageConfig is what an image says of its containers (OCI image
// specification, config.md).
type imageConfig struct {
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
	WorkingDir string
	StopSignal string
}

// openImage reads an archive as docker save writes it.
func openImage(archive string) (*image, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()

	var manifest []struct {
		Config string
		Layers []string
	}
	if err := readJSON(file, "manifest.json", &manifest); err != nil {
		return nil, err
	}
	if len(manifest) != 1 {
		return nil, fmt.Errorf("it holds %d images, not one", len(manifest))
	}
	config, err := readEntry(file, manifest[0].Config)
	if err != nil {
		return nil, err
	}
	var described struct {
		Config imageConfig `json:"config"`
	}
	if err := json.Unmarshal(config, &described); err != nil {
		return nil, fmt.Errorf("reading its configuration: %w", err)
	}
	sum := sha256.Sum256(config)
	opened := &image{archive: archive, id: "sha256:" + hex.EncodeToString(sum[:]), config: described.Config}
	for _, layer := range manifest[0].Layers {
		if err := opened.users.read(file, layer); err != nil {
			return nil, fmt.Errorf("reading its layer %s: %w", layer, err)
		}
	}
	return opened, nil
}

func readJSON(file *os.File, name string, into any) error {
	content, err := readEntry(file, name)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}

func readEntry(file *os.File, name string) ([]byte, error) {
	entry, err := openEntry(file, name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(entry)
}

func openEntry(file *os.File, name string) (io.Reader, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	entries := tar.NewReader(file)
	for {
		header, err := entries.Next()
		if err != nil {
			return nil, fmt.Errorf("looking for %s: %w", name, err)
		}
		if path.Clean(header.Name) == path.Clean(name) {
			return entries, nil
		}
	}
}

// read takes passwd and group out of a layer; those of a later one win.
func (a *accounts) read(file *os.File, layer string) error {
	entry, err := openEntry(file, layer)
	if err != nil {
		return err
	}
	buffered := bufio.NewReader(entry)
	var content io.Reader = buffered
	if magic, _ := buffered.Peek(2); slices.Equal(magic, []byte{0x1f, 0x8b}) {
		if content, err = gzip.NewReader(buffered); err != nil {
			return err
		}
	}
	entries := tar.NewReader(content)
	for {
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
			into = &a.passwd
		case "/etc/group":
			into = &a.group
		default:
			continue
		}
		var text bytes.Buffer
		if _, err := io.Copy(&text, io.LimitReader(entries, 1<<20)); err != nil {
			return err
		}
		*into = text.Bytes()
	}
}
