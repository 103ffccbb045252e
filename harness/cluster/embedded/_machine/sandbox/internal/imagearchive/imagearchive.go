// Package imagearchive reads images as `docker save` writes them.
package imagearchive

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sync"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/memfd"
)

// Layers are an image's, uncompressed, the lowest first, in memory.
type Layers struct {
	files []*os.File
	// Size is that of all together, in bytes.
	Size int64
}

// largestLayer bounds what a layer may hold once uncompressed, in bytes.
const largestLayer = 2 << 30

// manifest is what an archive's manifest.json says of its image: the names of
// the layers. An archive holds one image here; of several the first counts.
type manifest struct{ Layers []string }

// Archives are the images that a node has.
type Archives struct {
	mu    sync.Mutex
	paths map[string]string
	kept  map[string]*Layers
}

// Set names the archives, by reference.
func (a *Archives) Set(paths map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths = paths
}

// Load reads an image's layers. The caller closes them.
func (a *Archives) Load(ref string) (*Layers, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.load(ref)
}

// Keep reads an image's layers the first time it is called for it. Close closes
// them.
func (a *Archives) Keep(ref string) (*Layers, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kept := a.kept[ref]; kept != nil {
		return kept, nil
	}
	layers, err := a.load(ref)
	if err != nil {
		return nil, err
	}
	if a.kept == nil {
		a.kept = map[string]*Layers{}
	}
	a.kept[ref] = layers
	return layers, nil
}

// Close closes what Keep returned.
func (a *Archives) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, layers := range a.kept {
		layers.Close()
	}
	a.kept = nil
}

func (a *Archives) load(ref string) (*Layers, error) {
	archive, known := a.paths[ref]
	if !known {
		return nil, fmt.Errorf("%s: %w", ref, sandbox.ErrNoImage)
	}
	file, err := os.Open(archive)
	if err != nil {
		return nil, fmt.Errorf("reading the image %s: %w", ref, err)
	}
	defer file.Close()
	layers, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("reading the image %s from %s: %w", ref, archive, err)
	}
	return layers, nil
}

func read(file *os.File) (*Layers, error) {
	all, err := index(file)
	if err != nil {
		return nil, err
	}
	var images []manifest
	if err := all.json("manifest.json", &images); err != nil {
		return nil, err
	}
	if len(images) == 0 {
		return nil, errors.New("manifest.json names no image")
	}
	l := &Layers{}
	for _, name := range images[0].Layers {
		if err := l.add(name, all); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

// members are an archive's files by name.
type members map[string]*io.SectionReader

func index(file *os.File) (members, error) {
	all := members{}
	links := map[string]string{}
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch header.Typeflag {
		case tar.TypeReg:
			start, err := file.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			all[path.Clean(header.Name)] = io.NewSectionReader(file, start, header.Size)
		case tar.TypeSymlink: // older engines link a layer that occurs twice
			links[path.Clean(header.Name)] = path.Join(path.Dir(header.Name), header.Linkname)
		}
	}
	for name, target := range links {
		if content := all[target]; content != nil {
			all[name] = content
		}
	}
	return all, nil
}

func (m members) open(name string) (*io.SectionReader, error) {
	content := m[path.Clean(name)]
	if content == nil {
		return nil, fmt.Errorf("the archive has no %s", name)
	}
	return io.NewSectionReader(content, 0, content.Size()), nil
}

func (m members) json(name string, into any) error {
	content, err := m.open(name)
	if err != nil {
		return err
	}
	if err := json.NewDecoder(io.LimitReader(content, 16<<20)).Decode(into); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

// add puts a layer into memory.
func (l *Layers) add(name string, all members) error {
	content, err := all.open(name)
	if err != nil {
		return err
	}
	plain, err := uncompressed(content)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	layer, size, err := memfd.Copy("layer", io.LimitReader(plain, largestLayer+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if size > largestLayer {
		layer.Close()
		return fmt.Errorf("reading %s: it is larger than %d bytes", name, largestLayer)
	}
	l.files = append(l.files, layer)
	l.Size += size
	return nil
}

// Descriptors are the layers', valid until Close.
func (l *Layers) Descriptors() []int {
	var all []int
	for _, layer := range l.files {
		all = append(all, int(layer.Fd()))
	}
	return all
}

// Close closes them.
func (l *Layers) Close() {
	for _, layer := range l.files {
		layer.Close()
	}
}

func uncompressed(content io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(content, 128<<10)
	start, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(start) != "\x1f\x8b" {
		return buffered, nil
	}
	return gzip.NewReader(buffered)
}
