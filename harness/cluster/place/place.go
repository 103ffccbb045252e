// Package place makes the lab's place in a cluster: its namespaces and what
// stands in them, and the wait until a lab can start there.
package place

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rolecall/harness/cluster"
	"rolecall/manifests"
)

// ready bounds the wait for a new cluster's controllers, DNS and proxy.
const ready = 3 * time.Minute

var resources = map[string]schema.GroupVersionResource{
	"Namespace":   {Version: "v1", Resource: "namespaces"},
	"RoleBinding": {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	"Pod":         {Version: "v1", Resource: "pods"},
}

// Make creates the place, or mends it, and waits for what Kubernetes adds to
// a namespace by itself: the default service account and the CA certificate.
func Make(ctx context.Context, config *rest.Config, names cluster.Namespaces) error {
	filled := strings.NewReplacer("HOME", names.Home, "ELSEWHERE", names.Elsewhere, "VIEWER", names.Viewer).Replace(manifests.Place)
	if err := apply(ctx, config, filled); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	for _, ns := range names.All() {
		err := until(ctx, func(ctx context.Context) error {
			if _, err := client.CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{}); err != nil {
				return err
			}
			_, err := client.CoreV1().ConfigMaps(ns).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
			return err
		})
		if err != nil {
			return fmt.Errorf("waiting for the default service account of %s: %w; type make status", ns, err)
		}
	}
	return nil
}

// Remove deletes a place that is not a cluster of ours: all three namespaces,
// with what is in them, and waits until they are gone.
func Remove(ctx context.Context, config *rest.Config, names cluster.Namespaces) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	for _, ns := range names.All() {
		if err := client.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting the namespace %s: %w; type kubectl delete namespace %s", ns, err, ns)
		}
	}
	for _, ns := range names.All() {
		err := until(ctx, func(ctx context.Context) error {
			_, err := client.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
			switch {
			case apierrors.IsNotFound(err):
				return nil
			case err == nil:
				return fmt.Errorf("it is still being deleted")
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("waiting for the namespace %s to go: %w", ns, err)
		}
	}
	return nil
}

// answers bounds the question whether a cluster is alive.
const answers = 3 * time.Second

// Alive asks the API server whether it is ready. The certificate in a private
// kubeconfig makes sure that it is our cluster that answers.
func Alive(ctx context.Context, config *rest.Config) error {
	ctx, cancel := context.WithTimeout(ctx, answers)
	defer cancel()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// AwaitCalls returns when a call from inside a pod gets through to the API
// server by its name.
func AwaitCalls(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	pods := client.CoreV1().Pods(cluster.Ours.Elsewhere)
	if err := apply(ctx, config, manifests.Probe); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = pods.Delete(ctx, "probe", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}) // a failed start is told by the wait
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
		return fmt.Errorf("waiting for calls from a pod to reach the API server: %w; type make down, then make up", err)
	}
	return nil
}

// until retries until it returns nil, and returns its last error otherwise.
func until(ctx context.Context, try func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, ready, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		return last == nil, nil
	})
	if err != nil && last != nil && ctx.Err() == nil {
		return fmt.Errorf("not after %s: %w", ready, last)
	}
	return err
}

// apply sends objects by server-side apply, so that it can be repeated.
func apply(ctx context.Context, config *rest.Config, text string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading our own manifests: %w", err)
		}
		options := metav1.ApplyOptions{FieldManager: "rolecall", Force: true}
		resource := client.Resource(resources[object.GetKind()])
		err := until(ctx, func(ctx context.Context) error { // a new cluster's admission may not be ready at once
			var err error
			if ns := object.GetNamespace(); ns != "" {
				_, err = resource.Namespace(ns).Apply(ctx, object.GetName(), object, options)
			} else {
				_, err = resource.Apply(ctx, object.GetName(), object, options)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("applying %s %s: %w; type make status", object.GetKind(), object.GetName(), err)
		}
	}
}
