package inventory

import (
	"testing"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func object(resource, namespace, name, uid string) Object {
	return Object{schema.ParseGroupResource(resource).WithVersion("v1"), namespace, name, uid}
}

func names(objects []Object) (names []string) {
	for _, o := range objects {
		names = append(names, o.String())
	}
	return names
}

func TestExtraIsWhatANewClusterDidNotHave(t *testing.T) {
	baseline := []Object{object("namespaces", "", "default", "1"), object("namespaces", "", "viewer", "1"), object("serviceaccounts", "default", "default", "2")}
	now := Inventory{
		object("namespaces", "", "default", "1"):                                                  {},
		object("namespaces", "", "viewer", "1"):                                                   {Deleting: true},
		object("serviceaccounts", "default", "default", "new"):                                    {}, // created again by Kubernetes
		object("pods", "default", "mine", "3"):                                                    {},
		object("clusterroles.rbac.authorization.k8s.io", "", "mine", "4"):                         {},
		object("pods", "kube-system", "coredns", "5"):                                             {},
		object("rolebindings.rbac.authorization.k8s.io", "kube-system", "everybody-may-all", "6"): {},
	}
	assert.Equal(t, []string{
		"clusterroles.rbac.authorization.k8s.io mine",
		"namespaces viewer",
		"pods mine in default",
		"rolebindings.rbac.authorization.k8s.io everybody-may-all in kube-system",
	}, names(Extra(baseline, now)))
}

func TestLostIsWhatANewClusterHad(t *testing.T) {
	baseline := []Object{object("namespaces", "", "viewer", "1"), object("pods", "kube-system", "coredns", "2"), object("serviceaccounts", "default", "default", "3")}
	now := Inventory{object("serviceaccounts", "default", "default", "new"): {}}
	assert.Equal(t, []string{"namespaces viewer"}, names(Lost(baseline, now)))
}

func TestAlteredIsWhatIsNotExactlyAsItWas(t *testing.T) {
	same, changed, again, gone := object("pods", "default", "same", "1"), object("pods", "default", "changed", "2"), object("pods", "default", "again", "3"), object("pods", "default", "gone", "4")
	leaving, node, system := object("pods", "default", "leaving", "5"), object("nodes", "", "rolecall", "6"), object("pods", "kube-system", "coredns", "7")
	baseline := map[Object]string{}
	for _, o := range []Object{same, changed, again, gone, leaving, node, system} {
		baseline[o] = "10"
	}
	now := Inventory{
		same: {Version: "10"}, changed: {Version: "11"}, object("pods", "default", "again", "new"): {Version: "12"},
		leaving: {Version: "10", Deleting: true}, node: {Version: "99"}, system: {Version: "98"},
	}
	assert.Equal(t, []string{"pods again in default", "pods changed in default", "pods gone in default", "pods leaving in default"}, names(Altered(baseline, now)))
	delete(now, node)
	assert.Contains(t, names(Altered(baseline, now)), "nodes rolecall")
}

func TestWithoutTellsObjectsOfOneNameApart(t *testing.T) {
	before := Inventory{object("pods", "default", "a", "1"): {}}
	after := Inventory{object("pods", "default", "a", "2"): {}}
	assert.Len(t, after.Without(before), 1)
	assert.Empty(t, before.Without(before))
}

func TestRemovalNamesExactlyTheObject(t *testing.T) {
	assert.Equal(t, "kubectl delete rolebindings.rbac.authorization.k8s.io all --namespace default", object("rolebindings.rbac.authorization.k8s.io", "default", "all", "").Removal())
	assert.Equal(t, "kubectl delete namespaces mine", object("namespaces", "", "mine", "").Removal())
}

// TestPassing has what Kubernetes makes for itself, and of the same kinds what
// somebody else made.
func TestPassing(t *testing.T) {
	by := func(manager string) metav1.PartialObjectMetadata {
		return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{Manager: manager}, {Manager: "kube-controller-manager"}}}}
	}
	in := func(namespace string) metav1.PartialObjectMetadata {
		return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}
	}
	labelled := func(label string) metav1.PartialObjectMetadata {
		return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{label: "controller"}}}
	}
	for resource, c := range map[string]struct{ theirs, own metav1.PartialObjectMetadata }{
		"certificatesigningrequests.certificates.k8s.io": {by("kubelet"), by("kubectl-create")},
		"leases.coordination.k8s.io":                     {in("kube-node-lease"), in("default")},
		"endpoints":                                      {labelled("endpoints.kubernetes.io/managed-by"), in("default")},
		"endpointslices.discovery.k8s.io":                {labelled("endpointslice.kubernetes.io/managed-by"), in("default")},
		"ipaddresses.networking.k8s.io":                  {labelled("ipaddress.kubernetes.io/managed-by"), in("")},
	} {
		assert.True(t, passing(schema.ParseGroupResource(resource), c.theirs), resource)
		assert.False(t, passing(schema.ParseGroupResource(resource), c.own), resource)
	}
	assert.False(t, passing(schema.GroupResource{Resource: "leases", Group: "example.org"}, in("kube-system")), "another kind of that name")
	assert.False(t, passing(schema.GroupResource{Resource: "pods"}, in("default")))
}
