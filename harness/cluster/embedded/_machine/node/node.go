package node

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
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
	return runWith(ctx, config, held, realSandboxes{real, config.Odd})
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

	pods := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(options *metav1.ListOptions) {
		options.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", config.Name).String()
	}))
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
	if _, err := pods.Core().V1().Pods().Informer().AddEventHandler(n.provider.handler()); err != nil {
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
	parts.Go(func() error {
		pods.WaitForCacheSync(ctx.Done())
		return ended(ctx, "the node's registration", n.register(ctx, n.object(port)))
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
