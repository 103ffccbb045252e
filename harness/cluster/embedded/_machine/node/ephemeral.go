package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// addEphemeral starts containers that were added to a running pod, as kubectl
// debug does. Each has processes of its own: it does not see its target's.
func (p *pod) addEphemeral() {
	p.mu.Lock()
	open, all := p.open, p.api.Spec.EphemeralContainers
	p.mu.Unlock()
	if !open { // prepare looks again
		return
	}
	for i := range all {
		added := &all[i]
		if p.container(added.Name) != nil {
			continue
		}
		spec := corev1.Container(added.EphemeralContainerCommon)
		c := newContainer(p, &spec, ephemeral)
		p.change(func() { p.containers = append(p.containers, c) })
		if added.TargetContainerName != "" {
			message := fmt.Sprintf("this node cannot show an ephemeral container the processes of %s (targetContainerName)%s", added.TargetContainerName, kindCan)
			c.record(warning("NotSupported", message))
		}
		if what := beyond(&spec); what != "" {
			r := cannotGive(what)
			c.record(warning("NotSupported", r.message))
			c.waits(r.reason, r.message)
			continue
		}
		p.start(c)
	}
}
