package node

import (
	"context"
	"sync"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// provider is the node as the virtual kubelet's pod controller drives it.
type provider struct {
	node *node
	api  corelisters.PodLister

	mu   sync.Mutex
	pods map[types.NamespacedName]*pod
}

// CreatePod starts a pod's life and does not wait for it.
func (v *provider) CreatePod(_ context.Context, api *corev1.Pod) error {
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
	return nil
}

// UpdatePod takes in what was changed of a pod; its watch has told it already.
func (v *provider) UpdatePod(_ context.Context, api *corev1.Pod) error {
	if p := v.find(api.Namespace, api.Name); p != nil && p.uid == api.UID {
		v.update(p, api)
	}
	return nil
}

// update tells a pod that the API server has a newer state of it.
func (v *provider) update(p *pod, api *corev1.Pod) {
	p.sees(api)
	p.addEphemeral()
	p.redefine()
	v.node.refresh.wake(func(other *pod) bool { return other == p })
}

// DeletePod makes a pod leave within its grace. One whose object is gone
// already leaves at once.
func (v *provider) DeletePod(_ context.Context, api *corev1.Pod) error {
	p := v.find(api.Namespace, api.Name)
	if p == nil || p.uid != api.UID {
		return errdefs.NotFound("no such pod on this node")
	}
	if current, err := v.api.Pods(api.Namespace).Get(api.Name); apierrors.IsNotFound(err) || err == nil && current.UID != p.uid {
		p.vanish()
		return nil
	}
	p.sees(api)
	p.depart(gracePeriod(api))
	return nil
}

// GetPod is the pod of that name, if it is still the one that the API server
// has. Its predecessor leaves.
func (v *provider) GetPod(_ context.Context, namespace, name string) (*corev1.Pod, error) {
	p := v.find(namespace, name)
	if p == nil {
		return nil, errdefs.NotFoundf("pod %s/%s is not on this node", namespace, name)
	}
	if current, err := v.api.Pods(namespace).Get(name); err == nil && current.UID != p.uid {
		p.vanish()
		return nil, errdefs.NotFoundf("pod %s/%s is another one now", namespace, name)
	}
	return p.object(), nil
}

// GetPodStatus is the pod's status as it is now.
func (v *provider) GetPodStatus(_ context.Context, namespace, name string) (*corev1.PodStatus, error) {
	p := v.find(namespace, name)
	if p == nil {
		return nil, errdefs.NotFoundf("pod %s/%s is not on this node", namespace, name)
	}
	status := p.status()
	return &status, nil
}

// GetPods are all pods of this node.
func (v *provider) GetPods(context.Context) (all []*corev1.Pod, _ error) {
	for _, p := range v.list() {
		all = append(all, p.object())
	}
	return all, nil
}

// NotifyPods says that the virtual kubelet need not ask for statuses. Each pod
// sends its own; see publish.
func (*provider) NotifyPods(context.Context, func(*corev1.Pod)) {}

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

// podsClient is the virtual kubelet's, which deletes a pod's object as soon as
// no container runs or the grace is over. Here a pod's object goes when the
// pod has stopped, as with a kubelet.
type podsClient struct {
	corev1client.PodsGetter
	provider *provider
}

// Pods returns the client for one namespace.
func (c podsClient) Pods(namespace string) corev1client.PodInterface {
	return podClient{c.PodsGetter.Pods(namespace), c.provider, namespace}
}

type podClient struct {
	corev1client.PodInterface
	provider  *provider
	namespace string
}

// Delete has a pod leave that this node still knows, and deletes the object of
// another.
func (c podClient) Delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	p := c.provider.find(c.namespace, name)
	if p == nil || options.Preconditions == nil || options.Preconditions.UID == nil || *options.Preconditions.UID != p.uid {
		err := c.PodInterface.Delete(ctx, name, options)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	api := p.object()
	if api.DeletionTimestamp == nil {
		if current, err := c.provider.api.Pods(c.namespace).Get(name); err == nil && current.UID == p.uid {
			api = current
			p.sees(api)
		}
	}
	left := gracePeriod(api)
	if api.DeletionTimestamp != nil {
		left = max(0, min(left, time.Until(api.DeletionTimestamp.Time)))
	}
	if left == 0 {
		left = minimumGrace // it had its grace
	}
	p.depart(left)
	return nil
}
