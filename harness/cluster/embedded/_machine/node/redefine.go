package node

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// definition is the container as the pod's object has it now: its image may
// have been replaced, and nothing else that this node takes in.
func (c *container) definition() corev1.Container {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return *c.asked()
}

// asked is the same. The pod's mutex is held.
func (c *container) asked() *corev1.Container {
	for _, all := range [][]corev1.Container{c.pod.api.Spec.Containers, c.pod.api.Spec.InitContainers} {
		for i := range all {
			if all[i].Name == c.spec.Name {
				return &all[i]
			}
		}
	}
	return c.spec
}

// redefine makes each container run again whose image was replaced, whatever
// its restart policy, as a kubelet does.
func (p *pod) redefine() {
	for _, c := range p.of(app, sidecar) {
		p.mu.Lock()
		image := c.asked().Image
		changed := image != c.wanted
		c.wanted = image
		p.mu.Unlock()
		if !changed {
			continue
		}
		select {
		case c.redefined <- struct{}{}:
		default:
		}
		if r := c.currentRun(); r != nil && r.image != image {
			go c.stop("Container " + c.spec.Name + " definition changed, will be restarted")
		}
	}
	p.mu.Lock()
	tell := p.resized() && !p.toldResize
	p.toldResize = p.toldResize || tell
	p.mu.Unlock()
	if tell {
		p.record("", warning("NotSupported", cannotResize))
	}
}

// replaced reports whether the pod's object names another image for the
// container than that of its last run.
func (c *container) replaced(r *plan) bool {
	return (c.role == app || c.role == sidecar) && c.definition().Image != r.asked
}

const cannotResize = "this node cannot resize a container that runs: it keeps its resources" + kindCan

// resized reports whether other resources are asked for than the containers
// were created with. The pod's mutex is held.
func (p *pod) resized() bool {
	for _, c := range p.containers {
		if !equality.Semantic.DeepEqual(c.asked().Resources, c.spec.Resources) {
			return true
		}
	}
	return !equality.Semantic.DeepEqual(p.api.Spec.Resources, p.resources)
}
