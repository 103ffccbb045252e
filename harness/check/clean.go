package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall/harness/cluster"
)

// StartsClean takes away what an interrupted run left and looks for what
// would falsify a verdict: access that no lab gave, in the lab's namespaces or
// cluster-wide. That is somebody's work, so it stays, and the error says what
// to do about it.
func StartsClean(ctx context.Context, e *Env) error {
	if err := Sweep(ctx, e.Client, e.Namespaces, metav1.ListOptions{LabelSelector: RunLabel}); err != nil {
		return err
	}
	var inTheWay []string
	for _, ns := range e.Namespaces.All() {
		bindings, err := e.Client.RbacV1().RoleBindings(ns).List(ctx, metav1.ListOptions{LabelSelector: "!" + cluster.PlaceLabel})
		if err != nil {
			return fmt.Errorf("looking for role bindings in %s: %w; type make status", ns, err)
		}
		for _, b := range bindings.Items {
			inTheWay = append(inTheWay, fmt.Sprintf("RoleBinding %s in %s", b.Name, ns))
		}
	}
	bindings, err := e.Client.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("looking for cluster role bindings: %w; type make status", err)
	}
	for _, b := range bindings.Items {
		for _, s := range b.Subjects {
			if e.concerns(s.Kind, s.Namespace, s.Name) && b.Labels["kubernetes.io/bootstrapping"] == "" {
				inTheWay = append(inTheWay, "ClusterRoleBinding "+b.Name)
				break
			}
		}
	}
	if len(inTheWay) > 0 {
		return fmt.Errorf("starting from a known state: the cluster has %s, which no lab made and which would change the verdict; type make reset to take it away", strings.Join(inTheWay, ", "))
	}
	return e.closed(ctx)
}

// closed waits until the authorizer has seen the last run's bindings go.
func (e *Env) closed(ctx context.Context) error {
	list := Permission{Verb: "list", Resource: "services"}
	for _, ns := range []string{e.Namespaces.Home, e.Namespaces.Elsewhere} {
		gone, err := Eventually(ctx, AccessSettles, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
			allowed, _, err := e.Allowed(ctx, ServiceAccount(ns, "default"), list, ns)
			return !allowed, err
		})
		if err != nil {
			return err
		}
		if !gone {
			return fmt.Errorf("starting from a known state: the service account default of %s may list services after %s; type make reset", ns, AccessSettles)
		}
	}
	return nil
}

// concerns tells whether a subject of a binding is one that a lab's service
// accounts, or a caller without a token, would act as.
func (e *Env) concerns(kind, namespace, name string) bool {
	switch kind {
	case "ServiceAccount":
		return slices.Contains(e.Namespaces.All(), namespace)
	case "User":
		return name == "system:anonymous" || strings.HasPrefix(name, "system:serviceaccount:")
	case "Group":
		return name == "system:authenticated" || name == "system:unauthenticated" || strings.HasPrefix(name, "system:serviceaccounts")
	}
	return false
}
