package sandbox

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

	"golang.org/x/sys/unix"
)

// ImageConfig is what an image says about the containers made from it.
type ImageConfig struct {
	Entrypoint, Cmd, Env []string
	// User is "", "UID", "UID:GID" or names in the image's /etc/passwd and /etc/group.
	User       string
	WorkingDir string
}

// layers are an image's, uncompressed, the lowest first, in memory.
type layers struct {
	files []*os.File
	size  int64
}

// largestLayer bounds what a layer may hold once uncompressed, in bytes.
const largestLayer = 2 << 30

// manifest is what an archive's manifest.json says of its image: the names of the configuration and the layers. An archive holds one image
// here; of several the first counts.
type manifest struct {
	Config string
	Layers []string
}

// Image returns what an image says about its containers. The error wraps ErrNoImage if Runtime.Images does not have it.
func (r *Runtime) Image(ref string) (ImageConfig, error) {
	var config struct {
		Config ImageConfig `json:"config"`
	}
	err := r.read(ref, func(all members, image manifest) error { return all.json(image.Config, &config) })
	return config.Config, err
}

// layers reads an image's layers. The caller closes them.
func (r *Runtime) layers(ref string) (*layers, error) {
	l := &layers{}
	err := r.read(ref, func(all members, image manifest) error {
		for _, name := range image.Layers {
			if err := l.add(name, all); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// read opens an image's archive, as `docker save` writes it.
func (r *Runtime) read(ref string, f func(members, manifest) error) error {
	archive, ok := r.Images[ref]
	if !ok {
		return fmt.Errorf("%s: %w", ref, ErrNoImage)
	}
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("reading the image %s: %w", ref, err)
	}
	defer file.Close()
	if err := readArchive(file, f); err != nil {
		return fmt.Errorf("reading the image %s from %s: %w", ref, archive, err)
	}
	return nil
}

func readArchive(file *os.File, f func(members, manifest) error) error {
	all, err := index(file)
	if err != nil {
		return err
	}
	var images []manifest
	if err := all.json("manifest.json", &images); err != nil {
		return err
	}
	if len(images) == 0 {
		return errors.New("manifest.json names no image")
	}
	return f(all, images[0])
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
func (l *layers) add(name string, all members) error {
	content, err := all.open(name)
	if err != nil {
		return err
	}
	plain, err := uncompressed(content)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	layer, size, err := inMemory("layer", io.LimitReader(plain, largestLayer+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if size > largestLayer {
		layer.Close()
		return fmt.Errorf("reading %s: it is larger than %d bytes", name, largestLayer)
	}
	l.files = append(l.files, layer)
	l.size += size
	return nil
}

// descriptors are the layers', valid until close.
func (l *layers) descriptors() []int {
	var all []int
	for _, layer := range l.files {
		all = append(all, int(layer.Fd()))
	}
	return all
}

func (l *layers) close() {
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

// inMemory copies content into an anonymous file that cannot be changed any more, and returns it opened for reading only.
func inMemory(name string, content io.Reader) (*os.File, int64, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("making a file in memory: %w", err)
	}
	written := os.NewFile(uintptr(fd), name)
	defer written.Close()
	size, err := io.Copy(written, content)
	if err != nil {
		return nil, 0, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(written.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, 0, fmt.Errorf("sealing a file in memory: %w", err)
	}
	// Opened again, because a file that somebody could write cannot be executed.
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil, 0, fmt.Errorf("opening a file in memory: %w", err)
	}
	return file, size, nil
}
