package check

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"rolecall/harness/cluster"
)

// Sweep deletes the pods, services, roles and role bindings in the lab's
// namespaces that match. It goes on after an error and returns the first.
func Sweep(ctx context.Context, client kubernetes.Interface, places cluster.Namespaces, match metav1.ListOptions) error {
	now := int64(0)
	atOnce := metav1.DeleteOptions{GracePeriodSeconds: &now}
	var errs []error
	for _, ns := range places.All() {
		core, rbac := client.CoreV1(), client.RbacV1()
		errs = append(errs,
			core.Pods(ns).DeleteCollection(ctx, atOnce, match),
			rbac.RoleBindings(ns).DeleteCollection(ctx, atOnce, match),
			rbac.Roles(ns).DeleteCollection(ctx, atOnce, match),
		)
		services, err := core.Services(ns).List(ctx, match) // has no deletecollection before 1.23
		errs = append(errs, err)
		if err != nil {
			continue
		}
		for _, s := range services.Items {
			errs = append(errs, core.Services(ns).Delete(ctx, s.Name, atOnce))
		}
	}
	for _, err := range errs {
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting what the lab made: %w; type make status; the next lab deletes the rest", err)
		}
	}
	return nil
}
