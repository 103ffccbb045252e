package main

import (
	"context"
	"net"
	"os"
	"path/filepath"

	"k8s.io/klog/v2"

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
		Odd:           func(what string) { noteOdd(o.Dir, what) },
	})
}

// oddFile, in the machine's folder, has what happened after which the machine
// should serve nobody else, a line each. Whoever uses it again reads it before.
const oddFile = "odd"

func noteOdd(dir, what string) {
	file, err := os.OpenFile(filepath.Join(dir, oddFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = file.WriteString(what + "\n")
		file.Close()
	}
	if err != nil {
		klog.ErrorS(err, "Noting what is odd", "what", what)
	}
}
