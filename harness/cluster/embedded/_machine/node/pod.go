package node

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
)

// pod is one pod of this node, from its arrival until its object is gone.
type pod struct {
	node *node
	key  types.NamespacedName
	uid  types.UID
	logs string // folder of its containers' logs

	resources *corev1.ResourceRequirements // of the pod as a whole, as it arrived

	running context.Context // until the pod has to leave
	leave   context.CancelFunc
	dirty   chan struct{}  // holds a token while the status may have changed
	stopped chan struct{}  // closed when nothing of the pod runs any more
	killing chan struct{}  // closed when no more grace is given
	kill    func()         // closes killing
	lives   sync.WaitGroup // of its containers; for start to add to

	mu         sync.Mutex
	api        *corev1.Pod // the newest that the API server told of
	address    netip.Addr
	sandbox    sandboxPod
	inside     context.Context      // until the sandbox has ended or the pod has to leave
	prepared   bool                 // sandbox, network and volumes exist
	open       bool                 // containers may be started
	back       *flowcontrol.Backoff // before another sandbox
	arrived    metav1.Time
	containers []*container
	failure    *failure
	grace      time.Time // when the processes of a leaving pod are killed
	leaving    bool
	vanished   bool // its object is gone
	toldResize bool
	released   []func() // undone when the pod's object is gone
	published  corev1.PodStatus
}

// failure is why a pod failed as a whole.
type failure struct{ reason, message string }

func newPod(n *node, api *corev1.Pod) *pod {
	p := &pod{
		node: n, key: types.NamespacedName{Namespace: api.Namespace, Name: api.Name}, uid: api.UID,
		logs:  filepath.Join(n.config.logs(), fmt.Sprintf("%s_%s_%s", api.Namespace, api.Name, api.UID)),
		dirty: make(chan struct{}, 1), stopped: make(chan struct{}), killing: make(chan struct{}),
		resources: api.Spec.Resources, api: api, back: newBackOff(clock.RealClock{}), arrived: metav1.Now(), published: api.Status,
	}
	p.kill = sync.OnceFunc(func() { close(p.killing) })
	p.running, p.leave = context.WithCancel(n.running)
	for i := range api.Spec.InitContainers {
		c := &api.Spec.InitContainers[i]
		as := initial
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			as = sidecar
		}
		p.containers = append(p.containers, newContainer(p, c, as))
	}
	for i := range api.Spec.Containers {
		p.containers = append(p.containers, newContainer(p, &api.Spec.Containers[i], app))
	}
	return p
}

// object is the pod as the API server last told of it. It is not to be changed.
func (p *pod) object() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.api
}

// change changes the pod's state and has its status published.
func (p *pod) change(how func()) {
	p.mu.Lock()
	how()
	p.mu.Unlock()
	p.changed()
}

func (p *pod) changed() {
	select {
	case p.dirty <- struct{}{}:
	default:
	}
}

// depart makes the pod leave within grace. A later call can only hasten it.
func (p *pod) depart(grace time.Duration) {
	p.mu.Lock()
	deadline := time.Now().Add(grace)
	sooner := p.leaving && deadline.Before(p.grace)
	if !p.leaving || sooner {
		p.leaving, p.grace = true, deadline
	}
	p.mu.Unlock()
	switch {
	case grace == 0:
		p.kill()
	case sooner:
		time.AfterFunc(grace, p.kill)
	}
	p.leave()
}

// vanish makes a pod leave at once whose object is gone.
func (p *pod) vanish() {
	p.depart(0)
	p.change(func() { p.vanished = true })
}

// gone forgets all that is kept of the pod, its logs too.
func (p *pod) gone() {
	p.kill()
	p.leave()
	<-p.stopped
	p.mu.Lock()
	released := p.released
	p.released = nil
	p.mu.Unlock()
	for _, release := range released {
		release()
	}
	_ = os.RemoveAll(p.logs)
}

func (p *pod) of(roles ...role) (chosen []*container) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.containers {
		for _, r := range roles {
			if c.role == r {
				chosen = append(chosen, c)
			}
		}
	}
	return chosen
}

func (p *pod) container(name string) *container {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.containers {
		if c.spec.Name == name {
			return c
		}
	}
	return nil
}
