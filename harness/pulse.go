package harness

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	beat     = 500 * time.Millisecond
	patience = 3 * time.Second // a cluster that takes longer to answer falters
	giveUp   = 3               // misses in a row after which waiting is in vain
)

// Pulse watches the API server while checks run. It exists so that a cluster
// that falters is never taken for a learner's mistake, nor waited for without
// end. A nil *Pulse finds nothing wrong.
type Pulse struct {
	answer func(context.Context) error

	mu     sync.Mutex
	inARow int
	missed []miss
	lost   chan struct{} // closed while the cluster is given up
}

type miss struct {
	at  time.Time
	err error
}

// Watch feels the pulse by asking for an answer again and again, until ctx is
// done.
func Watch(ctx context.Context, answer func(context.Context) error) *Pulse {
	p := &Pulse{answer: answer, lost: make(chan struct{})}
	go func() {
		ticks := time.NewTicker(beat)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				p.feel(ctx)
			}
		}
	}()
	return p
}

// Missed feels once more and returns the first miss since a moment, if any.
func (p *Pulse) Missed(ctx context.Context, since time.Time) error {
	if p == nil {
		return nil
	}
	p.feel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.missed {
		if m.at.After(since) {
			return m.err
		}
	}
	return nil
}

// While is a context that also ends when the cluster is given up.
func (p *Pulse) While(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if p == nil {
		return ctx, cancel
	}
	p.mu.Lock()
	lost := p.lost
	p.mu.Unlock()
	go func() {
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (p *Pulse) feel(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := p.answer(bounded)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil && p.inARow >= giveUp:
		p.inARow, p.lost = 0, make(chan struct{})
	case err == nil:
		p.inARow = 0
	default:
		p.missed = append(p.missed, miss{time.Now(), fmt.Errorf("the API server did not answer: %w; type make status, then make up", err)})
		if p.inARow++; p.inARow == giveUp {
			close(p.lost)
		}
	}
}
