package node

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	statusutil "k8s.io/kubernetes/pkg/util/pod"
)

// publish sends the pod's status to the API server whenever it changes, the
// newest only, until the object is gone. When a pod that was deleted has
// stopped, it removes the object.
//
// It sends patches of the status, as the kubelet does: to replace the object
// would take back what others have changed of it.
func (p *pod) publish() {
	p.awaitStart()
	for p.send() {
		select {
		case <-p.dirty:
			continue
		default:
		}
		select {
		case <-p.stopped:
			if !p.send() {
				return
			}
			if p.isGone() || p.object().DeletionTimestamp != nil && !p.remove() {
				return
			}
			select {
			case <-p.dirty:
			case <-p.node.running.Done():
				return
			}
		case <-p.dirty:
		case <-p.node.running.Done():
			return
		}
	}
}

// startTold is how long a pod may take to start before its status says how far
// it is: of one that is quicker the API server gets one patch, not three.
const startTold = 100 * time.Millisecond

// awaitStart returns when the pod is no longer pending, or has been for startTold.
func (p *pod) awaitStart() {
	told := time.NewTimer(startTold)
	defer told.Stop()
	for p.status().Phase == corev1.PodPending {
		select {
		case <-p.dirty:
		case <-told.C:
			return
		case <-p.stopped:
			return
		case <-p.node.running.Done():
			return
		}
	}
}

const (
	sendTime   = 10 * time.Second // the longest that a request may take
	sendAgain  = 100 * time.Millisecond
	sendAtMost = 5 * time.Second // between two tries
)

// send tries until the API server has the pod's status. It is false where the
// object is gone.
func (p *pod) send() bool {
	told := ""
	for wait := sendAgain; ; wait = min(2*wait, sendAtMost) {
		next := p.status()
		p.mu.Lock()
		last := p.published
		p.mu.Unlock()
		if equality.Semantic.DeepEqual(last, next) {
			return true
		}
		ctx, cancel := context.WithTimeout(p.node.running, sendTime)
		updated, _, _, err := statusutil.PatchPodStatus(ctx, p.node.client, p.key.Namespace, p.key.Name, p.uid, last, next)
		cancel()
		switch {
		case err == nil:
			if updated != nil {
				next = updated.Status
			}
			p.mu.Lock()
			p.published = next
			p.mu.Unlock()
			return true
		case p.node.running.Err() != nil || p.isGone():
			return false
		}
		if told != err.Error() {
			told = err.Error()
			klog.ErrorS(err, "Sending a pod's status", "pod", p.key)
		}
		select {
		case <-time.After(wait):
		case <-p.node.running.Done():
			return false
		}
	}
}

// isGone reports whether the API server no longer has this very pod. Its watch
// knows: the API server itself would refuse to speak of a pod that is not this
// node's any more.
func (p *pod) isGone() bool {
	p.mu.Lock()
	vanished := p.vanished
	p.mu.Unlock()
	current, err := p.node.provider.api.Pods(p.key.Namespace).Get(p.key.Name)
	return vanished || apierrors.IsNotFound(err) || err == nil && current.UID != p.uid
}

// remove deletes the object of a pod that has stopped. It is false where that
// is done.
func (p *pod) remove() bool {
	ctx, cancel := context.WithTimeout(p.node.running, sendTime)
	defer cancel()
	options := metav1.DeleteOptions{GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(p.uid))}
	err := p.node.client.CoreV1().Pods(p.key.Namespace).Delete(ctx, p.key.Name, options)
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsConflict(err) {
		return false
	}
	klog.ErrorS(err, "Deleting the object of a pod that has ended", "pod", p.key)
	time.AfterFunc(time.Second, p.changed)
	return true
}

// sees takes in what the API server tells of the pod.
func (p *pod) sees(api *corev1.Pod) {
	p.mu.Lock()
	p.api = api
	p.mu.Unlock()
	p.changed()
}
