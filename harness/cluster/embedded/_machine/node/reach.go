package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

// reach connects the API server to a pod, or through a service's address to one
// of its pods. The connection is made inside the pod's network.
func (n *node) reach(ctx context.Context, network, address string) (net.Conn, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: only pods and services of this cluster can be reached", address)
	}
	if service, port := n.serviceAt(at); service != nil {
		if at, err = n.endpoint(service, port); err != nil {
			return nil, err
		}
	}
	for _, p := range n.provider.list() {
		p.mu.Lock()
		found := p.address == at.Addr()
		p.mu.Unlock()
		if found {
			return p.dial(ctx, network, at.String())
		}
	}
	return nil, fmt.Errorf("connecting to %s: no pod of this cluster has that address", at)
}

// serviceAt is the service with that address, and its port.
func (n *node) serviceAt(at netip.AddrPort) (*corev1.Service, *corev1.ServicePort) {
	all, err := n.services.List(labels.Everything())
	if err != nil {
		return nil, nil
	}
	for _, service := range all {
		if !slices.Contains(service.Spec.ClusterIPs, at.Addr().String()) {
			continue
		}
		for i := range service.Spec.Ports {
			if port := &service.Spec.Ports[i]; port.Port == int32(at.Port()) && port.Protocol == corev1.ProtocolTCP {
				return service, port
			}
		}
	}
	return nil, nil
}

// endpoint is where one of a service's pods serves the port, any that is ready.
func (n *node) endpoint(service *corev1.Service, port *corev1.ServicePort) (netip.AddrPort, error) {
	var ready []netip.AddrPort
	for _, slice := range n.dns.slicesOf(service) {
		for _, served := range slice.Ports {
			if served.Port == nil || ptr.Deref(served.Name, "") != port.Name {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				if address, err := netip.ParseAddr(endpoint.Addresses[0]); err == nil && ptr.Deref(endpoint.Conditions.Ready, true) {
					ready = append(ready, netip.AddrPortFrom(address, uint16(*served.Port)))
				}
			}
		}
	}
	if len(ready) == 0 {
		return netip.AddrPort{}, fmt.Errorf("connecting to the service %s/%s: it has no pod that is ready", service.Namespace, service.Name)
	}
	return ready[rand.IntN(len(ready))], nil
}
