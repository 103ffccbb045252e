package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	vk "github.com/virtual-kubelet/virtual-kubelet/node"
	"github.com/virtual-kubelet/virtual-kubelet/node/nodeutil"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/network/dns"
	"k8s.io/kubernetes/pkg/kubelet/token"

	"rolecall.build/machine/imagearchive"
)

// node is what its pods share.
type node struct {
	config  Config
	running context.Context

	client    kubernetes.Interface
	recorder  record.EventRecorderLogger
	images    images
	sandboxes sandboxes
	objects   *objects
	tokens    tokens
	services  corelisters.ServiceLister
	addresses *addresses
	refresh   *refresh
	dns       *nameServer
	resolver  *dns.Configurer
	capacity  corev1.ResourceList
	provider  *provider
}

// workers is how many pods the virtual kubelet looks after at a time. Each
// pod's own work is done elsewhere.
const workers = 8

// Run runs a node until ctx is done; then its pods have ended. Config.Ready is
// called when the API server knows the node as ready.
func Run(ctx context.Context, config Config) error {
	held, err := openImages(config.Images)
	if err != nil {
		return err
	}
	archives := map[string]*imagearchive.Image{}
	for name, image := range held {
		archives[name] = image.opened
	}
	real := config.Sandboxes
	real.SetImages(archives)
	defer real.Close()
	for name := range archives {
		go func() { // so that the first pod need not wait for it; it would make up for a failure
			if err := real.Prepare(ctx, name); err != nil && ctx.Err() == nil {
				klog.ErrorS(err, "Extracting an image in advance", "image", name)
			}
		}()
	}
	return runWith(ctx, config, held, realSandboxes{real})
}

// runWith is Run with any sandboxes.
func runWith(ctx context.Context, config Config, held images, r sandboxes) error {
	if err := os.RemoveAll(config.logs()); err != nil {
		return fmt.Errorf("removing old logs: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := kubernetes.NewForConfig(config.Client)
	if err != nil {
		return fmt.Errorf("making the node's client: %w", err)
	}
	cluster, err := kubernetes.NewForConfig(config.Cluster)
	if err != nil {
		return fmt.Errorf("making the name server's client: %w", err)
	}

	broadcaster := record.NewBroadcaster()
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: client.CoreV1().Events("")})

	pods := informers.NewSharedInformerFactoryWithOptions(client, 0, nodeutil.PodInformerFilter(config.Name))
	wide := informers.NewSharedInformerFactory(cluster, 0)
	n := &node{
		config: config, running: ctx, client: client, images: held, sandboxes: r,
		recorder:  broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: config.Name}),
		tokens:    token.NewManager(client),
		services:  wide.Core().V1().Services().Lister(),
		addresses: newAddresses(), refresh: newRefresh(), dns: newNameServer(wide),
		capacity: capacity(),
	}
	n.resolver = newResolver(n.recorder, config.DNSIP)
	n.objects = newObjects(client, n.objectChanged)
	n.provider = &provider{node: n, api: pods.Core().V1().Pods().Lister(), pods: map[types.NamespacedName]*pod{}}
	return n.serve(pods, wide)
}

// serve runs all parts of the node until the first ends.
func (n *node) serve(pods, wide informers.SharedInformerFactory) error {
	port, serveAPI, err := n.listenAPI()
	if err != nil {
		return err
	}
	object := n.object(port)
	controller, err := n.podController(pods)
	if err != nil {
		return err
	}
	lease := n.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	registered, err := vk.NewNodeController(vk.NaiveNodeProvider{}, object, n.client.CoreV1().Nodes(),
		vk.WithNodeEnableLeaseV1(lease, vk.DefaultLeaseDuration))
	if err != nil {
		return fmt.Errorf("preparing the node's object: %w", err)
	}
	if _, err := pods.Core().V1().Pods().Informer().AddEventHandler(n.podEvents()); err != nil {
		return err
	}

	untold := &unreachableServices{node: n, told: map[types.UID]bool{}}
	if err := untold.watch(wide); err != nil {
		return err
	}
	n.config.Reach(n.reach)

	parts, ctx := errgroup.WithContext(n.running)
	pods.Start(ctx.Done())
	wide.Start(ctx.Done())
	wide.WaitForCacheSync(ctx.Done())
	parts.Go(func() error { return serveAPI(ctx) })
	parts.Go(func() error { return ended(ctx, "the pod controller", controller.Run(ctx, workers)) })
	parts.Go(func() error {
		select {
		case <-controller.Ready():
		case <-ctx.Done():
			return nil
		}
		return ended(ctx, "the node controller", registered.Run(ctx))
	})
	parts.Go(func() error {
		select {
		case <-registered.Ready():
			n.config.Ready()
		case <-ctx.Done():
		}
		return nil
	})
	err = parts.Wait()
	n.stopPods()
	return err
}

func ended(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(fmt.Errorf("%s ended by itself", what), err)
}

// podController is the virtual kubelet's. It reads no ConfigMaps, Secrets or
// Services: what pods refer to is this node's to resolve.
func (n *node) podController(pods informers.SharedInformerFactory) (*vk.PodController, error) {
	unused := informers.NewSharedInformerFactory(n.client, 0).Core().V1()
	soon := func() workqueue.TypedRateLimiter[any] {
		return workqueue.NewTypedItemExponentialFailureRateLimiter[any](time.Millisecond, time.Second)
	}
	always := func(context.Context, string, int, time.Time, error) (*time.Duration, error) { return nil, nil }
	controller, err := vk.NewPodController(vk.PodControllerConfig{
		PodClient:         podsClient{n.client.CoreV1(), n.provider},
		PodInformer:       pods.Core().V1().Pods(),
		EventRecorder:     &record.FakeRecorder{}, // a kubelet has no such events
		Provider:          n.provider,
		ConfigMapInformer: unused.ConfigMaps(), SecretInformer: unused.Secrets(), ServiceInformer: unused.Services(),
		SyncPodsFromKubernetesRateLimiter: soon(), SyncPodsFromKubernetesShouldRetryFunc: always,
		DeletePodsFromKubernetesRateLimiter: soon(), DeletePodsFromKubernetesShouldRetryFunc: always,
		SyncPodStatusFromProviderRateLimiter: soon(),
		SkipDownwardAPIResolution:            true,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the pod controller: %w", err)
	}
	return controller, nil
}

// podEvents bring each pod what the API server has of it, without the virtual
// kubelet's delay: changes of its status by others, and its end.
func (n *node) podEvents() cache.ResourceEventHandler {
	known := func(object any) (*corev1.Pod, *pod) {
		if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = last.Obj
		}
		api, ok := object.(*corev1.Pod)
		if !ok {
			return nil, nil
		}
		if p := n.provider.find(api.Namespace, api.Name); p != nil && p.uid == api.UID {
			return api, p
		}
		return nil, nil
	}
	return cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, object any) {
			if api, p := known(object); p != nil {
				n.provider.update(p, api)
			}
		},
		DeleteFunc: func(object any) {
			if _, p := known(object); p != nil {
				p.vanish()
			}
		},
	}
}

// objectChanged has the volumes looked at that show the object.
func (n *node) objectChanged(key objectKey) {
	n.refresh.wake(func(p *pod) bool { return p.key.Namespace == key.namespace })
}

// stopPods kills all pods and waits until they have ended.
func (n *node) stopPods() {
	for _, p := range n.provider.list() {
		p.depart(0)
	}
	for _, p := range n.provider.list() {
		<-p.stopped
	}
}
