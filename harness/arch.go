package harness

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// nodeArch is the GOARCH that learners' programs are compiled for. A cluster
// of mixed nodes is refused: a pod could land on the wrong one.
func nodeArch(ctx context.Context, client kubernetes.Interface) (string, error) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("asking for the cluster's nodes: %w; type make status", err)
	}
	arch := ""
	for _, node := range nodes.Items {
		switch a := node.Status.NodeInfo.Architecture; {
		case arch == "":
			arch = a
		case arch != a:
			return "", fmt.Errorf("looking at the cluster's nodes: both %s and %s; use a cluster of one architecture", arch, a)
		}
	}
	if arch == "" {
		return "", fmt.Errorf("looking at the cluster's nodes: there is none; type make status")
	}
	return arch, nil
}
