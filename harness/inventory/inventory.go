// Package inventory lists every object of a cluster, so that a lab can be held
// to leaving what it found, and so that make reset knows what to delete.
package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"rolecall/harness/next"
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

// Removal is the command that deletes the object and no other.
func (o Object) Removal() string {
	command := "kubectl delete " + o.Resource.GroupResource().String() + " " + o.Name
	if o.Namespace != "" {
		command += " --namespace " + o.Namespace
	}
	return command
}

// State is how an object is, and what holds it in a cluster.
type State struct {
	Version    string // another one at each change (resourceVersion)
	Deleting   bool   // it was deleted, and stays until its finalizers are gone
	Finalizers []string
}

// Inventory is what a cluster holds.
type Inventory map[Object]State

// Take lists every object that can be listed, but for what Kubernetes itself
// creates and deletes all the time.
func Take(ctx context.Context, config *rest.Config) (Inventory, error) {
	c, err := connect(config)
	if err != nil {
		return nil, err
	}
	all, err := c.take(ctx)
	if err != nil {
		return nil, err
	}
	return all, nil
}

// client is what it takes to list and delete any object.
type client struct {
	resources interface {
		ServerPreferredResources() ([]*metav1.APIResourceList, error)
	}
	objects metadata.Interface
}

func connect(config *rest.Config) (client, error) {
	config = rest.CopyConfig(config)
	config.WarningHandler = rest.NoWarnings{} // about kinds that are old: all are asked for
	resources, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return client{}, fmt.Errorf("connecting to the cluster: %w", err)
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return client{}, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return client{resources, objects}, nil
}

// take also returns what it found where an API that somebody added does not
// answer, with the error.
func (c client) take(ctx context.Context) (Inventory, error) {
	lists, incomplete := c.resources.ServerPreferredResources()
	partly := discovery.IsGroupDiscoveryFailedError(incomplete)
	if incomplete != nil {
		incomplete = next.Errorf("make status", "asking for the cluster's resources: %w", incomplete)
		if !partly {
			return nil, incomplete
		}
	}
	found := Inventory{}
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("reading the cluster's resources: %w", err)
		}
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "delete") {
				continue
			}
			resource := group.WithResource(r.Name)
			if slices.Contains(fleeting, resource.GroupResource().String()) {
				continue
			}
			items, err := c.objects.Resource(resource).List(ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue
			}
			if err != nil {
				return nil, next.Errorf("make status", "listing %s: %w", r.Name, err)
			}
			for _, item := range items.Items {
				if !passing(resource.GroupResource(), item) {
					found[Object{resource, item.Namespace, item.Name, string(item.UID)}] = State{item.ResourceVersion, item.DeletionTimestamp != nil, item.Finalizers}
				}
			}
		}
	}
	return found, incomplete
}

// system are Kubernetes's own namespaces.
var system = []string{metav1.NamespaceSystem, metav1.NamespacePublic, "kube-node-lease"}

// fleeting are kinds whose objects, thousands of them, Kubernetes deletes within
// the hour.
var fleeting = []string{"events", "events.events.k8s.io"}

// passing reports whether Kubernetes made an object for itself and will delete
// it by itself. Of the same kinds, what somebody else made stays.
func passing(of schema.GroupResource, item metav1.PartialObjectMetadata) bool {
	switch of.String() {
	case "leases.coordination.k8s.io":
		return slices.Contains(system, item.Namespace)
	case "endpoints": // each has the name of its service, and goes with it
		return item.Labels["endpoints.kubernetes.io/managed-by"] != ""
	case "endpointslices.discovery.k8s.io":
		return item.Labels[discoveryv1.LabelManagedBy] != ""
	case "ipaddresses.networking.k8s.io":
		return item.Labels[networkingv1.LabelManagedBy] != ""
	case "certificatesigningrequests.certificates.k8s.io":
		return slices.ContainsFunc(item.ManagedFields, func(f metav1.ManagedFieldsEntry) bool { return f.Manager == "kubelet" })
	}
	return false
}

// Sorted are the objects in a stable order.
func (inv Inventory) Sorted() []Object {
	return sorted(slices.Collect(maps.Keys(inv)))
}

func sorted(objects []Object) []Object {
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.String(), b.String()) })
	return objects
}

// Without are the objects that another inventory does not have.
func (inv Inventory) Without(other Inventory) Inventory {
	rest := Inventory{}
	for o, state := range inv {
		if _, there := other[o]; !there {
			rest[o] = state
		}
	}
	return rest
}

// Extra are the objects that a cluster did not have when it was new, and those
// that are being deleted. What Kubernetes created again under an old name is
// none. In Kubernetes's own namespaces, where it works all the time, only what
// gives access counts.
func Extra(baseline []Object, now Inventory) []Object {
	known := map[Object]bool{}
	for _, o := range baseline {
		known[anonymous(o)] = true
	}
	return slices.DeleteFunc(now.Sorted(), func(o Object) bool {
		return ignored(o) || known[anonymous(o)] && !now[o].Deleting
	})
}

// Lost are the objects that a cluster had when it was new and no longer has, in
// a stable order.
func Lost(baseline []Object, now Inventory) []Object {
	there := map[Object]bool{}
	for o := range now {
		there[anonymous(o)] = true
	}
	return sorted(slices.DeleteFunc(slices.Clone(baseline), func(o Object) bool { return ignored(o) || there[anonymous(o)] }))
}

// Altered are the objects that a cluster had when it was new and that are not
// exactly as they were: gone, there again, or changed. Nodes change by
// themselves all the time; they only must be the same. versions are those of the
// baseline's objects.
func Altered(versions map[Object]string, now Inventory) []Object {
	var altered []Object
	for o, version := range versions {
		state, there := now[o]
		same := there && !state.Deleting && (state.Version == version || o.Resource.Resource == "nodes")
		if !ignored(o) && !same {
			altered = append(altered, o)
		}
	}
	return sorted(altered)
}

func ignored(o Object) bool {
	return slices.Contains(system, o.Namespace) && o.Resource.Group != "rbac.authorization.k8s.io"
}

// anonymous is an object whatever its UID, and whatever version of its kind
// the server prefers.
func anonymous(o Object) Object {
	o.UID, o.Resource.Version = "", ""
	return o
}
