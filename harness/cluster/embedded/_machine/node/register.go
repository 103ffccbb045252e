package node

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/component-helpers/apimachinery/lease"
	nodeutil "k8s.io/component-helpers/node/util"
	"k8s.io/klog/v2"
	kubeletutil "k8s.io/kubernetes/pkg/kubelet/util"
	"k8s.io/utils/clock"
)

// The kubelet's defaults.
const (
	leaseTime  = 40 * time.Second
	statusTime = 10 * time.Second // between two looks at the Node's status
)

// registerTime bounds the registration. The API server may refuse it for the
// moment that it takes to learn its own roles.
const registerTime = 30 * time.Second

// register makes the Node, and keeps its lease and its status until ctx is done.
func (n *node) register(ctx context.Context, object *corev1.Node) error {
	nodes, name := n.client.CoreV1().Nodes(), n.config.Name
	var refused error
	err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, registerTime, true, func(ctx context.Context) (bool, error) {
		_, refused = nodes.Create(ctx, object, metav1.CreateOptions{})
		return refused == nil || apierrors.IsAlreadyExists(refused), nil
	})
	if err != nil {
		return fmt.Errorf("registering the node: %w; the last answer: %w", err, refused)
	}
	n.config.Ready()
	go lease.NewController(clock.RealClock{}, n.client, name, int32(leaseTime.Seconds()), nil, leaseTime/4, name,
		corev1.NamespaceNodeLease, kubeletutil.SetNodeOwnerFunc(ctx, n.client, name)).Run(ctx)
	wait.UntilWithContext(ctx, func(ctx context.Context) { n.keepStatus(ctx, object) }, statusTime)
	return ctx.Err()
}

// keepStatus puts the Node's status right where somebody changed it, as the
// controller manager does with that of a node whose machine slept.
func (n *node) keepStatus(ctx context.Context, object *corev1.Node) {
	current, err := n.client.CoreV1().Nodes().Get(ctx, n.config.Name, metav1.GetOptions{})
	if err != nil {
		klog.V(2).InfoS("Looking at the node's status", "err", err) // it is looked at again
		return
	}
	right := current.DeepCopy()
	for i := range right.Status.Conditions {
		for _, own := range object.Status.Conditions {
			if c := &right.Status.Conditions[i]; c.Type == own.Type && c.Status != own.Status {
				*c = own
				c.LastHeartbeatTime, c.LastTransitionTime = metav1.Now(), metav1.Now()
			}
		}
	}
	if equality.Semantic.DeepEqual(current.Status, right.Status) {
		return
	}
	if _, _, err := nodeutil.PatchNodeStatus(n.client.CoreV1(), types.NodeName(n.config.Name), current, right); err != nil {
		klog.ErrorS(err, "Putting the node's status right")
	}
}
