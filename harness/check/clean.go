package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall/harness/cluster"
	"rolecall/harness/next"
)

// NoOtherAccess looks for access that neither the cluster nor the scene gives,
// in the scene's namespaces or cluster-wide, and that would change a verdict.
// It is somebody's work, so it stays, and the error says what to do about it.
func (e *Env) NoOtherAccess(ctx context.Context) error {
	var inTheWay, remedies []string
	for _, ns := range e.Namespaces.Names() {
		bindings, err := e.Client.RbacV1().RoleBindings(ns).List(ctx, metav1.ListOptions{LabelSelector: "!" + cluster.SceneLabel})
		if err != nil {
			return next.Errorf("make status", "looking for role bindings in %s: %w", ns, err)
		}
		for _, b := range bindings.Items {
			inTheWay = append(inTheWay, fmt.Sprintf("RoleBinding %s in %s", Printable(b.Name, 100), ns))
			remedies = append(remedies, deletion("RoleBinding", b.Name, ns))
		}
	}
	bindings, err := e.Client.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return next.Errorf("make status", "looking for cluster role bindings: %w", err)
	}
	for _, b := range bindings.Items {
		for _, s := range b.Subjects {
			if e.concerns(s.Kind, s.Namespace, s.Name) && b.Labels["kubernetes.io/bootstrapping"] == "" {
				inTheWay = append(inTheWay, "ClusterRoleBinding "+Printable(b.Name, 100))
				remedies = append(remedies, deletion("ClusterRoleBinding", b.Name, ""))
				break
			}
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
func (e *Env) concerns(kind, namespace, name string) bool {
	switch kind {
	case "ServiceAccount":
		return slices.Contains(e.Namespaces.Names(), namespace)
	case "User":
		return name == "system:anonymous" || strings.HasPrefix(name, "system:serviceaccount:")
	case "Group":
		return name == "system:authenticated" || name == "system:unauthenticated" || strings.HasPrefix(name, "system:serviceaccounts")
	}
	return false
}
