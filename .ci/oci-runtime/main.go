// Command oci-runtime stands in front of runc on a machine that itself lacks
// capabilities, such as a nested sandbox without CAP_SYS_RESOURCE.
//
// A privileged container asks for every capability there is, and runc cannot
// grant one that the machine was never given: it dies with "unable to apply
// caps: operation not permitted". This program takes out of the container's
// configuration what cannot be granted, then becomes runc with the arguments
// it was called with. It only ever asks for less.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oci-runtime:", err)
		os.Exit(1)
	}
}

// run reduces the file that args point runc to, if any, and becomes runc.
func run(args []string) error {
	path, kind, err := specFile(args)
	if err != nil {
		return err
	}
	if kind != noSpec {
		bounding, err := boundingSet("/proc/self/status")
		if err != nil {
			return err
		}
		if err := reduceFile(path, kind, bounding); err != nil {
			return err
		}
	}

	if os.Getenv("PATH") == "" { // Podman gives a runtime none to delete a container with
		if err := os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
			return err
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return fmt.Errorf("finding the real runtime (install it: apt-get install runc): %w", err)
	}
	return syscall.Exec(runc, append([]string{"runc"}, args...), os.Environ())
}
