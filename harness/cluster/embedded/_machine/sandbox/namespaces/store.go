package namespaces

import (
	"context"
	"fmt"
	"os"
	"sync"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/images"
	"rolecall.build/machine/sandbox/internal/wire"
)

// store holds the extracted images in an agent of its own, from which pods get
// mounts: all share one copy in memory.
type store struct {
	mu  sync.Mutex
	pod *Pod
	has map[string]bool
	// copies says that containers extract images for themselves, on a kernel whose
	// overlays do not work.
	copies bool
}

// Prepare implements sandbox.Runtime.
func (r *Runtime) Prepare(ctx context.Context, ref string) error {
	mount, _, err := r.image(ctx, ref)
	if err != nil {
		return err
	}
	if mount != nil {
		return mount.Close()
	}
	return nil
}

// bringImage gives the pod's agent an image that it does not have.
func (p *Pod) bringImage(ctx context.Context, ref string) error {
	p.bringing.Lock()
	defer p.bringing.Unlock()
	if p.images[ref] {
		return nil
	}
	mount, layers, err := p.runtime.image(ctx, ref)
	if err != nil {
		return err
	}
	request, files := wire.Image{Ref: ref, Mounted: mount != nil}, []int{}
	if mount != nil {
		defer mount.Close()
		files = append(files, int(mount.Fd()))
	} else {
		request.Size, files = layers.Size, layers.Descriptors()
	}
	if _, _, err := p.agent.Call(ctx, wire.Request{Image: &request}, files...); err != nil {
		return err
	}
	p.images[ref] = true
	return nil
}

// image returns a mount of an image from the store, or its layers where
// containers have to extract them.
func (r *Runtime) image(ctx context.Context, ref string) (*os.File, *images.Layers, error) {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	if !r.store.copies {
		mount, err := r.imageMount(ctx, ref)
		if err != nil || mount != nil {
			return mount, nil, err
		}
		r.store.copies = true
	}
	layers, err := r.images.Keep(ref)
	return nil, layers, err
}

// imageMount asks the store for a mount, and starts the store if there is none.
// nil: containers have to copy the image.
func (r *Runtime) imageMount(ctx context.Context, ref string) (*os.File, error) {
	if err := r.startStore(ctx); err != nil {
		return nil, fmt.Errorf("starting the image store: %w", err)
	}
	request, files := wire.Image{Ref: ref}, []int{}
	if !r.store.has[ref] {
		layers, err := r.images.Load(ref)
		if err != nil {
			return nil, err
		}
		defer layers.Close()
		request.Size, files = layers.Size, layers.Descriptors()
	}
	_, received, err := r.store.pod.agent.Call(ctx, wire.Request{Store: &request}, files...)
	if err != nil {
		return nil, fmt.Errorf("getting the image %s from the store: %w", ref, err)
	}
	if len(received) != 1 {
		wire.CloseAll(received)
		return nil, r.store.pod.Close()
	}
	r.store.has[ref] = true
	return os.NewFile(uintptr(received[0]), ref), nil
}

func (r *Runtime) startStore(ctx context.Context) error {
	if r.store.pod != nil && !r.store.pod.agent.Ended() {
		return nil
	}
	p, err := r.start(ctx, sandbox.PodSpec{Name: "images", Hostname: "images"}, nil)
	if err != nil {
		return err
	}
	r.store.pod, r.store.has = p, map[string]bool{}
	return nil
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pod == nil {
		return nil
	}
	return s.pod.Close()
}
