package check

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestAgeOf(t *testing.T) {
	const stat = "1 (a (b) c) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 9500 4460544 228\n"
	age, err := ageOf("100.50 190.00\n" + stat)
	require.NoError(t, err)
	assert.Equal(t, 5500*time.Millisecond, age)
	for _, broken := range []string{"", "100.50 190.00\n", "x\n" + stat, "100.5 1\n1 (a) S 0"} {
		_, err := ageOf(broken)
		assert.Error(t, err, broken)
	}
}

func TestHopelessIsOnlyWhatWaitingCannotMend(t *testing.T) {
	waiting := func(reason string) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "c", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}},
		}}}
	}
	for reason, want := range map[string]bool{"ContainerCreating": false, "PodInitializing": false, "ErrImagePull": false, "ImagePullBackOff": true, "CrashLoopBackOff": true} {
		assert.Equal(t, want, hopeless(waiting(reason)) != "", reason)
	}
	assert.NotEmpty(t, hopeless(&corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodSucceeded}}))
	assert.Empty(t, hopeless(&corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning}}))
}
