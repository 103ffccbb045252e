package main

import (
	"context"
	"net"

	"rolecall.build/machine/controlplane"
	"rolecall.build/machine/node"
	"rolecall.build/machine/sandbox"
)

// runNode runs the machine's node beside plane, until ctx is done.
func runNode(ctx context.Context, o serveOptions, pods sandbox.Runtime, plane *controlplane.ControlPlane) error {
	return node.Run(ctx, node.Config{
		Name:          o.Node,
		Dir:           o.Dir,
		Client:        plane.Node,
		Cluster:       plane.Proxy,
		Front:         plane.Front,
		Serving:       plane.Kubelet,
		ClientCA:      plane.ClientCA,
		APIServerName: controlplane.KubeletClient,
		Images:        o.images,
		Sandboxes:     pods,
		ServiceIP:     o.ServiceIP(),
		DNSIP:         o.DNSIP(),
		Reach:         func(dial func(context.Context, string, string) (net.Conn, error)) { plane.ReachPods(dial) },
		Ready:         func() {}, // what the API server says of the node counts
	})
}
