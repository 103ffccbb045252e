package controlplane

import (
	"context"
	"fmt"
	"path"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/uuid"
	flowcontrolbootstrap "k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	schedulingbootstrap "k8s.io/kubernetes/pkg/apis/scheduling/v1"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// registry is the prefix of all keys of the API server.
const registry = "/registry"

// seeded is an object that the API server finds in its database, as if an
// earlier one had made it.
type seeded struct {
	resource string
	version  schema.GroupVersion
	object   interface {
		runtime.Object
		metav1.Object
	}
}

// seed writes the objects that every API server makes at its first start. Its
// own hooks make them one request after the other, and those of the RBAC policy
// and the priority classes wait a second before: nearly half of the whole start.
func seed(ctx context.Context, db *database) error {
	client := v3client.New(db.server.Server)
	var puts []clientv3.Op
	for _, s := range seeds() {
		s.object.SetUID(uuid.NewUUID())
		s.object.SetCreationTimestamp(metav1.Now())
		legacyscheme.Scheme.Default(s.object)
		encoder := legacyscheme.Codecs.EncoderForVersion(protobuf.NewSerializer(legacyscheme.Scheme, legacyscheme.Scheme), s.version)
		value, err := runtime.Encode(encoder, s.object)
		if err != nil {
			return fmt.Errorf("encoding %s %s: %w", s.resource, s.object.GetName(), err)
		}
		key := path.Join(registry, s.resource, s.object.GetNamespace(), s.object.GetName())
		puts = append(puts, clientv3.OpPut(key, string(value)))
	}
	if _, err := client.Txn(ctx).Then(puts...).Commit(); err != nil {
		return fmt.Errorf("writing the first objects to etcd: %w", err)
	}
	return nil
}

func seeds() (all []seeded) {
	for _, name := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease} {
		all = append(all, seeded{"namespaces", corev1.SchemeGroupVersion, &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}},
			Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
			Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
		}})
	}
	for _, shared := range schedulingbootstrap.SystemPriorityClasses() {
		class := shared.DeepCopy()
		class.Generation = 1
		all = append(all, seeded{"priorityclasses", schedulingv1.SchemeGroupVersion, class})
	}
	for _, role := range append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...) {
		all = append(all, seeded{"clusterroles", rbacv1.SchemeGroupVersion, &role})
	}
	for _, binding := range append(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()...) {
		all = append(all, seeded{"clusterrolebindings", rbacv1.SchemeGroupVersion, &binding})
	}
	for namespace, roles := range bootstrappolicy.NamespaceRoles() {
		for _, role := range roles {
			role.Namespace = namespace
			all = append(all, seeded{"roles", rbacv1.SchemeGroupVersion, &role})
		}
	}
	for namespace, bindings := range bootstrappolicy.NamespaceRoleBindings() {
		for _, binding := range bindings {
			binding.Namespace = namespace
			all = append(all, seeded{"rolebindings", rbacv1.SchemeGroupVersion, &binding})
		}
	}
	for _, shared := range append(flowcontrolbootstrap.MandatoryPriorityLevelConfigurations, flowcontrolbootstrap.SuggestedPriorityLevelConfigurations...) {
		level := shared.DeepCopy()
		level.Generation = 1
		all = append(all, seeded{"prioritylevelconfigurations", flowcontrolv1.SchemeGroupVersion, level})
	}
	for _, shared := range append(flowcontrolbootstrap.MandatoryFlowSchemas, flowcontrolbootstrap.SuggestedFlowSchemas...) {
		flow := shared.DeepCopy()
		flow.Generation = 1
		all = append(all, seeded{"flowschemas", flowcontrolv1.SchemeGroupVersion, flow})
	}
	return all
}
