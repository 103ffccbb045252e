package engine

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"
)

// HasImage reports whether the engine holds the image.
func (e *Engine) HasImage(ctx context.Context, ref string) (bool, error) {
	_, err := e.Output(ctx, "image", "inspect", ref)
	if err == nil {
		return true, nil
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	// The commands exit alike whatever the matter is, so ask the service too.
	if _, err := e.Info(ctx); err != nil {
		return false, err
	}
	return false, nil
}

// pullStall is how long a pull that has begun may stand still. Without a
// terminal, engines say nothing while a layer arrives, only when it has.
const pullStall = 10 * time.Minute

// Pull fetches the image from its registry. It gives up if nothing has begun
// to arrive within start, so an unreachable registry costs no more than that.
// said, if not nil, hears each line of the engine's progress.
func (e *Engine) Pull(ctx context.Context, ref string, start time.Duration, said func(line string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(start, func() { cancel(errors.New("the registry sends nothing")) })
	defer watch.Stop()

	heard := writerFunc(func(p []byte) (int, error) {
		// "Pulling from …" comes before the registry has been asked.
		for line := range strings.Lines(string(p)) {
			if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, "ulling from") {
				watch.Reset(pullStall)
				if said != nil {
					said(line)
				}
			}
		}
		return len(p), nil
	})
	return e.Run(ctx, nil, heard, "pull", ref)
}

// Load imports an image archive as `docker save` writes it.
func (e *Engine) Load(ctx context.Context, archive io.Reader) error {
	return e.Run(ctx, archive, nil, "load")
}

// Save writes an archive of the image, as Load reads it.
func (e *Engine) Save(ctx context.Context, ref string, to io.Writer) error {
	return e.Run(ctx, nil, to, "save", ref)
}

// RemoveImage removes an image name; an image that is not there is no error.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	if err := e.Run(ctx, nil, nil, "rmi", ref); err != nil {
		if has, askErr := e.HasImage(ctx, ref); askErr != nil || has {
			return err
		}
	}
	return nil
}

// RemoveContainer stops and removes a container with its volumes; one that is
// not there is no error. It works with a cancelled context, for cleaning up.
func (e *Engine) RemoveContainer(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := e.Run(ctx, nil, nil, "rm", "-f", "-v", name)
	var failed *CommandError
	if errors.As(err, &failed) && strings.Contains(strings.ToLower(failed.Stderr), "no such container") {
		return nil
	}
	return err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// containers counts the containers this process named, to keep names apart.
var containers atomic.Int64
