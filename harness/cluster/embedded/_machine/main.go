// Program machine is rolecall's embedded cluster: a control plane and a node in
// one process.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 || os.Args[1] != "serve" {
		fmt.Fprintln(os.Stderr, "usage: machine serve -dir DIR ...\nRun machine serve -help for its flags.")
		os.Exit(2)
	}
	if err := serve(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "machine serve:", err)
		os.Exit(1)
	}
}
