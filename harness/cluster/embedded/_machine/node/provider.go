package node

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// provider has the pods of this node, as the API server tells of them.
type provider struct {
	node *node
	api  corelisters.PodLister

	mu   sync.Mutex
	pods map[types.NamespacedName]*pod
}

// handler follows the pods that are bound to this node. None of what it calls
// waits for a pod.
func (v *provider) handler() cache.ResourceEventHandler {
	sees := func(object any) {
		if api, ok := object.(*corev1.Pod); ok {
			v.sees(api)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    sees,
		UpdateFunc: func(_, object any) { sees(object) },
		DeleteFunc: func(object any) {
			if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = last.Obj
			}
			api, ok := object.(*corev1.Pod)
			if !ok {
				return
			}
			if p := v.find(api.Namespace, api.Name); p != nil && p.uid == api.UID {
				p.vanish()
			}
		},
	}
}

// sees takes in what the API server has of a pod: a new one begins, and one
// that has that name and is another's leaves.
func (v *provider) sees(api *corev1.Pod) {
	p := v.find(api.Namespace, api.Name)
	if p != nil && p.uid != api.UID {
		p.vanish()
		p = nil
	}
	switch {
	case p != nil:
		v.update(p, api)
	case api.DeletionTimestamp != nil:
		go v.node.forget(api)
	case !podutil.IsPodTerminal(api):
		v.start(api)
	}
}

// start starts a pod's life and does not wait for it.
func (v *provider) start(api *corev1.Pod) {
	key := types.NamespacedName{Namespace: api.Namespace, Name: api.Name}
	p := newPod(v.node, api)
	v.mu.Lock()
	v.pods[key] = p
	v.mu.Unlock()
	go p.run()
	go func() {
		p.publish()
		p.gone()
		v.mu.Lock()
		if v.pods[key] == p {
			delete(v.pods, key)
		}
		v.mu.Unlock()
	}()
}

// update tells a pod that the API server has a newer state of it. One that was
// deleted leaves within its grace.
func (v *provider) update(p *pod, api *corev1.Pod) {
	p.sees(api)
	if api.DeletionTimestamp != nil {
		p.depart(gracePeriod(api))
		return
	}
	p.addEphemeral()
	p.redefine()
	v.node.refresh.wake(func(other *pod) bool { return other == p })
}

// forget deletes the object of a pod of which nothing runs here, unless that
// was done and others hold it.
func (n *node) forget(api *corev1.Pod) {
	if seconds := api.DeletionGracePeriodSeconds; seconds != nil && *seconds == 0 {
		return
	}
	for n.running.Err() == nil {
		ctx, cancel := context.WithTimeout(n.running, sendTime)
		err := n.client.CoreV1().Pods(api.Namespace).Delete(ctx, api.Name, metav1.DeleteOptions{
			GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(api.UID)),
		})
		cancel()
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsForbidden(err) {
			return
		}
		klog.ErrorS(err, "Deleting the object of a pod that does not run", "pod", klog.KObj(api))
		time.Sleep(retry)
	}
}

func (v *provider) find(namespace, name string) *pod {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pods[types.NamespacedName{Namespace: namespace, Name: name}]
}

func (v *provider) list() (all []*pod) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, p := range v.pods {
		all = append(all, p)
	}
	return all
}

// objects are the pods as the API server last told of them.
func (v *provider) objects(context.Context) (all []*corev1.Pod, _ error) {
	for _, p := range v.list() {
		all = append(all, p.object())
	}
	return all, nil
}
