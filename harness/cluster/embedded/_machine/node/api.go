package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	"k8s.io/apimachinery/pkg/types"
)

// streamIdle is how long an exec, attach or port-forward may be silent; the
// kubelet's default.
const streamIdle = 4 * time.Hour

// listenAPI opens the node's API on a loopback port. It is the API server's
// alone: the connection must prove to be its client.
func (n *node) listenAPI() (port int32, serve func(context.Context) error, err error) {
	listener, err := net.Listen("tcp4", net.JoinHostPort(hostAddress, "0"))
	if err != nil {
		return 0, nil, fmt.Errorf("listening for the API server's calls to the node: %w", err)
	}
	secured := tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{n.config.Serving},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: n.config.ClientCA,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}, // streams take over the connection
	})
	server := &http.Server{Handler: n.onlyAPIServer(n.handler()), ReadHeaderTimeout: 30 * time.Second}
	return int32(listener.Addr().(*net.TCPAddr).Port), func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { server.Close() })
		defer stop()
		if err := server.Serve(secured); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving the node's API: %w", err)
		}
		return nil
	}, nil
}

// onlyAPIServer turns away other clients whose certificate the cluster's
// authority signed: it signs those of users too.
func (n *node) onlyAPIServer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || r.TLS.PeerCertificates[0].Subject.CommonName != n.config.APIServerName {
			http.Error(w, "Forbidden", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (n *node) handler() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	routes.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.serveLogs)
	virtual := api.PodHandler(api.PodHandlerConfig{
		RunInContainer: n.exec, AttachToContainer: n.attach, PortForward: n.portForward,
		GetPods: n.provider.objects, GetPodsFromKubernetes: n.provider.objects,
		StreamIdleTimeout: streamIdle, StreamCreationTimeout: streamIdle,
	}, true)
	routes.Handle("/", n.mustRun(virtual))
	return routes
}

// mustRun answers as a kubelet does where there is nothing to connect to,
// before the connection becomes a stream.
func (n *node) mustRun(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		switch parts[0] {
		case "exec", "attach":
			if len(parts) != 4 {
				break
			}
			p := n.provider.find(parts[1], parts[2])
			if p == nil {
				http.Error(w, fmt.Sprintf("pod %q not found", types.NamespacedName{Namespace: parts[1], Name: parts[2]}), http.StatusNotFound)
				return
			}
			if c := p.container(parts[3]); c == nil || c.currentRun() == nil {
				http.Error(w, fmt.Sprintf("container not found (%q)", parts[3]), http.StatusInternalServerError)
				return
			}
		case "portForward":
			if len(parts) == 3 && n.provider.find(parts[1], parts[2]) == nil {
				http.Error(w, fmt.Sprintf("pod %q not found", types.NamespacedName{Namespace: parts[1], Name: parts[2]}), http.StatusNotFound)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
