package main

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"k8s.io/klog/v2"

	"rolecall.build/machine/controlplane"
)

// serveOptions is what `machine serve` is told.
type serveOptions struct {
	controlplane.Config
	images  map[string]string // archive by reference
	sandbox string            // path of the program that runs inside pods' namespaces
}

func parseServeOptions(args []string) (serveOptions, error) {
	o := serveOptions{images: map[string]string{}}
	var port uint
	flags := flag.NewFlagSet("machine serve", flag.ContinueOnError)
	flags.StringVar(&o.Dir, "dir", "", "`folder` of the machine: gets kubeconfig, audit.log and lock; what an earlier machine left there is replaced")
	flags.StringVar(&o.AuditPolicy, "audit-policy", "", "`file` that says what the API server records")
	flags.StringVar(&o.Authentication, "authentication-config", "", "`file` that says which issuers' tokens the API server takes; it is reloaded when it changes")
	flags.StringVar(&o.Localhost, "localhost-cert", "", "`certificate,key` files by which the API server serves those who call it localhost")
	flags.UintVar(&port, "port", 0, "`port` of the API server on 127.0.0.1 (0: any that is free)")
	flags.StringVar(&o.Node, "node", "rolecall", "`name` of the node")
	flags.StringVar(&o.sandbox, "sandbox", "", "`path` of the program sandbox")
	flags.Func("image", "`reference=archive` of an image that pods may run, as docker save makes it; may be repeated", func(value string) error {
		reference, archive, ok := strings.Cut(value, "=")
		if !ok || reference == "" || archive == "" {
			return errors.New("want reference=archive")
		}
		o.images[reference] = archive
		return nil
	})
	logging := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(logging)
	flags.Var(logging.Lookup("v").Value, "v", "`level` of the log on standard error")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.Dir == "" || o.AuditPolicy == "" || o.sandbox == "":
		return o, errors.New("the flags -dir, -audit-policy and -sandbox are required")
	case port > 65535:
		return o, fmt.Errorf("the port %d is out of range", port)
	}
	o.Port = uint16(port)
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("finding the folder of the machine: %w", err)
	}
	o.Dir = dir
	return o, nil
}
