// Package node is the one node of the embedded cluster, which
// runs pods in sandboxes on this machine. What a pod gets is what a kubelet
// gives, as far as a program in the pod or a reader of its object can see.
//
// All state is in memory. When the node ends, its pods end.
package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"path/filepath"

	"k8s.io/client-go/rest"

	"rolecall.build/machine/sandbox"
)

// Config is what a node is made of.
type Config struct {
	// Name is the Node object's.
	Name string
	// Dir gets a folder pods with the containers' logs. It is emptied at the start.
	Dir string
	// Client acts as system:node:Name in the group system:nodes.
	Client *rest.Config
	// Cluster may list and watch the Services and EndpointSlices of all
	// namespaces: it is the DNS server's account.
	Cluster *rest.Config
	// Front is the API server's listener.
	Front Front
	// Serving is the node API's certificate, for 127.0.0.1.
	Serving tls.Certificate
	// ClientCA signed the certificate with which the API server calls the
	// node. Its common name is APIServerName; nobody else gets in.
	ClientCA      *x509.CertPool
	APIServerName string
	// Images are the only ones that run: an archive as docker save makes it, by
	// reference.
	Images map[string]string
	// Sandboxes runs the pods. It gets the archives of Images.
	Sandboxes sandbox.Runtime
	// ServiceIP is the API server's address in a pod, DNSIP the name server's.
	ServiceIP, DNSIP netip.Addr
	// Reach is called once, with what connects to pods and services by their
	// addresses, which mean nothing outside this node.
	Reach func(dial func(ctx context.Context, network, address string) (net.Conn, error))
	// Ready is called once, when pods can be scheduled to the node.
	Ready func()
	// Odd is told what a pod did beyond its limits, and what of a pod could not be
	// removed: from then on nobody proves what is left of it. It may be called
	// concurrently.
	Odd func(what string)
}

// Front takes listeners over: what connects to one is served by the API server,
// which sees remote as the client's address. It lets go of a listener when
// Accept fails.
type Front interface {
	// Add does not wait.
	Add(listener net.Listener, remote netip.Addr)
}

const (
	clusterDomain = "cluster.local"
	hostAddress   = "127.0.0.1"
)

func (c Config) logs() string { return filepath.Join(c.Dir, "pods") }
