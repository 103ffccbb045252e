// Package versions says which version of everything a cluster is made of, and
// which Go compiles it. Programs that are compiled from a module made for the
// purpose need no more than a change here. Three modules have a file of their
// own that repeats some of these versions: go.mod, manifests/program.mod and
// embedded/_machine/machine.mod. A test names each line of theirs that differs;
// go get and go mod tidy change them.
package versions

// Go is the oldest version of Go that all the modules accept.
const Go = "1.26.0"

// Kubernetes and what runs beside it, as Go module versions.
const (
	Kubernetes = "v1.37.2" // module k8s.io/kubernetes
	Etcd       = "v3.7.3"  // module go.etcd.io/etcd/server/v3
	Containerd = "v2.4.2"  // module github.com/containerd/containerd/v2
	CNIPlugins = "v1.9.1"  // module github.com/containernetworking/plugins
	CoreDNS    = "v1.15.0" // module github.com/coredns/coredns
)

// KubernetesMajor and KubernetesMinor are the two halves of Kubernetes's
// version as its programs want them at link time.
const (
	KubernetesMajor = "1"
	KubernetesMinor = "37"
)

// KubernetesLdflags tell Kubernetes's programs their version.
const KubernetesLdflags = "-X k8s.io/component-base/version.gitVersion=" + Kubernetes +
	" -X k8s.io/component-base/version.gitMajor=" + KubernetesMajor +
	" -X k8s.io/component-base/version.gitMinor=" + KubernetesMinor +
	" -X k8s.io/component-base/version.gitTreeState=clean"

// KubernetesStaging is the version of the modules that the Kubernetes
// repository holds in its staging folder (k8s.io/api and its like).
const KubernetesStaging = "v0.37.2"

// DebianSuite is where the node's user land and the lab image come from. Its
// systemd still runs on cgroup v1 as well as v2.
const DebianSuite = "bookworm"

// Image names as `kubeadm config images list` prints them for Kubernetes. The
// node never pulls: it finds these names in its image store.
const (
	ImageAPIServer         = "registry.k8s.io/kube-apiserver:" + Kubernetes
	ImageControllerManager = "registry.k8s.io/kube-controller-manager:" + Kubernetes
	ImageScheduler         = "registry.k8s.io/kube-scheduler:" + Kubernetes
	ImageProxy             = "registry.k8s.io/kube-proxy:" + Kubernetes
	ImageCoreDNS           = "registry.k8s.io/coredns/coredns:v1.14.6"
	ImageEtcd              = "registry.k8s.io/etcd:3.7.0-0"
	ImagePause             = "registry.k8s.io/pause:3.10.2"
)

// NodePackages are the Debian packages that kind's node needs beyond what
// Debian itself calls essential: the list of kind's own Dockerfile without
// network file systems and rootless overlays, plus runc.
var NodePackages = []string{
	"bash", "ca-certificates", "conntrack", "curl", "e2fsprogs", "ethtool", "findutils",
	"iproute2", "iptables", "jq", "kmod", "libseccomp2", "mount", "nftables",
	"procps", "runc", "systemd", "util-linux",
}

// ProxyPackages are the Debian packages that the kube-proxy image needs.
var ProxyPackages = []string{"conntrack", "iptables", "kmod"}

// LabPackages are the Debian packages that the lab image is made of.
var LabPackages = []string{"busybox-static", "curl"}
