package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// Users of the machine's own parts, as kubeadm names them. The audit policy
// knows them by these names.
const (
	userAdmin             = "kubernetes-admin"
	userControllerManager = "system:kube-controller-manager"
	userScheduler         = "system:kube-scheduler"
	userProxy             = "system:kube-proxy"
	userFrontProxy        = "front-proxy-client"
	groupMasters          = "system:masters"
	groupNodes            = "system:nodes"
)

// KubeletClient is the user as which the API server calls the kubelet. Nobody
// else may be served there: the cluster's authority signs other clients too.
const KubeletClient = "kube-apiserver-kubelet-client"

// pki is every certificate and key of a machine. They live as long as it does.
type pki struct {
	dir                                        string // where files are that a component insists on
	cluster, frontProxy                        *authority
	apiServer, kubelet                         pair // for serving
	kubeletClient, frontProxyClient            pair
	admin, controllers, scheduler, proxy, node pair // clients of the API server
	accountKey, accountKeyPublic               []byte
}

func newPKI(dir, node string, service netip.Addr) (_ *pki, err error) {
	p := &pki{dir: dir}
	if p.cluster, err = newAuthority("kubernetes"); err != nil {
		return nil, err
	}
	if p.frontProxy, err = newAuthority("front-proxy-ca"); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		to     *pair
		by     *authority
		user   string
		groups []string
	}{
		{&p.admin, p.cluster, userAdmin, []string{groupMasters}},
		{&p.controllers, p.cluster, userControllerManager, nil},
		{&p.scheduler, p.cluster, userScheduler, nil},
		{&p.proxy, p.cluster, userProxy, nil},
		{&p.node, p.cluster, "system:node:" + node, []string{groupNodes}},
		{&p.kubeletClient, p.cluster, KubeletClient, nil},
		{&p.frontProxyClient, p.frontProxy, userFrontProxy, nil},
	} {
		if *c.to, err = c.by.client(c.user, c.groups...); err != nil {
			return nil, err
		}
	}
	if p.apiServer, err = p.cluster.server(
		pkix.Name{CommonName: "kube-apiserver"},
		[]string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
		[]net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, service.AsSlice()},
	); err != nil {
		return nil, err
	}
	if p.kubelet, err = p.cluster.server(
		pkix.Name{CommonName: "system:node:" + node, Organization: []string{groupNodes}},
		[]string{node, "localhost"},
		[]net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	); err != nil {
		return nil, err
	}
	return p, p.makeAccountKey()
}

// makeAccountKey makes the key that signs service accounts' tokens.
func (p *pki) makeAccountKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the service accounts' key: %w", err)
	}
	if p.accountKey, err = encodeKey(key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encoding the service accounts' public key: %w", err)
	}
	p.accountKeyPublic = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return nil
}

// write writes what the API server, the controller manager and the scheduler
// take as files only. server is the API server's URL.
func (p *pki) write(server string) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of certificates: %w", err)
	}
	controllers, err := kubeconfig(p.config(server, p.controllers), userControllerManager)
	if err != nil {
		return err
	}
	scheduler, err := kubeconfig(p.config(server, p.scheduler), userScheduler)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"ca.crt":                 p.cluster.cert,
		"ca.key":                 p.cluster.key,
		"apiserver.crt":          p.apiServer.cert,
		"apiserver.key":          p.apiServer.key,
		"kubelet-client.crt":     p.kubeletClient.cert,
		"kubelet-client.key":     p.kubeletClient.key,
		"front-proxy-ca.crt":     p.frontProxy.cert,
		"front-proxy-client.crt": p.frontProxyClient.cert,
		"front-proxy-client.key": p.frontProxyClient.key,
		"sa.key":                 p.accountKey,
		"sa.pub":                 p.accountKeyPublic,
		"controllers.kubeconfig": controllers,
		"scheduler.kubeconfig":   scheduler,
	} {
		if err := os.WriteFile(p.file(name), content, 0o600); err != nil {
			return fmt.Errorf("writing a certificate: %w", err)
		}
	}
	return nil
}

func (p *pki) file(name string) string { return filepath.Join(p.dir, name) }

// config is the client of the API server whose certificate client is. It holds
// back no request of its own.
func (p *pki) config(server string, client pair) *rest.Config {
	return &rest.Config{
		Host:          server,
		QPS:           -1,
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeProtobuf, AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON},
		TLSClientConfig: rest.TLSClientConfig{
			CAData: p.cluster.cert, CertData: client.cert, KeyData: client.key,
		},
	}
}
