package controlplane

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// startTimeout bounds each wait of the start. A slow machine under load takes
// a few seconds.
const startTimeout = time.Minute

// waitHealthy returns when the API server answers /healthz with ok.
func (p *ControlPlane) waitHealthy(ctx context.Context) error {
	return p.wait(ctx, func(ctx context.Context, client kubernetes.Interface) error {
		return client.Discovery().RESTClient().Get().AbsPath("/healthz").Do(ctx).Error()
	})
}

// WaitReady returns when labs can start: the API server is ready, the objects
// that every new cluster has exist, and pods would be scheduled to the node.
func (p *ControlPlane) WaitReady(ctx context.Context) error {
	for _, stage := range []struct {
		name string
		done func(context.Context, kubernetes.Interface) error
	}{
		{"kube-apiserver ready", func(ctx context.Context, client kubernetes.Interface) error {
			return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		}},
		{"service kubernetes", func(ctx context.Context, client kubernetes.Interface) error {
			_, err := client.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{})
			return err
		}},
		{"service kube-dns", p.createDNSService},
		{"default service account", func(ctx context.Context, client kubernetes.Interface) error {
			_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
			return err
		}},
		{"cluster's CA in default", func(ctx context.Context, client kubernetes.Interface) error {
			_, err := client.CoreV1().ConfigMaps(metav1.NamespaceDefault).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
			return err
		}},
		{"aggregated cluster roles", func(ctx context.Context, client kubernetes.Interface) error {
			for _, name := range []string{"view", "edit", "admin"} {
				role, err := client.RbacV1().ClusterRoles().Get(ctx, name, metav1.GetOptions{})
				if err != nil {
					return err
				}
				if len(role.Rules) == 0 {
					return fmt.Errorf("cluster role %s has no rules yet", name)
				}
			}
			return nil
		}},
		{"kube-scheduler synchronized", func(context.Context, kubernetes.Interface) error {
			select {
			case <-p.scheduler:
				return nil
			default:
				return fmt.Errorf("kube-scheduler is not synchronized")
			}
		}},
		{"node ready", func(ctx context.Context, client kubernetes.Interface) error {
			node, err := client.CoreV1().Nodes().Get(ctx, p.node, metav1.GetOptions{})
			if err != nil {
				return err
			}
			return schedulable(node)
		}},
	} {
		if err := p.wait(ctx, stage.done); err != nil {
			return fmt.Errorf("waiting for the stage %q: %w", stage.name, err)
		}
		reached(stage.name)
	}
	return nil
}

// schedulable says what keeps pods from node.
func schedulable(node *corev1.Node) error {
	for _, taint := range node.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule {
			return fmt.Errorf("node %s has the taint %s", node.Name, taint.ToString())
		}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("node %s is not Ready", node.Name)
}

// wait calls done until it returns nil. The error says what was missing last.
func (p *ControlPlane) wait(ctx context.Context, done func(context.Context, kubernetes.Interface) error) error {
	client, err := kubernetes.NewForConfig(p.loopback)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		missing := done(ctx, client)
		if missing == nil {
			return nil
		}
		select {
		case err := <-p.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer: %w", context.Cause(ctx), missing)
		case <-again.C:
		}
	}
}
