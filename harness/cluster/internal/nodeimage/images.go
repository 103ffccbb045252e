package nodeimage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"rolecall/harness/cluster/internal/debian"
	"rolecall/harness/cluster/internal/image"
	"rolecall/harness/cluster/internal/versions"
)

// controlPlaneImage is one of the images that kubeadm's manifests name.
type controlPlaneImage struct {
	ref        string
	layers     []string // names of layers, lowest first
	entrypoint []string
}

var controlPlaneImages = []controlPlaneImage{
	{versions.ImageAPIServer, []string{"controlplane"}, nil},
	{versions.ImageControllerManager, []string{"controlplane"}, nil},
	{versions.ImageScheduler, []string{"controlplane"}, nil},
	{versions.ImageProxy, []string{"controlplane", "iptables"}, nil},
	{versions.ImageEtcd, []string{"etcd"}, nil},
	{versions.ImageCoreDNS, []string{"coredns"}, []string{"/coredns"}},
	{versions.ImagePause, []string{"pause"}, []string{"/pause"}},
}

// programNames are the names that the controlplane program goes by.
var programNames = []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"}

// images writes the archive of all images that a node needs and returns its
// path.
func (b *build) images(ctx context.Context, programs programFolders) (_ string, err error) {
	tables, err := b.iptables(ctx)
	if err != nil {
		return "", err
	}
	task := b.progress.Begin("composing the control plane's images", 5*time.Second)
	defer func() { task.End(err) }()

	layers, err := b.layers(map[string]func(*image.Tree) error{
		"controlplane": func(t *image.Tree) error {
			for _, name := range programNames {
				if err := t.Link("usr/local/bin/"+name, "controlplane"); err != nil {
					return err
				}
			}
			return t.FromDisk("usr/local/bin/controlplane", 0o755, programs.path("controlplane", "controlplane"))
		},
		"etcd": func(t *image.Tree) error {
			return t.FromDisk("usr/local/bin/etcd", 0o755, programs.path("etcd", "server"))
		},
		"coredns": func(t *image.Tree) error {
			return t.FromDisk("coredns", 0o755, programs.path("coredns", "coredns"))
		},
		"pause": func(t *image.Tree) error {
			return t.FromDisk("pause", 0o755, programs.path("pause", "pause"))
		},
		"iptables": tables,
	})
	if err != nil {
		return "", err
	}

	var images []image.Image
	for _, i := range controlPlaneImages {
		made := image.Image{Ref: i.ref, Arch: b.arch, Config: image.Config{
			Entrypoint: i.entrypoint,
			Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		}}
		for _, l := range i.layers {
			made.Layers = append(made.Layers, layers[l])
		}
		images = append(images, made)
	}
	file := filepath.Join(b.temp, "images.tar")
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := image.Write(f, images...); err != nil {
		return "", err
	}
	return file, f.Close()
}

// layers writes each layer to a file.
func (b *build) layers(fill map[string]func(*image.Tree) error) (map[string]*image.Layer, error) {
	layers := map[string]*image.Layer{}
	for name, fill := range fill {
		file := filepath.Join(b.temp, "layer-"+name+".tar")
		if err := writeTree(file, fill); err != nil {
			return nil, fmt.Errorf("writing the layer %s: %w", name, err)
		}
		layer, err := image.FileLayer(file)
		if err != nil {
			return nil, err
		}
		layers[name] = layer
	}
	return layers, nil
}

// iptables returns what kube-proxy runs besides itself: iptables in its
// nftables form, and only the libraries that it needs.
func (b *build) iptables(ctx context.Context) (func(*image.Tree) error, error) {
	pkgs, err := b.archive.Resolve(slices.Concat(versions.ProxyPackages, []string{debian.UsrIsMerged})...)
	if err != nil {
		return nil, err
	}
	debs, err := b.archive.Fetch(ctx, pkgs, b.progress)
	if err != nil {
		return nil, err
	}
	tree, err := debian.Unpack(b.arch, debs)
	if err != nil {
		return nil, err
	}
	names := []string{"usr/sbin/xtables-nft-multi", "usr/sbin/conntrack", "usr/sbin/modprobe"}
	names = append(names, tree.Below("usr/lib/"+debian.Triplet(b.arch)+"/xtables")...) // extensions, which it opens by name
	names, err = tree.Needs(names...)
	if err != nil {
		return nil, err
	}

	return func(t *image.Tree) error {
		for _, link := range debian.MergedLinks {
			if err := t.Dir("usr/"+link, 0o755); err != nil {
				return err
			}
			if err := t.Link(link, "usr/"+link); err != nil {
				return err
			}
		}
		for _, family := range []string{"iptables", "ip6tables"} {
			for _, verb := range []string{"", "-save", "-restore"} {
				if err := t.Link("usr/sbin/"+family+verb, "xtables-nft-multi"); err != nil {
					return err
				}
			}
		}
		if err := t.Dir("run", 0o755); err != nil { // for iptables's lock
			return err
		}
		return addAll(t, tree, names)
	}, nil
}

// addAll copies files of a package tree.
func addAll(t *image.Tree, from *debian.Tree, names []string) error {
	for _, name := range names {
		e := from.Entry(name)
		if e == nil {
			return fmt.Errorf("the packages do not have %s", name)
		}
		if err := t.Entry(e.Plain()); err != nil {
			return err
		}
	}
	return nil
}
