package node

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes/fake"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	"k8s.io/kubernetes/pkg/features"

	"rolecall.build/machine/sandbox"
)

// TestSubPathOfAnUnsetVariable asks for a folder whose name nobody gave: the
// whole volume is not what was meant.
func TestSubPathOfAnUnsetVariable(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod(func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPathExpr: "$(WHO)"}}
	}))
	status := s.until(t, "CreateContainerConfigError", waitsFor("CreateContainerConfigError"))
	require.Equal(t, "missing value for WHO", status.ContainerStatuses[0].State.Waiting.Message)
}

// TestVolumeUsers reads the fields user and defaultUser, which a cluster has
// that enables them.
func TestVolumeUsers(t *testing.T) {
	source := &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, DefaultMode: new(int32(0o600)), DefaultUser: new(int64(1000)),
		Items: []corev1.KeyToPath{{Key: "a", Path: "a"}, {Key: "a", Path: "b", User: new(int64(2000)), Mode: new(int32(0o640))}},
	}
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings", Namespace: "default"}, Data: map[string]string{"a": "x"}}
	for enabled, users := range map[bool][2]int64{false: {0, 0}, true: {1000, 2000}} {
		featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.AtomicWriteVolumeUserFields, enabled)
		v := volumes{environment: environment{objects: newObjects(fake.NewClientset(settings), nil), pod: labPod()}}
		content, err := v.content(t.Context(), &corev1.Volume{VolumeSource: corev1.VolumeSource{ConfigMap: source}})
		require.NoError(t, err)
		require.Equal(t, map[string]sandbox.File{
			"a": {Data: []byte("x"), Mode: 0o600, User: users[0]}, "b": {Data: []byte("x"), Mode: 0o640, User: users[1]},
		}, content.Files)
	}
}
