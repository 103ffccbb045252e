package node

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
)

func TestNameServer(t *testing.T) {
	service := func(name, ip string) *corev1.Service {
		return &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec:       corev1.ServiceSpec{ClusterIP: ip, ClusterIPs: []string{ip}, Ports: []corev1.ServicePort{{Name: "https", Port: 443, Protocol: "TCP"}}},
		}
	}
	client := fake.NewClientset(service("kubernetes", "10.96.0.1"), service("headless", corev1.ClusterIPNone),
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "headless-1", Labels: map[string]string{discoveryv1.LabelServiceName: "headless"}},
			Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.7"}, Hostname: new("web-0")}},
		})
	factory := informers.NewSharedInformerFactory(client, 0)
	server := newNameServer(factory)
	factory.Start(t.Context().Done())
	factory.WaitForCacheSync(t.Context().Done())

	for name, test := range map[string]struct {
		kind uint16
		code int
		says string
	}{
		"kubernetes.default.svc.cluster.local.":                           {dns.TypeA, dns.RcodeSuccess, "10.96.0.1"},
		"Kubernetes.Default.svc.cluster.local.":                           {dns.TypeA, dns.RcodeSuccess, "10.96.0.1"},
		"headless.default.svc.cluster.local.":                             {dns.TypeA, dns.RcodeSuccess, "10.244.0.7"},
		"web-0.headless.default.svc.cluster.local.":                       {dns.TypeA, dns.RcodeSuccess, "10.244.0.7"},
		"web-1.headless.default.svc.cluster.local.":                       {dns.TypeA, dns.RcodeNameError, ""},
		"_https._tcp.kubernetes.default.svc.cluster.local.":               {dns.TypeSRV, dns.RcodeSuccess, "443 kubernetes.default.svc.cluster.local."},
		"kubernetes.default.svc.cluster.local.default.svc.cluster.local.": {dns.TypeA, dns.RcodeNameError, ""},
		"kubernets.default.svc.cluster.local.":                            {dns.TypeA, dns.RcodeNameError, ""},
		"1.0.96.10.in-addr.arpa.":                                         {dns.TypePTR, dns.RcodeSuccess, "kubernetes.default.svc.cluster.local."},
		"10-244-0-9.default.pod.cluster.local.":                           {dns.TypeA, dns.RcodeSuccess, "10.244.0.9"},
		"example.com.":                                                    {dns.TypeA, dns.RcodeNameError, ""},
	} {
		answer := server.answer(new(dns.Msg).SetQuestion(name, test.kind), true)
		require.Equal(t, test.code, answer.Rcode, name)
		if test.says == "" {
			require.Empty(t, answer.Answer, name)
			continue
		}
		require.Len(t, answer.Answer, 1, name)
		require.Contains(t, answer.Answer[0].String(), test.says)
	}
	none := server.answer(new(dns.Msg).SetQuestion("kubernetes.default.svc.cluster.local.", dns.TypeAAAA), true)
	require.Equal(t, dns.RcodeSuccess, none.Rcode)
	require.Empty(t, none.Answer)
}

// TestNameServerConnections opens more than one pod may have.
func TestNameServerConnections(t *testing.T) {
	streams, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer streams.Close()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer packets.Close()
	newNameServer(informers.NewSharedInformerFactory(fake.NewClientset(), 0)).serve(packets, streams)
	dial := func() *dns.Conn {
		conn, err := net.Dial("tcp", streams.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return &dns.Conn{Conn: conn}
	}
	answered := func(conn *dns.Conn, within time.Duration) error {
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, err := conn.ReadMsg()
		return err
	}
	query := new(dns.Msg).SetQuestion("example.com.", dns.TypeA)
	var open []*dns.Conn
	for range queriesOfPod {
		conn := dial()
		require.NoError(t, conn.WriteMsg(query))
		require.NoError(t, answered(conn, 5*time.Second))
		open = append(open, conn)
	}
	further := dial()
	require.NoError(t, further.WriteMsg(query))
	require.ErrorIs(t, answered(further, 100*time.Millisecond), os.ErrDeadlineExceeded)
	require.NoError(t, open[0].Close())
	require.NoError(t, answered(further, 5*time.Second))
}
