package node

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/reference"
)

const unreachable = "this node cannot connect pods with one another or with this service, though its name resolves" + kindCan +
	". kubectl port-forward and the API server's proxy reach it here too"

// unreachableServices tells once of each service that has pods behind it that no
// pod can connect to it: all else about it looks as it should.
type unreachableServices struct {
	node *node
	mu   sync.Mutex
	told map[types.UID]bool
}

// handler looks at each slice of a service's endpoints.
func (u *unreachableServices) handler() cache.ResourceEventHandler {
	look := func(object any) {
		slice, ok := object.(*discoveryv1.EndpointSlice)
		if !ok {
			return
		}
		for _, endpoint := range slice.Endpoints {
			if endpoint.TargetRef != nil && endpoint.TargetRef.Kind == "Pod" {
				u.tell(slice.Namespace, slice.Labels[discoveryv1.LabelServiceName])
				return
			}
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: look, UpdateFunc: func(_, object any) { look(object) }}
}

func (u *unreachableServices) tell(namespace, name string) {
	service, err := u.node.services.Services(namespace).Get(name)
	if err != nil {
		return // a slice that has outlived its service, or is there before
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.told[service.UID] {
		return
	}
	u.told[service.UID] = true
	if ref, err := reference.GetReference(scheme.Scheme, service); err == nil {
		u.node.recorder.Event(ref, corev1.EventTypeWarning, "NotSupported", unreachable)
	}
}
