//go:build kubectl

package main

import (
	"os"

	_ "k8s.io/client-go/plugin/pkg/client/auth" // the credential plugins that kubectl has
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func init() { kubectl = runKubectl }

// runKubectl is kubectl's own main. It does not return on an error.
func runKubectl() {
	// The level counts before the flags are read, while plugins are looked for.
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(os.Args)) // an invalid level is reported with the flags
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
