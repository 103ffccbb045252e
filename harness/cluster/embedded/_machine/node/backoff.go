package node

import "time"

// backOff is the kubelet's delay before a failed container is started again:
// the first restart is at once, then 10 s after the end, doubling up to 5 min.
// A container that ran for ten minutes starts over.
type backOff struct {
	delay time.Duration
	last  time.Time // of the last start that was counted
}

const (
	firstBackOff = 10 * time.Second
	maxBackOff   = 5 * time.Minute
)

// after says how long a container that ended must still wait, and counts the
// start that follows.
func (b *backOff) after(ended, now time.Time) (wait, delay time.Duration) {
	if b.delay == 0 || ended.Sub(b.last) > 2*maxBackOff {
		b.delay, b.last = firstBackOff, now
		return 0, 0
	}
	delay = b.delay
	wait = max(0, delay-now.Sub(ended))
	b.delay = min(2*b.delay, maxBackOff)
	b.last = now.Add(wait)
	return wait, delay
}
