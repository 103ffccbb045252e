// Program machine is rolecall's embedded cluster: a control plane and a node in
// one process. Built with the tag kubectl it is also the kubectl that fits it,
// when it is started by that name, for a few MB more.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// kubectl is kubectl's main; nil in a machine that is no kubectl.
var kubectl func()

func main() {
	switch {
	case kubectl != nil && filepath.Base(os.Args[0]) == "kubectl":
		kubectl()
	case len(os.Args) > 1 && os.Args[1] == "serve":
		if err := serve(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "machine serve:", err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: machine serve -dir DIR ...\nRun machine serve -help for its flags.")
		os.Exit(2)
	}
}
