package sandbox

import (
	"context"
	"fmt"
	"os"
	"sync"

	"rolecall.build/machine/sandbox/internal/wire"
)

// store holds the extracted images in an agent of its own, from which pods get mounts: all share one copy in memory.
type store struct {
	mu  sync.Mutex
	pod *Pod
	has map[string]bool
	// copies are the layers for containers that extract an image for themselves, on a kernel whose overlays do not work. nil: they work.
	copies map[string]*layers
}

// Prepare extracts an image, which would otherwise happen when the first container is run.
func (r *Runtime) Prepare(ctx context.Context, ref string) error {
	mount, _, err := r.shared(ctx, ref)
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
	mount, copied, err := p.runtime.shared(ctx, ref)
	if err != nil {
		return err
	}
	request, files := wire.Image{Ref: ref, Mounted: mount != nil}, []int{}
	if mount != nil {
		defer mount.Close()
		files = append(files, int(mount.Fd()))
	} else {
		request.Size, files = copied.size, copied.descriptors()
	}
	if _, _, err := p.call(ctx, wire.Request{Image: &request}, files...); err != nil {
		return err
	}
	p.images[ref] = true
	return nil
}

// shared returns a mount of an image from the store, or its layers where containers have to extract them.
func (r *Runtime) shared(ctx context.Context, ref string) (*os.File, *layers, error) {
	support, err := r.Support(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	if r.store.copies == nil && support.Mapping == MappingChroot {
		r.store.copies = map[string]*layers{}
	}
	if r.store.copies == nil {
		mount, err := r.imageMount(ctx, ref)
		if err != nil || mount != nil {
			return mount, nil, err
		}
		r.store.copies = map[string]*layers{}
	}
	if r.store.copies[ref] == nil {
		copied, err := r.layers(ref)
		if err != nil {
			return nil, nil, err
		}
		r.store.copies[ref] = copied
	}
	return nil, r.store.copies[ref], nil
}

// imageMount asks the store for a mount, and starts the store if there is none. nil: containers have to copy the image.
func (r *Runtime) imageMount(ctx context.Context, ref string) (*os.File, error) {
	if err := r.startStore(ctx); err != nil {
		return nil, fmt.Errorf("starting the image store: %w", err)
	}
	request, files := wire.Image{Ref: ref}, []int{}
	if !r.store.has[ref] {
		extracted, err := r.layers(ref)
		if err != nil {
			return nil, err
		}
		defer extracted.close()
		request.Size, files = extracted.size, extracted.descriptors()
	}
	_, received, err := r.store.pod.call(ctx, wire.Request{Store: &request}, files...)
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
	if r.store.pod != nil && !r.store.pod.ended() {
		return nil
	}
	support, err := r.Support(ctx)
	if err != nil {
		return err
	}
	p, err := r.start(ctx, PodSpec{Name: "images", Hostname: "images"}, support.Mapping, nil)
	if err != nil {
		return err
	}
	r.store.pod, r.store.has = p, map[string]bool{}
	return nil
}

// Close ends the image store and lets go of the images. Pods are not touched, but no further can be started.
func (r *Runtime) Close() error {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, copied := range r.store.copies {
		copied.close()
	}
	if r.agent != nil {
		r.agent.Close()
	}
	if r.network != nil {
		close(r.stop)
		if err := r.network.close(); err != nil {
			return err
		}
	}
	if r.reserved != nil {
		r.reserved.Close()
	}
	if r.store.pod == nil {
		return nil
	}
	return r.store.pod.Close()
}
