package controlplane

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
)

// runControllerManager runs every controller that is on by default. The API
// server must be healthy by then.
func runControllerManager(ctx context.Context, p *pki) error {
	options, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return fmt.Errorf("making kube-controller-manager's options: %w", err)
	}
	known, disabled, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	flags := []string{
		"--kubeconfig=" + p.file("controllers.kubeconfig"),
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--root-ca-file=" + p.file("ca.crt"),
		"--service-account-private-key-file=" + p.file("sa.key"),
		"--cluster-signing-cert-file=" + p.file("ca.crt"),
		"--cluster-signing-key-file=" + p.file("ca.key"),
		"--kube-api-qps=1000",
		"--kube-api-burst=1000",
	}
	if err := parse(options.Flags(known, disabled, aliases), flags); err != nil {
		return fmt.Errorf("setting kube-controller-manager's flags: %w", err)
	}
	config, err := options.Config(ctx, known, disabled, aliases)
	if err != nil {
		return fmt.Errorf("configuring kube-controller-manager: %w", err)
	}
	if err := app.Run(ctx, config.Complete()); err != nil {
		return fmt.Errorf("running kube-controller-manager: %w", err)
	}
	return nil
}
