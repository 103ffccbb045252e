package node

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// find is what there is under a name, which ends with a dot and is in lower
// case. Known is false where there is no such name at all.
func (s *nameServer) find(name string, kind uint16) (records []dns.RR, known bool) {
	if arpa, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		return s.reverse(arpa, kind)
	}
	if name == clusterDomain+"." {
		if kind == dns.TypeSOA {
			return []dns.RR{authority(name)}, true
		}
		return nil, true
	}
	inside, ok := strings.CutSuffix(name, "."+clusterDomain+".")
	if !ok {
		return nil, false
	}
	parts := strings.Split(inside, ".")
	slices.Reverse(parts)
	switch {
	case parts[0] == "pod" && len(parts) == 3: // 10-244-0-5.default.pod
		address := strings.ReplaceAll(parts[2], "-", ".")
		return one(addressRecord(address, kind)), true
	case parts[0] != "svc":
		return nil, false
	case len(parts) < 3: // a namespace, or svc itself
		return nil, len(parts) == 1 || s.hasNamespace(parts[1])
	}
	service, err := s.services.Services(parts[1]).Get(parts[2])
	if err != nil {
		return nil, false
	}
	return s.service(service, parts[3:], kind)
}

func one(record dns.RR) []dns.RR {
	if record == nil {
		return nil
	}
	return []dns.RR{record}
}

func (s *nameServer) hasNamespace(namespace string) bool {
	found, err := s.services.Services(namespace).List(labels.Everything())
	return err == nil && len(found) > 0
}

// service answers for a service's own name, or for what precedes it: a
// pod's host name, or _port._protocol. Those come in reverse.
func (s *nameServer) service(service *corev1.Service, before []string, kind uint16) ([]dns.RR, bool) {
	name := fmt.Sprintf("%s.%s.svc.%s.", service.Name, service.Namespace, clusterDomain)
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		if len(before) > 0 {
			return nil, false
		}
		return []dns.RR{&dns.CNAME{Hdr: header(dns.TypeCNAME), Target: dns.Fqdn(service.Spec.ExternalName)}}, true
	}
	headless := service.Spec.ClusterIP == corev1.ClusterIPNone
	switch {
	case len(before) == 0 && !headless:
		var records []dns.RR
		for _, address := range service.Spec.ClusterIPs {
			records = append(records, one(addressRecord(address, kind))...)
		}
		return records, true
	case len(before) == 0:
		records, any := s.endpoints(service, "", kind)
		return records, any
	case len(before) == 1 && headless:
		return s.endpoints(service, before[0], kind)
	case len(before) == 2 && strings.HasPrefix(before[0], "_") && strings.HasPrefix(before[1], "_"):
		return ports(service, name, before[1][1:], before[0][1:], kind)
	}
	return nil, false
}

// endpoints are the addresses of a headless service's pods, or of the one with
// that host name.
func (s *nameServer) endpoints(service *corev1.Service, host string, kind uint16) (records []dns.RR, known bool) {
	for _, slice := range s.slicesOf(service) {
		for _, endpoint := range slice.Endpoints {
			ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
			if !ready && !service.Spec.PublishNotReadyAddresses {
				continue
			}
			for _, address := range endpoint.Addresses {
				named := strings.ReplaceAll(address, ".", "-")
				if endpoint.Hostname != nil {
					named = *endpoint.Hostname
				}
				if host == "" || host == named {
					known = true
					records = append(records, one(addressRecord(address, kind))...)
				}
			}
		}
	}
	return records, known
}

// slicesOf are the slices of a service's endpoints.
func (s *nameServer) slicesOf(service *corev1.Service) []*discoveryv1.EndpointSlice {
	// No error comes of a cache.
	found, _ := s.slices.EndpointSlices(service.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name}))
	return found
}

// ports are the SRV records of a service's named ports.
func ports(service *corev1.Service, name, port, protocol string, kind uint16) (records []dns.RR, known bool) {
	for _, p := range service.Spec.Ports {
		if p.Name != port || !strings.EqualFold(string(p.Protocol), protocol) {
			continue
		}
		known = true
		if kind == dns.TypeSRV {
			records = append(records, &dns.SRV{Hdr: header(dns.TypeSRV), Priority: 0, Weight: 100, Port: uint16(p.Port), Target: name})
		}
	}
	return records, known
}

// reverse names the service with a ClusterIP.
func (s *nameServer) reverse(arpa string, kind uint16) ([]dns.RR, bool) {
	parts := strings.Split(arpa, ".")
	slices.Reverse(parts)
	address := strings.Join(parts, ".")
	all, err := s.services.List(labels.Everything())
	if err != nil {
		return nil, false
	}
	for _, service := range all {
		if !slices.Contains(service.Spec.ClusterIPs, address) {
			continue
		}
		if kind != dns.TypePTR {
			return nil, true
		}
		return []dns.RR{&dns.PTR{Hdr: header(dns.TypePTR), Ptr: fmt.Sprintf("%s.%s.svc.%s.", service.Name, service.Namespace, clusterDomain)}}, true
	}
	return nil, false
}
