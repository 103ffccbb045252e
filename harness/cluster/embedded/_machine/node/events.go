package node

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/reference"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
)

// event is one that a kubelet would record.
type event struct{ kind, reason, message string }

func normal(reason, message string) event  { return event{corev1.EventTypeNormal, reason, message} }
func warning(reason, message string) event { return event{corev1.EventTypeWarning, reason, message} }

// record writes an event of a pod, or of one of its containers where a field
// path is given.
func (p *pod) record(fieldPath string, events ...event) {
	ref, err := reference.GetReference(scheme.Scheme, p.object())
	if err != nil {
		return // an object that came from the API always has a reference
	}
	ref.FieldPath = fieldPath
	for _, e := range events {
		p.node.recorder.Event(ref, e.kind, e.reason, e.message)
	}
}

// record writes an event of this container.
func (c *container) record(events ...event) {
	ref, err := kubecontainer.GenerateContainerRef(c.pod.object(), c.spec)
	if err != nil {
		return // as above
	}
	c.pod.record(ref.FieldPath, events...)
}
