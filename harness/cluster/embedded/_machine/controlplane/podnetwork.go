package controlplane

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// Dialer connects to an address of the pods' network, of a pod or a service.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// podNetwork is the API server's way to pods and services: for the subresource
// proxy, for webhooks and for aggregated APIs. In this machine's own network
// their addresses may be somebody else's, so it never dials there.
type podNetwork struct{ dialer atomic.Pointer[Dialer] }

func (n *podNetwork) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if dial := n.dialer.Load(); dial != nil {
		return (*dial)(ctx, network, address)
	}
	return nil, errors.New("the node that has the pods has not started")
}

// ReachPods gives the API server its way to pods and services.
func (p *ControlPlane) ReachPods(dial Dialer) { p.pods.dialer.Store(&dial) }
