package node

import (
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"

	"net/netip"
)

func TestHostsFile(t *testing.T) {
	pod := labPod(func(p *corev1.Pod) {
		p.Spec.Subdomain = "labs"
		p.Spec.HostAliases = []corev1.HostAlias{{IP: "127.0.0.1", Hostnames: []string{"kubernetes.default.svc", "other"}}}
	})
	require.Equal(t, "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"+
		"fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"+
		"10.244.0.2\trolecall.labs.default.svc.cluster.local\trolecall\n"+
		"\n# Entries added by HostAliases.\n127.0.0.1\tkubernetes.default.svc\tother\n",
		string(hostsFile(pod, "10.244.0.2")))
}

func TestResolvConf(t *testing.T) {
	events := record.NewFakeRecorder(10)
	resolver := newResolver(events, netip.MustParseAddr("10.96.0.10"))
	written := func(pod *corev1.Pod) string {
		file, err := resolvConf(t.Context(), resolver, pod)
		require.NoError(t, err)
		return string(file)
	}
	require.Equal(t, "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
		written(labPod()))
	none := labPod(func(p *corev1.Pod) {
		p.Spec.DNSPolicy = corev1.DNSNone
		p.Spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"127.0.0.1"}}
	})
	require.Equal(t, "nameserver 127.0.0.1\n", written(none))
	more := labPod(func(p *corev1.Pod) {
		p.Spec.DNSConfig = &corev1.PodDNSConfig{Searches: []string{"example.com"}, Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: new("2")}}}
	})
	require.Equal(t, "search default.svc.cluster.local svc.cluster.local cluster.local example.com\nnameserver 10.96.0.10\noptions ndots:2\n",
		written(more))
	require.Equal(t, "search .\nnameserver 127.0.0.1\n", written(labPod(func(p *corev1.Pod) { p.Spec.DNSPolicy = corev1.DNSDefault })), "as of a kubelet whose node has no name servers")
	written(labPod(func(p *corev1.Pod) {
		p.Spec.DNSPolicy = corev1.DNSNone
		p.Spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}}
	}))
	require.Contains(t, <-events.Events, "DNSConfigForming")
}

func TestBackOff(t *testing.T) {
	now := clocktesting.NewFakeClock(time.Unix(1000, 0))
	b := newBackOff(now)
	for _, delay := range []time.Duration{0, 10, 20, 40, 80, 160, 300, 300} {
		ended := now.Now()
		require.Equal(t, delay > 0, b.IsInBackOffSince(backOffID, ended))
		require.Equal(t, delay*time.Second, b.Get(backOffID))
		now.Step(delay * time.Second)
		require.False(t, b.IsInBackOffSince(backOffID, ended))
		b.Next(backOffID, ended)
	}
	now.Step(11 * time.Minute)
	require.False(t, b.IsInBackOffSince(backOffID, now.Now()), "a container that ran for long starts over")
}

func TestEnvironment(t *testing.T) {
	e := environment{pod: labPod(), address: "10.244.0.2", services: map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1"}}
	c := &corev1.Container{Env: []corev1.EnvVar{
		{Name: "NAME", Value: "world"}, {Name: "GREETING", Value: "hello $(NAME) $$(NAME) $(NOBODY) $(KUBERNETES_SERVICE_HOST)"},
		{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "status.podIP"}}},
		{Name: "CPU", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "requests.cpu"}}},
	}}
	variables, err := e.variables(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"KUBERNETES_SERVICE_HOST": "10.96.0.1", "NAME": "world", "IP": "10.244.0.2", "CPU": "0",
		"GREETING": "hello world $(NAME) $(NOBODY) 10.96.0.1",
	}, variables)
	require.Equal(t, []string{"a", "b"}, commandLine(&corev1.Container{Args: []string{"b"}}, v1.Config{Entrypoint: []string{"a"}, Cmd: []string{"c"}}, nil))
	require.Equal(t, []string{"a", "c"}, commandLine(&corev1.Container{}, v1.Config{Entrypoint: []string{"a"}, Cmd: []string{"c"}}, nil))
	require.Equal(t, []string{"world"}, commandLine(&corev1.Container{Command: []string{"$(NAME)"}}, v1.Config{Cmd: []string{"c"}}, listed(variables)))
}

func TestCapabilities(t *testing.T) {
	require.Equal(t, defaultCapabilities, capabilities(nil))
	require.Empty(t, capabilities(&corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}))
	require.Equal(t, []string{"NET_BIND_SERVICE"}, capabilities(&corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_BIND_SERVICE"}}))
}

func TestUsers(t *testing.T) {
	a := accounts{passwd: []byte("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"), group: []byte("wheel:x:10:root,nobody\n")}
	id, numeric, err := a.user("nobody")
	require.NoError(t, err)
	require.False(t, numeric)
	require.Equal(t, identity{65534, 65534, []int64{10}, "/"}, id)
	id, numeric, err = a.user("1000:20")
	require.NoError(t, err)
	require.True(t, numeric)
	require.Equal(t, identity{1000, 20, nil, "/"}, id)
}

func TestHomes(t *testing.T) {
	image := accounts{passwd: []byte("root:x:0:0::/root:/bin/sh\nshort:x:5:5\nuser:x:1000:1000::/home/user:/bin/sh\n")}
	for user, home := range map[int64]string{0: "/root", 5: "/", 1000: "/home/user", 7: "/"} {
		require.Equal(t, home, image.byID(user).home)
	}
	require.Contains(t, assignments(nil, nil, "/root", "pod", false), "HOME=/root")
	require.Contains(t, assignments([]string{"HOME=/srv"}, nil, "/root", "pod", false), "HOME=/srv")
}

func TestOnlyEmptyVolumesAreWritable(t *testing.T) {
	pod := labPod(func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{
			{Name: "empty", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}},
			{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}}},
			{Name: "pod", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}}},
			{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}},
		}
		for _, volume := range p.Spec.Volumes {
			p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: volume.Name, MountPath: "/" + volume.Name})
		}
	})
	mounts, err := mountsOf(pod, &pod.Spec.Containers[0], nil)
	require.NoError(t, err)
	for _, mount := range mounts {
		require.Equal(t, mount.Volume != "empty", mount.ReadOnly, mount.Volume)
	}
}
