package node

import (
	"bytes"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// hostNames are a pod's host name and, if it names a subdomain, the domain it
// is known under.
func hostNames(pod *corev1.Pod) (name, domain string) {
	if override := pod.Spec.HostnameOverride; override != nil {
		return shortened(*override), ""
	}
	name = pod.Name
	if pod.Spec.Hostname != "" {
		name = pod.Spec.Hostname
	}
	if pod.Spec.Subdomain != "" {
		domain = fmt.Sprintf("%s.%s.svc.%s", pod.Spec.Subdomain, pod.Namespace, clusterDomain)
	}
	return shortened(name), domain
}

// shortened keeps a host name within what Linux allows.
func shortened(name string) string {
	const longest = 63
	if len(name) <= longest {
		return name
	}
	return strings.TrimRight(name[:longest], "-.")
}

// utsName is the name that the pod's kernel knows: setHostnameAsFQDN puts the
// domain into it.
func utsName(pod *corev1.Pod) string {
	name, domain := hostNames(pod)
	if domain != "" && pod.Spec.SetHostnameAsFQDN != nil && *pod.Spec.SetHostnameAsFQDN {
		return name + "." + domain
	}
	return name
}

// hostsFile is /etc/hosts as a kubelet writes it.
func hostsFile(pod *corev1.Pod, address string) []byte {
	var file bytes.Buffer
	file.WriteString("# Kubernetes-managed hosts file.\n" +
		"127.0.0.1\tlocalhost\n" +
		"::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::0\tip6-localnet\n" +
		"fe00::0\tip6-mcastprefix\n" +
		"fe00::1\tip6-allnodes\n" +
		"fe00::2\tip6-allrouters\n")
	if name, domain := hostNames(pod); domain != "" {
		fmt.Fprintf(&file, "%s\t%s.%s\t%s\n", address, name, domain, name)
	} else {
		fmt.Fprintf(&file, "%s\t%s\n", address, name)
	}
	if len(pod.Spec.HostAliases) > 0 {
		file.WriteString("\n# Entries added by HostAliases.\n")
	}
	for _, alias := range pod.Spec.HostAliases {
		fmt.Fprintf(&file, "%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
	}
	return file.Bytes()
}
