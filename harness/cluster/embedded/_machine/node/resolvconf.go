package node

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/kubelet/network/dns"
)

// newResolver is the kubelet's, for a node that has no name servers of its own.
func newResolver(recorder record.EventRecorderLogger, server netip.Addr) *dns.Configurer {
	return dns.NewConfigurer(recorder, nil, nil, []net.IP{server.AsSlice()}, clusterDomain, "")
}

// resolvConf is /etc/resolv.conf as a kubelet has it written.
func resolvConf(ctx context.Context, resolver *dns.Configurer, pod *corev1.Pod) ([]byte, error) {
	config, err := resolver.GetPodDNS(ctx, pod)
	if err != nil {
		return nil, err
	}
	var file strings.Builder
	if len(config.Searches) > 0 {
		fmt.Fprintf(&file, "search %s\n", strings.Join(config.Searches, " "))
	}
	for _, server := range config.Servers {
		fmt.Fprintf(&file, "nameserver %s\n", server)
	}
	if len(config.Options) > 0 {
		fmt.Fprintf(&file, "options %s\n", strings.Join(config.Options, " "))
	}
	return []byte(file.String()), nil
}
