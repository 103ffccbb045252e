package bundle

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"rolecall/harness/check"
	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// Engine is the container engine of this machine, as far as a bundle needs it.
type Engine interface {
	// Name is the engine's command.
	Name() string
	// Arch is the architecture that it runs, as GOARCH.
	Arch() string
	// NodeImage returns the name of an image that kind can start its node from,
	// under which an archive can hold it. It may pull or build the image.
	NodeImage(context.Context) (string, error)
	// Has reports whether the engine holds an image of that name.
	Has(ctx context.Context, image string) (bool, error)
	// Save writes an archive of an image.
	Save(ctx context.Context, image string, to io.Writer) error
	// Load loads an archive of an image.
	Load(ctx context.Context, archive io.Reader) error
}

// Order is what a bundle is made of.
type Order struct {
	Dir      string // the folder for it
	Program  string // the file that rolecall is
	Rolecall string // its version
	Go       bool   // with the Go that is in PATH, for Module's programs
	Engine   Engine // with the node image of this engine, unless it is nil
	Module   check.Module
	Limit    int64 // bytes that a file in the folder may have; 0 for what FAT32 allows
	Display  *progress.Display
}

// Make writes a bundle, whole or not at all.
func Make(ctx context.Context, o Order) (x Index, err error) {
	if o.Limit == 0 {
		o.Limit = maxFile
	}
	w, err := newWriter(o.Dir, o.Limit)
	if err != nil {
		return x, next.Errorf("name another folder", "making a bundle in %s: %w", o.Dir, err)
	}
	defer w.close()
	parts := []func(context.Context, *writer) error{o.addProgram}
	if o.Go {
		parts = append(parts, o.addGo)
	}
	if o.Engine != nil {
		parts = append(parts, o.addNodeImage)
	}
	for _, add := range parts {
		if err := add(ctx, w); err != nil {
			return x, fmt.Errorf("making a bundle in %s: %w", o.Dir, err)
		}
	}
	if x, err = w.commit(o.Rolecall); err != nil {
		return x, fmt.Errorf("making a bundle in %s: %w", o.Dir, err)
	}
	return x, nil
}

func (o Order) addProgram(ctx context.Context, w *writer) error {
	file, err := os.Open(o.Program)
	if err != nil {
		return err
	}
	defer file.Close()
	about := fmt.Sprintf("rolecall for %s/%s; make it executable and run it", runtime.GOOS, runtime.GOARCH)
	return w.add(ctx, File{Content: Program, OS: runtime.GOOS, Arch: runtime.GOARCH, For: about}, func(to io.Writer) error {
		_, err := io.Copy(to, file)
		return err
	})
}

func (o Order) addGo(ctx context.Context, w *writer) error {
	temp, err := os.MkdirTemp("", "rolecall-bundle-")
	if err != nil {
		return next.Errorf("free some disk space", "%w", err)
	}
	defer os.RemoveAll(temp)
	t := &toolchain{module: o.Module, display: o.Display, temp: temp}
	if err := t.ask(ctx); err != nil {
		return err
	}
	if err := t.prepare(ctx); err != nil {
		return err
	}
	about := fmt.Sprintf("%s for %s/%s, with the modules and compiled packages of learners' programs; rolecall bundle install unpacks it", t.GOVERSION, runtime.GOOS, runtime.GOARCH)
	return w.add(ctx, File{Content: Go, OS: runtime.GOOS, Arch: runtime.GOARCH, For: about}, t.write)
}

func (o Order) addNodeImage(ctx context.Context, w *writer) (err error) {
	image, err := o.Engine.NodeImage(ctx)
	if err != nil {
		return err
	}
	task := o.Display.Begin("compressing the node image", 20*time.Second)
	defer func() { task.End(err) }()
	about := "the image that kind's node is started from; rolecall bundle install loads it into the container engine"
	return w.add(ctx, File{Content: NodeImage, Arch: o.Engine.Arch(), Image: image, For: about}, func(to io.Writer) error {
		compressed, err := compress(to)
		if err != nil {
			return err
		}
		if err := o.Engine.Save(ctx, image, &counter{to: compressed, heard: func(n int64) { task.Update(megabytes(n)) }}); err != nil {
			compressed.Close()
			return err
		}
		return compressed.Close()
	})
}

// counter tells how many bytes were written.
type counter struct {
	to    io.Writer
	n     int64
	heard func(int64)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	c.heard(c.n)
	return n, err
}
