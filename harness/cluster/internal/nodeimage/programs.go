package nodeimage

import (
	"strings"
	"time"

	"rolecall/harness/cluster/embedded"
	"rolecall/harness/cluster/internal/versions"
)

// program is one compilation: a module made for the purpose that requires one
// upstream module and builds main packages of it, or a main package of its own.
type program struct {
	name     string
	requires string   // the upstream module's path; none for pause
	version  string   // of the upstream module; none for those that the machine requires, too
	source   string   // name of the embedded main package, if there is one
	packages []string // main packages of the upstream module
	ldflags  string   // beyond those that all get
	usual    time.Duration
}

// programs are compiled in this order, the longest first.
var programs = []program{
	{
		name: "controlplane", requires: "k8s.io/kubernetes", source: "controlplane.go.txt",
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
		name: "etcd", requires: "go.etcd.io/etcd/server/v3",
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

// goMod is the module's go.mod. What the machine requires, too, is compiled from
// the machine's versions of everything, so that they share their packages.
func (p program) goMod() string {
	mod := "module rolecall.build/" + p.name + "\n"
	switch {
	case p.requires == "":
		return mod + "\ngo " + versions.Go + "\n"
	case p.version == "":
		_, required, _ := strings.Cut(embedded.Mod(), "\n")
		return mod + required
	}
	return mod + "\ngo " + versions.Go + "\n\nrequire " + p.requires + " " + p.version + "\n"
}
