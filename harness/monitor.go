package harness

import (
	"context"
	"sync"
	"time"

	"rolecall/harness/next"
)

const (
	pollEvery = 500 * time.Millisecond
	patience  = 3 * time.Second // a cluster that takes longer to answer counts as away
	giveUp    = 3               // misses in a row after which waiting is pointless
)

// Monitor polls the API server while checks run, so that a cluster that stops
// responding is never taken for a learner's mistake, nor waited for without
// end. A nil *Monitor finds nothing wrong.
type Monitor struct {
	probe func(context.Context) error

	mu     sync.Mutex
	inARow int
	missed []miss
	lost   chan struct{} // closed while the cluster is given up
}

type miss struct {
	at  time.Time
	err error
}

// Watch polls with probe until ctx is done.
func Watch(ctx context.Context, probe func(context.Context) error) *Monitor {
	m := &Monitor{probe: probe, lost: make(chan struct{})}
	go func() {
		ticks := time.NewTicker(pollEvery)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				m.poll(ctx)
			}
		}
	}()
	return m
}

// Missed polls once more and returns the first miss since a moment, if any.
func (m *Monitor) Missed(ctx context.Context, since time.Time) error {
	if m == nil {
		return nil
	}
	m.poll(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, miss := range m.missed {
		if miss.at.After(since) {
			return miss.err
		}
	}
	return nil
}

// While returns a context that also ends when the cluster is given up.
func (m *Monitor) While(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if m == nil {
		return ctx, cancel
	}
	m.mu.Lock()
	lost := m.lost
	m.mu.Unlock()
	go func() {
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (m *Monitor) poll(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := m.probe(bounded)
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && m.inARow >= giveUp:
		m.inARow, m.lost = 0, make(chan struct{})
	case err == nil:
		m.inARow = 0
	default:
		m.missed = append(m.missed, miss{time.Now(), next.Errorf("make status, then make up", "the API server did not answer: %w", err)})
		if m.inARow++; m.inARow == giveUp {
			close(m.lost)
		}
	}
}
