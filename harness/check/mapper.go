package check

import (
	"context"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"rolecall/harness/next"
)

// mapping is what the API server calls a kind, and its scope.
func (e *Env) mapping(ctx context.Context, kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	mapper, err := e.mapper(ctx, kind.GroupVersion())
	if err != nil {
		return nil, err
	}
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, next.Errorf("make status", "asking the API server for the kind %s: %w", kind.Kind, err)
	}
	return mapping, nil
}

// mapper knows the kinds of one group and version. The API server is asked once
// for each that a lab uses, not for all it has.
func (e *Env) mapper(ctx context.Context, version schema.GroupVersion) (meta.RESTMapper, error) {
	if known, ok := e.mappers.Load(version); ok {
		return known.(meta.RESTMapper), nil
	}
	served := discovery.ToServerResourcesInterfaceWithContext(e.Client.Discovery())
	list, err := served.ServerResourcesForGroupVersionWithContext(ctx, version.String())
	if err != nil {
		return nil, next.Errorf("make status", "asking the API server for the resources of %s: %w", version, err)
	}
	discovered := metav1.GroupVersionForDiscovery{GroupVersion: version.String(), Version: version.Version}
	mapper := restmapper.NewDiscoveryRESTMapper([]*restmapper.APIGroupResources{{
		Group:              metav1.APIGroup{Name: version.Group, Versions: []metav1.GroupVersionForDiscovery{discovered}, PreferredVersion: discovered},
		VersionedResources: map[string][]metav1.APIResource{version.Version: list.APIResources},
	}})
	e.mappers.Store(version, mapper)
	return mapper, nil
}

// discover asks for the kinds of all labs at once.
func (e *Env) discover(ctx context.Context) error {
	versions := map[schema.GroupVersion]bool{}
	for _, kind := range e.Kinds {
		versions[kind.GroupVersion()] = true
	}
	group, ctx := errgroup.WithContext(ctx)
	for version := range versions {
		group.Go(func() error {
			_, err := e.mapper(ctx, version)
			if e.Shared && apierrors.IsNotFound(err) {
				err = nil // a kind that only clusters of ours have
			}
			return err
		})
	}
	return group.Wait()
}

func namespaced(mapping *meta.RESTMapping) bool {
	return mapping.Scope.Name() == meta.RESTScopeNameNamespace
}

// resource is where objects of a kind are, in a namespace if they have one.
func (e *Env) resource(mapping *meta.RESTMapping, namespace string) dynamic.ResourceInterface {
	all := e.Dynamic.Resource(mapping.Resource)
	if namespaced(mapping) {
		return all.Namespace(namespace)
	}
	return all
}
