package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// What a resolver takes at most (k8s.io/kubernetes/pkg/apis/core/validation).
const (
	maxNameServers = 3
	maxSearches    = 32
)

// resolvConf is /etc/resolv.conf as a kubelet has it written. With the policy
// Default a pod takes over the node's own servers; this node knows none.
func resolvConf(pod *corev1.Pod, dns netip.Addr) []byte {
	var servers, searches, options []string
	if policy := pod.Spec.DNSPolicy; policy != corev1.DNSNone && policy != corev1.DNSDefault {
		servers = []string{dns.String()}
		searches = []string{pod.Namespace + ".svc." + clusterDomain, "svc." + clusterDomain, clusterDomain}
		options = []string{"ndots:5"}
	}
	if own := pod.Spec.DNSConfig; own != nil {
		servers = append(servers, own.Nameservers...)
		searches = append(searches, own.Searches...)
		for _, option := range own.Options {
			options = slices.DeleteFunc(options, func(o string) bool {
				return o == option.Name || strings.HasPrefix(o, option.Name+":")
			})
			if option.Value != nil && *option.Value != "" {
				options = append(options, option.Name+":"+*option.Value)
			} else {
				options = append(options, option.Name)
			}
		}
	}
	servers, searches = first(once(servers), maxNameServers), first(once(searches), maxSearches)

	var file strings.Builder
	if len(searches) > 0 {
		fmt.Fprintf(&file, "search %s\n", strings.Join(searches, " "))
	}
	for _, server := range servers {
		fmt.Fprintf(&file, "nameserver %s\n", server)
	}
	if len(options) > 0 {
		fmt.Fprintf(&file, "options %s\n", strings.Join(options, " "))
	}
	return []byte(file.String())
}

// once leaves out what was there before.
func once(values []string) (kept []string) {
	for _, value := range values {
		if !slices.Contains(kept, value) {
			kept = append(kept, value)
		}
	}
	return kept
}

func first(values []string, n int) []string { return values[:min(n, len(values))] }
