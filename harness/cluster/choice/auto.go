package choice

import (
	"context"
	"errors"
	"fmt"

	"rolecall/harness/cluster/embedded"
	"rolecall/harness/cluster/engine"
	"rolecall/harness/cluster/kind/nodeimage"
)

// auto chooses the kind of cluster and says which, and why: one of ours that
// runs; else kind, if a container engine can start its node and the node's
// image is there or can be pulled; else embedded; else kind with an image that
// is built here.
func (w Wish) auto(ctx context.Context) (kind string, err error) {
	for _, kind := range Kinds {
		if w.ours(kind).Running(ctx) {
			return w.choose(kind, "it is running")
		}
	}
	against := w.againstKind(ctx)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if against == nil {
		return w.choose("kind", "the container engine can start its node")
	}
	_, impossible := embedded.Possible()
	switch {
	case impossible == nil:
		return w.choose("embedded", against.Error())
	case errors.Is(against, errNoImage):
		return w.choose("kind", "its node's image is built here, because the embedded cluster cannot be had: "+impossible.Error())
	}
	return "", fmt.Errorf("choosing a cluster: neither kind (%w) nor embedded (%w)", against, impossible)
}

func (w Wish) choose(kind, why string) (string, error) {
	if w.Say != nil {
		w.Say("cluster: " + kind + ", since " + why)
	}
	return kind, nil
}

// errNoImage is against kind only as long as there is something quicker.
var errNoImage = errors.New("kind's node image is not here and cannot be pulled")

// againstKind is why no kind cluster can be had at once.
func (w Wish) againstKind(ctx context.Context) error {
	container, err := engine.Detect(ctx)
	var silent *engine.NotAnsweringError
	switch {
	case errors.Is(err, engine.ErrNone):
		return errors.New("no container engine is installed")
	case errors.As(err, &silent):
		return fmt.Errorf("the container engine %s does not answer", silent.Engine)
	case err != nil:
		return err
	}
	if err := container.TryPrivileged(ctx); err != nil {
		return fmt.Errorf("%s cannot start the privileged container that a node of kind is", container.Command)
	}
	if err := nodeimage.Available(ctx, container, w.Display); err != nil {
		return errNoImage
	}
	return nil
}
