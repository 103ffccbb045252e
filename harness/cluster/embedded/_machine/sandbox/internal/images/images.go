// Package images keeps the layers of images in memory, for agents to extract.
package images

import (
	"fmt"
	"io"
	"os"
	"sync"

	"rolecall.build/machine/imagearchive"
	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/memfd"
)

// Images are those that a runtime has.
type Images struct {
	mu   sync.Mutex
	all  map[string]*imagearchive.Image
	kept map[string]*Layers
}

// Layers are an image's, uncompressed, the lowest first, in memory.
type Layers struct {
	files []*os.File
	// Size is that of all together, in bytes.
	Size int64
}

// Set names the images, by reference.
func (i *Images) Set(all map[string]*imagearchive.Image) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all = all
}

// Load reads an image's layers. The caller closes them.
func (i *Images) Load(ref string) (*Layers, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.load(ref)
}

// Keep reads an image's layers the first time it is called for it. Close closes
// them.
func (i *Images) Keep(ref string) (*Layers, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if kept := i.kept[ref]; kept != nil {
		return kept, nil
	}
	layers, err := i.load(ref)
	if err != nil {
		return nil, err
	}
	if i.kept == nil {
		i.kept = map[string]*Layers{}
	}
	i.kept[ref] = layers
	return layers, nil
}

// Close closes what Keep returned.
func (i *Images) Close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, layers := range i.kept {
		layers.Close()
	}
	i.kept = nil
}

func (i *Images) load(ref string) (*Layers, error) {
	image, known := i.all[ref]
	if !known {
		return nil, fmt.Errorf("%s: %w", ref, sandbox.ErrNoImage)
	}
	contents, err := image.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading the image %s: %w", ref, err)
	}
	layers := &Layers{}
	for _, content := range contents {
		if err == nil {
			err = layers.add(content)
		}
		content.Close()
	}
	if err != nil {
		layers.Close()
		return nil, fmt.Errorf("reading the image %s: %w", ref, err)
	}
	return layers, nil
}

// largestLayer bounds what a layer may hold once uncompressed, in bytes.
const largestLayer = 2 << 30

// add puts a layer into memory.
func (l *Layers) add(content io.Reader) error {
	layer, size, err := memfd.Copy("layer", io.LimitReader(content, largestLayer+1))
	if err != nil {
		return fmt.Errorf("reading a layer: %w", err)
	}
	l.files = append(l.files, layer)
	l.Size += size
	if size > largestLayer {
		return fmt.Errorf("a layer is larger than %d bytes", largestLayer)
	}
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
