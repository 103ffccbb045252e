package check

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// resources are the kinds that a learner may hand in, with their names in the
// API. What is missing here never reaches the cluster.
var resources = map[schema.GroupVersionKind]string{
	{Version: "v1", Kind: "Pod"}:                                                    "pods",
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"}:               "roles",
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"}:        "rolebindings",
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}:        "clusterroles",
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"}: "clusterrolebindings",
}

// DryRun asks the API server what it would make of an object: unknown fields
// are refused, defaults are filled in, nothing is stored.
func (e *Env) DryRun(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return e.create(ctx, object, metav1.DryRunAll)
}

// Create stores an object of the learner's.
func (e *Env) Create(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return e.create(ctx, object)
}

func (e *Env) create(ctx context.Context, object *unstructured.Unstructured, dryRun ...string) (*unstructured.Unstructured, error) {
	kind := object.GroupVersionKind()
	name, known := resources[kind]
	if !known {
		return nil, fmt.Errorf("creating a %s: no lab allows that kind", kind.Kind)
	}
	resource := e.Dynamic.Resource(kind.GroupVersion().WithResource(name))
	options := metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun}
	var namespaced dynamic.ResourceInterface = resource
	if !strings.HasPrefix(kind.Kind, "Cluster") {
		namespaced = resource.Namespace(object.GetNamespace())
	}
	created, err := namespaced.Create(ctx, object, options)
	if apierrors.IsAlreadyExists(err) { // ours: the lab did not start clean
		return nil, fmt.Errorf("creating %s %s: one of that name was there before the lab; type make reset", kind.Kind, object.GetName())
	}
	return created, err
}

// Refused tells whether the API server turned an object down because of what
// the object says, and gives the server's own words. Other errors are ours.
func Refused(err error) (string, bool) {
	if err == nil {
		return "", false
	}
	learners := apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err)
	return Printable(strings.TrimPrefix(err.Error(), "admission webhook "), 600), learners
}
