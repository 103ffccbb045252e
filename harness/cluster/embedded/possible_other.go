//go:build !linux

package embedded

import (
	"syscall"

	"rolecall/harness/next"
)

// Possible says that pods cannot be isolated processes here.
func Possible() (weaker string, err error) {
	return "", next.Errorf("use CLUSTER=kind", "starting the embedded cluster: it needs Linux, since elsewhere a pod cannot be a process of its own")
}

const forgets = syscall.SIGTERM // there is no machine to ask
