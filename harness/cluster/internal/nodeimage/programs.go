package nodeimage

import (
	"time"

	"rolecall/harness/cluster/internal/versions"
)

// program is one compilation: a module made for the purpose that requires one
// upstream module and builds main packages of it, or a main package of its own.
type program struct {
	name     string
	requires string   // the upstream module's path; none for pause
	version  string   // of the upstream module
	source   string   // name of the embedded main package, if there is one
	packages []string // main packages of the upstream module
	ldflags  string   // beyond those that all get
	usual    time.Duration
}

const kubernetesModule = "k8s.io/kubernetes"

// programs are compiled in this order, the longest first.
var programs = []program{
	{
		name: "controlplane", requires: kubernetesModule, version: versions.Kubernetes, source: "controlplane.go.txt",
		packages: []string{"k8s.io/kubernetes/cmd/kubeadm", "k8s.io/kubernetes/cmd/kubectl", "k8s.io/kubernetes/cmd/kubelet"},
		ldflags:  versions.KubernetesLdflags,
		usual:    6 * time.Minute,
	},
	{
		name: "containerd", requires: "github.com/containerd/containerd/v2", version: versions.Containerd,
		packages: []string{
			"github.com/containerd/containerd/v2/cmd/containerd",
			"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
			"github.com/containerd/containerd/v2/cmd/ctr",
		},
		usual: time.Minute,
	},
	{
		name: "coredns", requires: "github.com/coredns/coredns", version: versions.CoreDNS, source: "coredns.go.txt",
		usual: time.Minute,
	},
	{
		name: "etcd", requires: "go.etcd.io/etcd/server/v3", version: versions.Etcd,
		packages: []string{"go.etcd.io/etcd/server/v3"}, // the program is called server
		usual:    30 * time.Second,
	},
	{
		name: "cni", requires: "github.com/containernetworking/plugins", version: versions.CNIPlugins,
		packages: []string{
			"github.com/containernetworking/plugins/plugins/ipam/host-local",
			"github.com/containernetworking/plugins/plugins/main/loopback",
			"github.com/containernetworking/plugins/plugins/main/ptp",
			"github.com/containernetworking/plugins/plugins/meta/portmap",
		},
		usual: 10 * time.Second,
	},
	{name: "pause", source: "pause.go.txt", usual: time.Second},
}

// goMod is the module's go.mod. Kubernetes's own also gets its staging modules.
func (p program) goMod() string {
	mod := "module rolecall.build/" + p.name + "\n\ngo " + versions.Go + "\n"
	if p.requires != "" {
		mod += "\nrequire " + p.requires + " " + p.version + "\n"
	}
	return mod
}
