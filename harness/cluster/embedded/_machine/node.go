package main

import (
	"context"

	"rolecall.build/machine/controlplane"
	"rolecall.build/machine/node"
)

// runNode runs the machine's node beside plane, until ctx is done.
func runNode(ctx context.Context, o serveOptions, plane *controlplane.ControlPlane) error {
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
		Agent:         o.sandbox,
		ServiceIP:     controlplane.ServiceIP,
		DNSIP:         controlplane.DNSIP,
		Ready:         func() {}, // what the API server says of the node counts
	})
}
