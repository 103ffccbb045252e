package harness

import (
	"context"
	"time"

	"rolecall/harness/cluster"
)

// Use is what a run may do with a cluster of ours.
type Use int

const (
	// Reuse takes the cluster as it is and leaves it for the next run.
	Reuse Use = iota
	// Fresh creates the cluster for this run and deletes it afterwards.
	Fresh
	// Renew takes the cluster that the last run handed on and proves that it is as
	// it was when new, or creates it. It hands it on where nothing odd happened.
	Renew
)

// lock keeps other runs out of a cluster of ours. Elsewhere each run has
// namespaces of its own.
func (o Options) lock(ctx context.Context, c cluster.Cluster) (release func(), err error) {
	owned, ours := c.(cluster.Owned)
	if !ours {
		return func() {}, nil
	}
	return cluster.Lock(ctx, o.Home, owned, o.say)
}

func (o Options) say(line string) {
	if o.Say != nil {
		o.Say(line)
	}
}

// enter brings the cluster up in the state that the run asks for, and returns
// how many runs it has served.
func (o Options) enter(ctx context.Context, c cluster.Cluster) (served int, err error) {
	owned, ours := c.(cluster.Owned)
	if !ours || o.Use == Reuse {
		return 0, c.Up(ctx)
	}
	if o.Use == Renew {
		if served, taken := o.takeOver(ctx, owned); taken {
			return served, nil
		}
	}
	if err := owned.Down(ctx); err != nil { // of an earlier run that was killed
		return 0, err
	}
	return 0, owned.Up(ctx)
}

// takeOver takes the cluster that the last run handed on, if there is one and it
// is as new.
func (o Options) takeOver(ctx context.Context, c cluster.Owned) (served int, taken bool) {
	served, handedOn := c.TakeOver()
	if !handedOn || !c.Running(ctx) {
		return 0, false
	}
	err := c.Up(ctx)
	if err == nil {
		err = c.Renew(ctx, served)
	}
	if err != nil {
		o.say("replacing the cluster " + c.Name() + ": " + err.Error())
	}
	return served, err == nil
}

// leaves bounds what is done after an interruption: deleting a cluster.
const leaves = 2 * time.Minute

// leave ends the run's use of the cluster, also after an interruption. It has
// served that many runs now; odd says why it shall serve no other, or "".
func (o Options) leave(ctx context.Context, c cluster.Cluster, served int, odd string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaves)
	defer cancel()
	owned, ours := c.(cluster.Owned)
	switch {
	case !ours || o.Use == Reuse:
		return c.Leave(ctx)
	case o.Use == Renew && odd == "":
		return owned.HandOn(served)
	case o.Use == Renew:
		o.say("the cluster " + owned.Name() + " is not used again: " + odd)
	}
	return owned.Down(ctx)
}
