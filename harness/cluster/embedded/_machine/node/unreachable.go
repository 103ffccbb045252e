package node

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
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

// watch looks at each service when it or its endpoints change: either may be
// known first.
func (u *unreachableServices) watch(objects informers.SharedInformerFactory) error {
	look := func(object any) {
		switch object := object.(type) {
		case *corev1.Service:
			u.look(object.Namespace, object.Name)
		case *discoveryv1.EndpointSlice:
			u.look(object.Namespace, object.Labels[discoveryv1.LabelServiceName])
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: look, UpdateFunc: func(_, object any) { look(object) }}
	_, err := objects.Core().V1().Services().Informer().AddEventHandler(handler)
	if err == nil {
		_, err = objects.Discovery().V1().EndpointSlices().Informer().AddEventHandler(handler)
	}
	return err
}

func (u *unreachableServices) look(namespace, name string) {
	service, err := u.node.services.Services(namespace).Get(name)
	if err != nil || !u.hasPods(service) {
		return
	}
	u.mu.Lock()
	told := u.told[service.UID]
	u.told[service.UID] = true
	u.mu.Unlock()
	if told {
		return
	}
	if ref, err := reference.GetReference(scheme.Scheme, service); err == nil {
		u.node.recorder.Event(ref, corev1.EventTypeWarning, "NotSupported", unreachable)
	}
}

func (u *unreachableServices) hasPods(service *corev1.Service) bool {
	return slices.ContainsFunc(u.node.dns.slicesOf(service), func(slice *discoveryv1.EndpointSlice) bool {
		return slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool {
			return e.TargetRef != nil && e.TargetRef.Kind == "Pod"
		})
	})
}
