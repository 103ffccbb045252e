package check

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"rolecall/harness/cluster"
)

// Sweep deletes the pods, services, roles and role bindings in the lab's
// namespaces that match. It goes on after an error and returns one of them.
func Sweep(ctx context.Context, client kubernetes.Interface, places cluster.Namespaces, match metav1.ListOptions) error {
	now := int64(0)
	atOnce := metav1.DeleteOptions{GracePeriodSeconds: &now}
	var tasks []func() error
	for _, ns := range places.All() {
		core, rbac := client.CoreV1(), client.RbacV1()
		tasks = append(tasks,
			func() error { return core.Pods(ns).DeleteCollection(ctx, atOnce, match) },
			func() error { return deleteServices(ctx, core.Services(ns), atOnce, match) },
			func() error { return rbac.RoleBindings(ns).DeleteCollection(ctx, atOnce, match) },
			func() error { return rbac.Roles(ns).DeleteCollection(ctx, atOnce, match) },
		)
	}
	errs := make(chan error, len(tasks))
	var all sync.WaitGroup
	for _, task := range tasks { // all at once: a lab waits for it twice
		all.Go(func() {
			if err := task(); err != nil && !apierrors.IsNotFound(err) {
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return fmt.Errorf("deleting what the lab made: %w; type make status; the next lab deletes the rest", err)
	}
	return nil
}

// deleteServices deletes one by one: client-go has no more for services.
func deleteServices(ctx context.Context, services corev1client.ServiceInterface, options metav1.DeleteOptions, match metav1.ListOptions) error {
	list, err := services.List(ctx, match)
	if err != nil {
		return err
	}
	for _, s := range list.Items {
		if err := services.Delete(ctx, s.Name, options); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}
