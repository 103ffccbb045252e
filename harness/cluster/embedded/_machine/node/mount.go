package node

import (
	"context"
	"reflect"
	"time"

	"rolecall.build/machine/sandbox"
)

// contents is what each of the pod's volumes holds now. Where one cannot be
// filled, failed is its name.
func (p *pod) contents() (contents map[string]sandbox.Volume, failed string, err error) {
	api := p.object()
	v := volumes{
		environment: environment{objects: p.node.objects, pod: api, address: p.address.String(), allocated: p.node.capacity},
		tokens:      p.node.tokens,
	}
	ctx, cancel := context.WithTimeout(p.running, 10*time.Second)
	defer cancel()
	contents = map[string]sandbox.Volume{}
	for i := range api.Spec.Volumes {
		volume := &api.Spec.Volumes[i]
		content, err := v.content(ctx, volume)
		if err != nil {
			return nil, volume.Name, err
		}
		contents[volume.Name] = content
	}
	return contents, "", nil
}

// refreshTime is how often the pod's volumes are compared with what they
// should hold, besides at each change of an object that they show. A token is
// renewed that way.
const refreshTime = 30 * time.Second

// mount makes the pod's volumes and keeps them up to date.
func (p *pod) mount(contents map[string]sandbox.Volume) error {
	p.mu.Lock()
	into := p.sandbox
	p.mu.Unlock()
	for name, content := range contents {
		if err := into.SetVolume(name, content); err != nil {
			return err
		}
	}
	go p.keepVolumes(into, contents, p.node.refresh.add(p))
	return nil
}

// keepVolumes does so until the sandbox has ended.
func (p *pod) keepVolumes(into sandboxPod, shown map[string]sandbox.Volume, wake chan struct{}) {
	defer p.node.refresh.remove(p, wake)
	ticker := time.NewTicker(refreshTime)
	defer ticker.Stop()
	for {
		select {
		case <-into.Done():
			return
		case <-ticker.C:
		case <-wake:
		}
		contents, _, err := p.contents()
		if err != nil {
			continue // what a volume showed stays until there is something to show
		}
		for name, content := range contents {
			if content.Files == nil || reflect.DeepEqual(content, shown[name]) {
				continue
			}
			if err := into.SetVolume(name, content); err == nil {
				shown[name] = content
			}
		}
	}
}
