// Package steps decides: a file a lab, its checks from top to bottom, and what
// must hold before any of them.
package steps

import (
	"context"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/manifests"
)

// The roles of the scene's namespaces.
const (
	Home      = "home"      // where the learner works
	Elsewhere = "elsewhere" // where the default account may do nothing
	Viewer    = "viewer"    // where the default account may view
)

// Scene is what the labs find in a cluster.
func Scene() cluster.Scene {
	return cluster.Scene{
		Namespaces: cluster.Namespaces{{Role: Home, Name: "default"}, {Role: Elsewhere, Name: "rolecall-elsewhere"}, {Role: Viewer, Name: "rolecall-viewer"}},
		Objects:    manifests.Scene,
		Image:      "labs.local/busybox-curl:1",
	}
}

// Program is what learners' Go programs are compiled with.
func Program() check.Module {
	return check.Module{
		Mod: manifests.ProgramMod, Sum: manifests.ProgramSum,
		Imports: []string{"k8s.io/client-go", "k8s.io/api", "k8s.io/apimachinery"},
		Usual: []string{
			"k8s.io/client-go/kubernetes", "k8s.io/client-go/rest", "k8s.io/client-go/tools/clientcmd", "k8s.io/client-go/dynamic",
			"k8s.io/apimachinery/pkg/api/errors", "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured",
		},
	}
}

// Before holds what every lab starts from: nobody but the scene gives access,
// and the default accounts may list nothing where a lab relies on that.
func Before(ctx context.Context, e *check.Env) error {
	if err := e.NoOtherAccess(ctx); err != nil {
		return err
	}
	list := check.Permission{Verb: "list", Resource: "services"}
	group, ctx := errgroup.WithContext(ctx)
	for _, role := range []string{Home, Elsewhere} {
		ns := e.Namespaces.Of(role)
		group.Go(func() error { return e.Closed(ctx, check.ServiceAccount(ns, "default"), list, ns) })
	}
	return group.Wait()
}

// start is a caller that a lab wants: where it is kept, the role of its
// namespace, and what it finds at check.ServiceAccountPath.
type start struct {
	caller     **check.Caller
	role       string
	credential check.Credential
}

// startCallers starts callers at once, each as its namespace's account default.
func startCallers(ctx context.Context, e *check.Env, wanted ...start) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, w := range wanted {
		group.Go(func() (err error) {
			*w.caller, err = e.StartCaller(ctx, e.Namespaces.Of(w.role), "default", w.credential)
			return err
		})
	}
	return group.Wait()
}

// Kinds of object that labs ask for, make or refuse.
var (
	podKind                = corev1.SchemeGroupVersion.WithKind("Pod")
	secretKind             = corev1.SchemeGroupVersion.WithKind("Secret")
	serviceKind            = corev1.SchemeGroupVersion.WithKind("Service")
	serviceAccountKind     = corev1.SchemeGroupVersion.WithKind("ServiceAccount")
	configMapKind          = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	roleKind               = rbacv1.SchemeGroupVersion.WithKind("Role")
	roleBindingKind        = rbacv1.SchemeGroupVersion.WithKind("RoleBinding")
	clusterRoleKind        = rbacv1.SchemeGroupVersion.WithKind("ClusterRole")
	clusterRoleBindingKind = rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding")
)
