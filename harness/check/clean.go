package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall/harness/cluster"
	"rolecall/harness/next"
)

// NoOtherAccess looks for access that neither the cluster nor the scene gives,
// in the scene's namespaces or cluster-wide, and that would change a verdict.
// It is somebody's work, so it stays, and the error says what to do about it.
func (e *Env) NoOtherAccess(ctx context.Context) error {
	names := e.Namespaces.Names()
	inNamespaces := make([]*rbacv1.RoleBindingList, len(names))
	var everywhere *rbacv1.ClusterRoleBindingList
	group, asking := errgroup.WithContext(ctx)
	for i, ns := range names {
		group.Go(func() (err error) {
			inNamespaces[i], err = e.Client.RbacV1().RoleBindings(ns).List(asking, metav1.ListOptions{LabelSelector: "!" + cluster.SceneLabel})
			return err
		})
	}
	group.Go(func() (err error) {
		everywhere, err = e.Client.RbacV1().ClusterRoleBindings().List(asking, metav1.ListOptions{LabelSelector: "!" + cluster.SceneLabel})
		return err
	})
	if err := group.Wait(); err != nil {
		return next.Errorf("make status", "looking for role bindings: %w", err)
	}
	var inTheWay, remedies []string
	for i, ns := range names {
		for _, b := range inNamespaces[i].Items {
			inTheWay = append(inTheWay, fmt.Sprintf("RoleBinding %s in %s", Printable(b.Name, 100), ns))
			remedies = append(remedies, deletion("RoleBinding", b.Name, ns))
		}
	}
	for _, b := range everywhere.Items {
		builtIn := b.Labels["kubernetes.io/bootstrapping"] != ""
		if !builtIn && slices.ContainsFunc(b.Subjects, e.concerns) {
			inTheWay = append(inTheWay, "ClusterRoleBinding "+Printable(b.Name, 100))
			remedies = append(remedies, deletion("ClusterRoleBinding", b.Name, ""))
		}
	}
	if len(inTheWay) > 0 {
		remedy := "make reset"
		if len(remedies) == 1 {
			remedy = remedies[0]
		}
		return next.Errorf(remedy, "starting from a known state: the cluster has %s, which no lab created and which would change the verdict", strings.Join(inTheWay, ", "))
	}
	return nil
}

// Closed waits until the authorizer denies a permission in a namespace: an
// earlier run's bindings may only just have gone.
func (e *Env) Closed(ctx context.Context, who Subject, p Permission, namespace string) error {
	gone, err := Eventually(ctx, AccessSettles, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		allowed, _, err := e.Allowed(ctx, who, p, namespace)
		return !allowed, err
	})
	if err != nil {
		return err
	}
	if !gone {
		return next.Errorf("make reset", "starting from a known state: %s may still %s in %s after %s", who.User, p, namespace, AccessSettles)
	}
	return nil
}

// concerns reports whether a subject of a binding is one that the service
// accounts of the scene, or a caller without a token, would act as.
func (e *Env) concerns(s rbacv1.Subject) bool {
	switch s.Kind {
	case "ServiceAccount":
		return slices.Contains(e.Namespaces.Names(), s.Namespace)
	case "User":
		return s.Name == "system:anonymous" || strings.HasPrefix(s.Name, "system:serviceaccount:")
	case "Group":
		return s.Name == "system:authenticated" || s.Name == "system:unauthenticated" || strings.HasPrefix(s.Name, "system:serviceaccounts")
	}
	return false
}
