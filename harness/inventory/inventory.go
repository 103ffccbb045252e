// Package inventory lists every object of a cluster, so that a lab can be held
// to leaving what it found, and so that make reset knows what does not belong.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// Object names one object of a cluster. Two objects of one name are two if
// their UIDs differ.
type Object struct {
	Resource  schema.GroupVersionResource
	Namespace string // "" for cluster-scoped ones
	Name      string
	UID       string
}

func (o Object) String() string {
	id := o.Resource.GroupResource().String() + " " + o.Name
	if o.Namespace != "" {
		id += " in " + o.Namespace
	}
	return id
}

// Inventory is what a cluster holds.
type Inventory map[Object]bool

// passing are kinds that Kubernetes itself makes and forgets all the time.
var passing = map[string]bool{"events": true, "leases": true, "endpointslices": true, "endpoints": true, "certificatesigningrequests": true, "ipaddresses": true}

// Take lists every object that can be listed, but for what passes by itself.
func Take(ctx context.Context, config *rest.Config) (Inventory, error) {
	asker, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	lists, err := asker.ServerPreferredResources()
	if err != nil {
		return nil, fmt.Errorf("asking for the cluster's resources: %w; type make status", err)
	}
	found := Inventory{}
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("reading the cluster's resources: %w", err)
		}
		for _, r := range list.APIResources {
			if passing[r.Name] || !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "delete") {
				continue
			}
			resource := group.WithResource(r.Name)
			items, err := objects.Resource(resource).List(ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("listing %s: %w; type make status", r.Name, err)
			}
			for _, item := range items.Items {
				found[Object{resource, item.Namespace, item.Name, string(item.UID)}] = true
			}
		}
	}
	return found, nil
}

// Sorted are the objects in a stable order.
func (inv Inventory) Sorted() []Object {
	return slices.SortedFunc(maps.Keys(inv), func(a, b Object) int {
		if a.String() != b.String() {
			if a.String() < b.String() {
				return -1
			}
			return 1
		}
		return 0
	})
}

// Without are the objects that another inventory does not have.
func (inv Inventory) Without(other Inventory) Inventory {
	rest := Inventory{}
	for o := range inv {
		if !other[o] {
			rest[o] = true
		}
	}
	return rest
}

// Delete deletes objects, at once, and goes on after an error.
func Delete(ctx context.Context, config *rest.Config, objects []Object) error {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	var errs []error
	for _, o := range objects {
		err := client.Resource(o.Resource).Namespace(o.Namespace).Delete(ctx, o.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("deleting %s: %w", o, err))
		}
	}
	return errors.Join(errs...)
}

// Strangers are the objects that a cluster did not have when it was new. What
// Kubernetes made again under an old name is none, and its own namespaces are
// left alone.
func Strangers(baseline []Object, now Inventory) []Object {
	known := map[Object]bool{}
	for _, o := range baseline {
		known[anonymous(o)] = true
	}
	var strangers []Object
	for _, o := range now.Sorted() {
		switch o.Namespace {
		case "kube-system", "kube-public", "kube-node-lease":
			continue
		}
		if !known[anonymous(o)] {
			strangers = append(strangers, o)
		}
	}
	return strangers
}

// Lost are the objects that a cluster had when it was new and has no more.
func Lost(baseline []Object, now Inventory) []Object {
	there := map[Object]bool{}
	for o := range now {
		there[anonymous(o)] = true
	}
	var lost []Object
	for _, o := range baseline {
		switch o.Namespace {
		case "kube-system", "kube-public", "kube-node-lease":
			continue
		}
		if !there[anonymous(o)] {
			lost = append(lost, o)
		}
	}
	return lost
}

// anonymous is an object whatever its UID.
func anonymous(o Object) Object {
	o.UID = ""
	return o
}
