// Package scene sets a course's scene in a cluster, namespaces and the objects
// in them, and waits until a lab can start there.
package scene

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"rolecall/harness/cluster"
	"rolecall/harness/next"
	"rolecall/manifests"
)

const (
	readyLimit   = 3 * time.Minute  // for a new cluster's controllers, DNS and proxy
	refusalLimit = 10 * time.Second // for a new cluster's admission: a refusal that lasts is an answer
	answerLimit  = 3 * time.Second  // for the question whether a cluster is alive
)

// Set creates the scene, or repairs it, and waits for what Kubernetes adds to a
// namespace by itself: the default service account and the CA certificate.
func Set(ctx context.Context, config *rest.Config, objects string, names cluster.Namespaces) error {
	filled, err := fill(objects, names.ByRole())
	if err != nil {
		return err
	}
	if err := apply(ctx, config, filled); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	for _, ns := range names.Names() {
		err := until(ctx, func(ctx context.Context) error {
			if _, err := client.CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{}); err != nil {
				return err
			}
			_, err := client.CoreV1().ConfigMaps(ns).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
			return err
		})
		if err != nil {
			return next.Errorf("make status", "waiting for the default service account of %s: %w", ns, err)
		}
	}
	return nil
}

// AwaitKind waits until a CustomResourceDefinition is served, after which it does
// not change any more.
func AwaitKind(ctx context.Context, config *rest.Config, name string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	err = until(ctx, func(ctx context.Context) error {
		definition, err := definitions.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")
		for _, condition := range conditions {
			if c, _ := condition.(map[string]any); c["type"] == "Established" && c["status"] == "True" {
				return nil
			}
		}
		return errors.New("it is not served yet")
	})
	if err != nil {
		return next.Errorf("make status", "waiting for %s: %w", name, err)
	}
	return nil
}

// Remove deletes a scene from a cluster that is not ours: its namespaces, with
// what is in them. It waits until they are gone.
func Remove(ctx context.Context, config *rest.Config, names cluster.Namespaces) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	for _, ns := range names.Names() {
		if err := client.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return next.Errorf("kubectl delete namespace "+ns, "deleting the namespace %s: %w", ns, err)
		}
	}
	for _, ns := range names.Names() {
		err := until(ctx, func(ctx context.Context) error {
			_, err := client.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
			switch {
			case apierrors.IsNotFound(err):
				return nil
			case err == nil:
				return errors.New("it is still being deleted")
			}
			return err
		})
		if err != nil {
			return next.Errorf("kubectl get namespace "+ns+" -o yaml", "waiting for the namespace %s to be gone: %w", ns, err)
		}
	}
	return nil
}

// Alive asks the API server whether it is ready. The certificate in a private
// kubeconfig makes sure that it is our cluster that answers.
func Alive(ctx context.Context, config *rest.Config) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// AwaitCalls returns when a call from inside a pod gets through to the API
// server by its name.
func AwaitCalls(ctx context.Context, config *rest.Config, namespace, image string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	pods := client.CoreV1().Pods(namespace)
	probe, err := fill(manifests.Probe, map[string]string{"Namespace": namespace, "Image": image})
	if err != nil {
		return err
	}
	if err := apply(ctx, config, probe); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = pods.Delete(ctx, "probe", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}) // the wait says whether it failed
	}()
	err = until(ctx, func(ctx context.Context) error {
		pod, err := pods.Get(ctx, "probe", metav1.GetOptions{})
		switch {
		case err != nil:
			return err
		case pod.Status.Phase != corev1.PodSucceeded:
			return fmt.Errorf("the probe pod is %s", pod.Status.Phase)
		}
		return nil
	})
	if err != nil {
		return next.Errorf("make down, then make up", "waiting for calls from a pod to reach the API server: %w", err)
	}
	return nil
}

// until retries until it returns nil, and returns its last error otherwise.
func until(ctx context.Context, try func(context.Context) error) error {
	began := time.Now()
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, readyLimit, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		if apierrors.IsForbidden(last) && time.Since(began) > refusalLimit {
			return false, last
		}
		return last == nil, nil
	})
	if wait.Interrupted(err) && last != nil && ctx.Err() == nil {
		return fmt.Errorf("not after %s: %w", readyLimit, last)
	}
	return err
}

// fill fills in one of our manifests.
func fill(text string, values map[string]string) (string, error) {
	filled := &strings.Builder{}
	parsed, err := template.New("manifest").Option("missingkey=error").Parse(text)
	if err == nil {
		err = parsed.Execute(filled, values)
	}
	if err != nil {
		return "", fmt.Errorf("filling in our own manifests: %w", err)
	}
	return filled.String(), nil
}

// apply sends objects in order, by server-side apply, so that it can be
// repeated.
func apply(ctx context.Context, config *rest.Config, text string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	return applier{client, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds))}.apply(ctx, text)
}

// applier knows the resource of each kind.
type applier struct {
	client dynamic.Interface
	kinds  meta.RESTMapper
}

func (a applier) apply(ctx context.Context, text string) error {
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading our own manifests: %w", err)
		}
		if len(object.Object) == 0 { // a comment between two objects
			continue
		}
		err := until(ctx, func(ctx context.Context) error { return a.send(ctx, object) }) // a new cluster's admission may not be ready at once
		if err != nil {
			return next.Errorf("make status", "applying %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
}

func (a applier) send(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := a.kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	resource := a.client.Resource(mapping.Resource).Namespace(object.GetNamespace()) // "" for cluster-scoped ones
	_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "rolecall", Force: true})
	return err
}
