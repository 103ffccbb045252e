package embedded

import (
	"context"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/debian"
	"rolecall/harness/cluster/internal/labimage"
	"rolecall/harness/cluster/internal/onefile"
	"rolecall/harness/cluster/internal/owned"
)

const (
	provider = "embedded"
	machine  = "machine" // the folder, in rolecall's, of the compiled programs
)

// Provider starts clusters without a container engine.
type Provider struct{ cluster.Options }

// Name is the provider's name.
func (Provider) Name() string { return provider }

// Cluster returns the embedded cluster of that name.
func (p Provider) Cluster(name string) cluster.Cluster {
	return &Cluster{owned.New(p.Options, provider, name)}
}

// Quick reports that clusters start within seconds.
func (Provider) Quick() bool { return true }

// Available reports why no embedded cluster can be started here.
func (Provider) Available(context.Context) error {
	_, err := Possible()
	return err
}

// Clean deletes the programs, compiled or unpacked, and the lab image and the
// packages that it was made of.
func (p Provider) Clean(context.Context) error {
	return cluster.Delete(p.Home, machine, onefile.Folder, labimage.Folder, debian.Folder)
}
