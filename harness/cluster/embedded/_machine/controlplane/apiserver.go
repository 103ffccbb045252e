package controlplane

import (
	"context"
	"fmt"
	"path/filepath"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	rbac "k8s.io/kubernetes/pkg/registry/rbac/rest"
	scheduling "k8s.io/kubernetes/pkg/registry/scheduling/rest"

	"github.com/spf13/pflag"
)

// apiServer is the running kube-apiserver.
type apiServer struct {
	// loopback is its own client, the user system:apiserver.
	loopback *rest.Config
	run      func(context.Context) error
}

// newAPIServer makes the API server behind front. It serves once run is called.
func newAPIServer(ctx context.Context, c Config, p *pki, front *Front, pods *podNetwork, etcd string) (*apiServer, error) {
	options := options.NewServerRunOptions()
	if err := parse(options.Flags(), apiServerFlags(c, p, etcd)); err != nil {
		return nil, fmt.Errorf("setting kube-apiserver's flags: %w", err)
	}
	if err := options.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, fmt.Errorf("setting feature gates: %w", err)
	}
	options.SecureServing.Listener = front
	// No flag says so: a token of what is deleted is to end with it, and not up to 10 s later.
	options.Authentication.TokenSuccessCacheTTL = 0
	completed, err := options.Complete(ctx)
	if err != nil {
		return nil, fmt.Errorf("completing kube-apiserver's options: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, fmt.Errorf("checking kube-apiserver's options: %w", utilerrors.NewAggregate(errs))
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, fmt.Errorf("configuring kube-apiserver: %w", err)
	}
	reached("kube-apiserver configured")
	// What these make is in the database by then: see seed.
	config.KubeAPIs.ControlPlane.Generic.DisabledPostStartHooks.Insert(rbac.PostStartHookName, scheduling.PostStartHookName)
	config.KubeAPIs.ControlPlane.ProxyTransport.DialContext = pods.dial // webhooks and aggregation have the same transport
	completedConfig, err := config.Complete()
	if err != nil {
		return nil, fmt.Errorf("completing kube-apiserver's configuration: %w", err)
	}
	server, err := app.CreateServerChain(completedConfig)
	if err != nil {
		return nil, fmt.Errorf("making kube-apiserver: %w", err)
	}
	reached("kube-apiserver made")
	prepared, err := server.PrepareRun()
	if err != nil {
		return nil, fmt.Errorf("preparing kube-apiserver: %w", err)
	}
	reached("kube-apiserver prepared")
	return &apiServer{loopback: server.GenericAPIServer.LoopbackClientConfig, run: prepared.Run}, nil
}

// apiServerFlags are those that kubeadm gives, as far as they matter on one
// machine without a network.
func apiServerFlags(c Config, p *pki, etcd string) []string {
	flags := []string{
		"--etcd-servers=" + etcd,
		"--advertise-address=" + c.advertised().String(), // what every pod reaches
		"--service-cluster-ip-range=" + c.services().String(),
		"--tls-cert-file=" + p.file("apiserver.crt"),
		"--tls-private-key-file=" + p.file("apiserver.key"),
		"--client-ca-file=" + p.file("ca.crt"),

		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",

		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file=" + p.file("sa.key"),
		"--service-account-key-file=" + p.file("sa.pub"),

		"--kubelet-client-certificate=" + p.file("kubelet-client.crt"),
		"--kubelet-client-key=" + p.file("kubelet-client.key"),
		"--kubelet-certificate-authority=" + p.file("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",

		"--requestheader-client-ca-file=" + p.file("front-proxy-ca.crt"),
		"--requestheader-allowed-names=" + userFrontProxy,
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + p.file("front-proxy-client.crt"),
		"--proxy-client-key-file=" + p.file("front-proxy-client.key"),

		"--audit-policy-file=" + c.AuditPolicy,
		"--audit-log-path=" + filepath.Join(c.Dir, "audit.log"),
		// An event is in the file before its response is sent, and a request whose event is lost fails.
		"--audit-log-mode=blocking-strict",
		"--audit-log-maxsize=100",
		"--audit-log-maxbackup=1",

		"--watch-cache=false", // it remembers what Forget is to forget
	}
	if c.Authentication != "" {
		flags = append(flags, "--authentication-config="+c.Authentication)
	}
	if c.Localhost != "" {
		flags = append(flags, "--tls-sni-cert-key="+c.Localhost+":localhost")
	}
	return flags
}

// parse sets options by the flags that their command would be given.
func parse(sets cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		all.AddFlagSet(set)
	}
	return all.Parse(args)
}
