package node

import (
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/klog/v2"
)

// nameServer answers for cluster.local what the cluster's services are, as
// CoreDNS does (github.com/kubernetes/dns, docs/specification.md). It knows no
// other names: a pod reaches nothing else.
type nameServer struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

func newNameServer(objects informers.SharedInformerFactory) *nameServer {
	return &nameServer{
		services: objects.Core().V1().Services().Lister(),
		slices:   objects.Discovery().V1().EndpointSlices().Lister(),
	}
}

// recordLife is how long an answer may be kept, in seconds; CoreDNS's default.
const recordLife = 30

// queriesOfPod is how many connections one pod may have to the name server at a
// time, so that none can use up the process's file descriptors. Those that ask
// nothing are closed after two seconds.
const queriesOfPod = 16

// serve answers on a pod's sockets until they are closed.
func (s *nameServer) serve(packets net.PacketConn, streams net.Listener) {
	for _, server := range []*dns.Server{
		{PacketConn: packets, Handler: s},
		{Listener: netutil.LimitListener(streams, queriesOfPod), Handler: s},
	} {
		go func() {
			if err := server.ActivateAndServe(); err != nil {
				klog.V(2).InfoS("A pod's name server has ended", "err", err)
			}
		}()
	}
}

// ServeDNS answers one request.
func (s *nameServer) ServeDNS(w dns.ResponseWriter, request *dns.Msg) {
	_ = w.WriteMsg(s.answer(request, w.LocalAddr().Network() == "udp"))
}

func (s *nameServer) answer(request *dns.Msg, udp bool) *dns.Msg {
	answer := new(dns.Msg)
	answer.SetReply(request)
	answer.RecursionAvailable = true
	if len(request.Question) != 1 || request.Opcode != dns.OpcodeQuery || request.Question[0].Qclass != dns.ClassINET {
		answer.Rcode = dns.RcodeNotImplemented
		return answer
	}
	question := request.Question[0]
	name := strings.ToLower(question.Name)
	zone := clusterDomain + "."
	inZone := name == zone || strings.HasSuffix(name, "."+zone)
	answer.Authoritative = inZone
	records, known := s.find(name, question.Qtype)
	for _, record := range records {
		record.Header().Name = question.Name
		answer.Answer = append(answer.Answer, record)
	}
	if !known {
		answer.Rcode = dns.RcodeNameError
	}
	if len(records) == 0 {
		answer.Ns = []dns.RR{authority(zone)}
	}
	limit := dns.MaxMsgSize
	if udp {
		limit = dns.MinMsgSize
	}
	if extended := request.IsEdns0(); extended != nil {
		answer.SetEdns0(extended.UDPSize(), false)
		if udp {
			limit = max(limit, int(extended.UDPSize()))
		}
	}
	answer.Truncate(limit)
	return answer
}

func authority(zone string) dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: recordLife},
		Ns:  "ns.dns." + zone, Mbox: "hostmaster." + zone,
		Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: recordLife,
	}
}

func header(kind uint16) dns.RR_Header {
	return dns.RR_Header{Rrtype: kind, Class: dns.ClassINET, Ttl: recordLife}
}

// addressRecord is an A or AAAA record, or nil where the address is of the
// other family.
func addressRecord(address string, kind uint16) dns.RR {
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return nil
	case ip.Is4() && kind == dns.TypeA:
		return &dns.A{Hdr: header(kind), A: ip.AsSlice()}
	case ip.Is6() && kind == dns.TypeAAAA:
		return &dns.AAAA{Hdr: header(kind), AAAA: ip.AsSlice()}
	}
	return nil
}
