package inventory

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func object(resource, namespace, name, uid string) Object {
	return Object{schema.GroupVersionResource{Version: "v1", Resource: resource}, namespace, name, uid}
}

func TestStrangersAreWhatANewClusterDidNotHave(t *testing.T) {
	baseline := []Object{object("namespaces", "", "default", "1"), object("serviceaccounts", "default", "default", "2")}
	now := Inventory{
		object("namespaces", "", "default", "1"):               true,
		object("serviceaccounts", "default", "default", "new"): true, // made again by Kubernetes
		object("pods", "default", "mine", "3"):                 true,
		object("clusterroles", "", "mine", "4"):                true,
		object("pods", "kube-system", "coredns", "5"):          true,
	}
	var names []string
	for _, o := range Strangers(baseline, now) {
		names = append(names, o.String())
	}
	assert.Equal(t, []string{"clusterroles mine", "pods mine in default"}, names)
}

func TestWithoutTellsObjectsOfOneNameApart(t *testing.T) {
	before := Inventory{object("pods", "default", "a", "1"): true}
	after := Inventory{object("pods", "default", "a", "2"): true}
	assert.Len(t, after.Without(before), 1)
	assert.Empty(t, before.Without(before))
}
