package kind

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/engine"
	"rolecall/harness/cluster/internal/nodeimage"
	"rolecall/harness/progress"
)

// Images are the images of this machine's container engine.
type Images struct {
	engine  *engine.Engine
	arch    string
	home    string
	display *progress.Display
}

// OpenImages finds the container engine. The error is a *cluster.NoEngineError
// where none is installed or none answers. home is rolecall's own folder.
func OpenImages(ctx context.Context, home string, display *progress.Display) (*Images, error) {
	e, err := engine.Detect(ctx)
	var silent *engine.NotAnsweringError
	switch {
	case errors.Is(err, engine.ErrNone):
		return nil, &cluster.NoEngineError{Reason: errors.New("no container engine is installed")}
	case errors.As(err, &silent):
		return nil, &cluster.NoEngineError{Reason: fmt.Errorf("the container engine %s does not answer", silent.Engine)}
	case err != nil:
		return nil, err
	}
	info, err := e.Info(ctx)
	if err != nil {
		return nil, err
	}
	return &Images{e, info.Arch, home, display}, nil
}

// Name is the engine's command.
func (i *Images) Name() string { return i.engine.Command }

// Arch is the architecture that the engine runs, as GOARCH.
func (i *Images) Arch() string { return i.arch }

// NodeImage returns the name of the image that kind starts its node from here,
// under which an archive can hold it. It pulls or builds one if there is none,
// which may take minutes.
func (i *Images) NodeImage(ctx context.Context) (string, error) {
	return nodeimage.Carried(ctx, i.engine, i.home, i.display)
}

// Has reports whether the engine holds an image of that name.
func (i *Images) Has(ctx context.Context, image string) (bool, error) {
	return i.engine.HasImage(ctx, image)
}

// Save writes an archive of an image.
func (i *Images) Save(ctx context.Context, image string, to io.Writer) error {
	return i.engine.Save(ctx, image, to)
}

// Load loads an archive of an image.
func (i *Images) Load(ctx context.Context, archive io.Reader) error {
	return i.engine.Load(ctx, archive)
}
