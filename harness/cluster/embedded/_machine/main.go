// Program machine is rolecall's embedded cluster: a control plane and a node
// in one process (machine serve), and the kubectl that fits it (machine
// kubectl, or started by the name kubectl).
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	switch {
	case filepath.Base(os.Args[0]) == "kubectl":
		runKubectl()
	case len(os.Args) > 1 && os.Args[1] == "kubectl":
		os.Args = os.Args[1:]
		runKubectl()
	case len(os.Args) > 1 && os.Args[1] == "serve":
		if err := serve(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "machine serve:", err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: machine serve -dir DIR ... | machine kubectl ...\nRun machine serve -help for its flags.")
		os.Exit(2)
	}
}
