// Package providers lists the kinds of cluster that there are.
package providers

import (
	"rolecall/harness/cluster"
	"rolecall/harness/cluster/embedded"
	"rolecall/harness/cluster/existing"
	"rolecall/harness/cluster/kind"
)

// All returns the providers in the order in which a machine tries them.
// kubeconfig and context name the existing cluster.
func All(o cluster.Options, kubeconfig, context string) []cluster.Provider {
	return []cluster.Provider{
		kind.Provider{Options: o},
		embedded.Provider{Options: o},
		existing.Provider{Options: o, Kubeconfig: kubeconfig, Context: context},
	}
}
