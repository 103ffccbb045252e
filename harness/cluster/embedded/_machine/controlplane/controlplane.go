// Package controlplane runs etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler, each from its upstream module, as goroutines of one process.
package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// usualServices is the range that kubeadm gives.
var usualServices = netip.MustParsePrefix("10.96.0.0/16")

// Config says what a control plane is made of.
type Config struct {
	Dir         string // of the machine; only its user may read it
	AuditPolicy string // file with an audit.k8s.io/v1 Policy
	// Authentication is a file with an AuthenticationConfiguration, which is reloaded
	// when it changes, and Localhost two files, certificate,key, for clients that
	// ask for localhost. Both may be empty.
	Authentication, Localhost string

	Port uint16 // of the API server on 127.0.0.1; zero lets the kernel choose
	Node string // name of the one node
	// Services is the range of the cluster's services, kubeadm's if zero.
	Services netip.Prefix
}

// ServiceIP is the address of the service kubernetes, where pods reach the API
// server on port 443.
func (c Config) ServiceIP() netip.Addr { return c.services().Addr().Next() }

// DNSIP is the address of the service kube-dns, the tenth as with kubeadm.
func (c Config) DNSIP() netip.Addr {
	address := c.services().Addr()
	for range 10 {
		address = address.Next()
	}
	return address
}

func (c Config) services() netip.Prefix {
	if c.Services.IsValid() {
		return c.Services
	}
	return usualServices
}

// advertised is the address of the endpoint of the service kubernetes. The API
// takes none of the machine itself for one.
func (c Config) advertised() netip.Addr {
	if c.ServiceIP().IsLoopback() {
		return usualServices.Addr().Next()
	}
	return c.ServiceIP()
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	// Front is where the API server's connections come from.
	Front *Front
	// Admin is kubernetes-admin of the group system:masters.
	Admin *rest.Config
	// Node is the node's client, Proxy that of what serves the cluster's
	// services: it may list and watch services and endpoint slices.
	Node, Proxy *rest.Config
	// Kubelet is the node's serving certificate; its only client is
	// KubeletClient with a certificate of ClientCA.
	Kubelet  tls.Certificate
	ClientCA *x509.CertPool

	pods      *podNetwork
	failed    chan error
	db        *database
	scheduler chan struct{} // closed when the scheduler has synchronized
	loopback  *rest.Config
	node      string
	dns       netip.Addr
}

// Start starts a control plane with nothing in it, which replaces what an
// earlier one left in c.Dir. It answers when Start returns, but is not ready:
// see WaitReady. It runs until ctx is done.
func Start(ctx context.Context, c Config) (*ControlPlane, error) {
	if err := forget(c.Dir); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(c.Port))))
	if err != nil {
		return nil, fmt.Errorf("listening for the API server: %w", err)
	}
	front := NewFront(listener)
	url := "https://" + front.Addr().String()

	var (
		group errgroup.Group
		db    *database
		certs *pki
	)
	group.Go(func() (err error) {
		db, err = startDatabase(filepath.Join(c.Dir, "etcd"))
		reached("etcd started")
		return err
	})
	group.Go(func() (err error) {
		if certs, err = newPKI(filepath.Join(c.Dir, "pki"), c.Node, c.ServiceIP()); err != nil {
			return err
		}
		return certs.write(url)
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	group.Go(func() error {
		if err := db.waitReady(ctx); err != nil {
			return err
		}
		reached("etcd ready")
		defer reached("etcd seeded")
		return seed(ctx, db)
	})
	pods := &podNetwork{}
	server, err := newAPIServer(ctx, c, certs, front, pods, db.endpoint)
	if err != nil {
		return nil, err
	}
	plane := &ControlPlane{
		Front: front, Admin: certs.config(url, certs.admin),
		Node: certs.config(url, certs.node), Proxy: certs.config(url, certs.proxy),
		ClientCA: x509.NewCertPool(), pods: pods,
		failed: make(chan error, 4), db: db, scheduler: make(chan struct{}), loopback: server.loopback, node: c.Node, dns: c.DNSIP(),
	}
	plane.ClientCA.AddCert(certs.cluster.certificate)
	if plane.Kubelet, err = tls.X509KeyPair(certs.kubelet.cert, certs.kubelet.key); err != nil {
		return nil, fmt.Errorf("reading the kubelet's certificate: %w", err)
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	plane.keep(func() error { return db.run(ctx) })
	plane.keep(func() error { return server.run(ctx) })
	if err := plane.waitHealthy(ctx); err != nil {
		return nil, err
	}
	reached("kube-apiserver healthy")
	plane.keep(func() error { return runControllerManager(ctx, certs) })
	plane.keep(func() error { return runScheduler(ctx, certs, func() { close(plane.scheduler) }) })
	return plane, plane.writeKubeconfig(filepath.Join(c.Dir, "kubeconfig"))
}

// Forget drops what objects were before: nobody can ask for an older version, or
// for those that are gone, any more.
func (p *ControlPlane) Forget(ctx context.Context) error { return p.db.compact(ctx) }

// Failed yields the error of a part that ended by itself.
func (p *ControlPlane) Failed() <-chan error { return p.failed }

func (p *ControlPlane) keep(run func() error) {
	go func() {
		if err := run(); err != nil {
			p.failed <- err
		}
	}()
}

func (p *ControlPlane) writeKubeconfig(file string) error {
	content, err := kubeconfig(p.Admin, userAdmin)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return nil
}

// Clean removes what a control plane leaves in dir when it ends, except for its
// audit log. It is gone for the API server's clients then.
func Clean(dir string) error {
	for _, name := range []string{"kubeconfig", "pki", "etcd"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("removing what the cluster leaves: %w", err)
		}
	}
	return nil
}

// forget removes all that an earlier control plane left in dir.
func forget(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "audit*.log"))
	if err != nil {
		return fmt.Errorf("looking for old audit logs: %w", err)
	}
	for _, log := range logs {
		if err := os.Remove(log); err != nil {
			return fmt.Errorf("removing an old audit log: %w", err)
		}
	}
	return Clean(dir)
}

var begun = time.Now()

// reached logs how long the start has taken so far.
func reached(stage string) {
	klog.InfoS("Starting", "reached", stage, "after", time.Since(begun).Round(time.Millisecond))
}
