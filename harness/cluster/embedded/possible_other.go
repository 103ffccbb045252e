//go:build !linux

package embedded

import (
	"errors"
	"syscall"
)

// Possible says that pods cannot be isolated processes here.
func Possible() (weaker string, err error) {
	return "", errors.New("starting the embedded cluster: it needs Linux, for on other systems a pod cannot be a process of its own; use CLUSTER=kind")
}

func apart() *syscall.SysProcAttr { return nil }
