package check

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"
)

// settle is how long Since waits for the log to show all that happened.
const settle = 10 * time.Second

// maxEvents bounds the memory that one run's events may take.
const maxEvents = 200_000

// Audit follows the API server's audit log from the moment it is opened.
type Audit struct {
	client kubernetes.Interface

	mu      sync.Mutex
	events  []auditv1.Event
	open    map[types.UID]bool // requests received and not yet answered
	err     error
	changed chan struct{} // closed and replaced at every new event
}

// Follow reads the log until it ends or ctx is done.
func Follow(ctx context.Context, log io.ReadCloser, client kubernetes.Interface) *Audit {
	a := &Audit{client: client, open: map[types.UID]bool{}, changed: make(chan struct{})}
	context.AfterFunc(ctx, func() { log.Close() })
	go a.read(log)
	return a
}

func (a *Audit) read(log io.Reader) {
	lines := bufio.NewReaderSize(log, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			a.stop(fmt.Errorf("reading the audit log: %w; type make status", err))
			return
		}
		var event auditv1.Event
		if json.Unmarshal(line, &event) == nil && event.AuditID != "" { // a line may be half of one at the start
			a.add(event)
		}
	}
}

func (a *Audit) add(event auditv1.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) >= maxEvents {
		a.err = fmt.Errorf("reading the audit log: more than %d events in one run; type make reset and try again", maxEvents)
	} else if a.err == nil {
		if event.Stage == auditv1.StageRequestReceived {
			a.open[event.AuditID] = true
		} else {
			delete(a.open, event.AuditID)
			a.events = append(a.events, event)
		}
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *Audit) stop(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

// Mark is a point in the log: now. All that was answered before is before it.
func (a *Audit) Mark(ctx context.Context) (int, error) {
	return a.barrier(ctx)
}

// Since returns what the API server answered between the mark and now, in the
// log's order.
func (a *Audit) Since(ctx context.Context, mark int) (Requests, error) {
	end, err := a.barrier(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var requests Requests
	for _, event := range a.events[mark:end] {
		if !strings.Contains(event.RequestURI, barrierParameter) {
			requests = append(requests, RequestOf(event))
		}
	}
	return requests, nil
}

const barrierParameter = "rolecall-barrier"

// barrier sends a request nobody else could send and waits until the log shows
// it, and shows the end of every request that had begun before it.
func (a *Audit) barrier(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	nonce := string(uuid.NewUUID())
	ask := func() error {
		return a.client.Discovery().RESTClient().Get().AbsPath("/version").Param(barrierParameter, nonce).Do(ctx).Error()
	}
	if err := ask(); err != nil {
		return 0, fmt.Errorf("asking the API server for a mark in its audit log: %w; type make status", err)
	}

	again := time.NewTicker(time.Second) // the log may not have been attached yet at the first one
	defer again.Stop()
	position := -1
	before := map[types.UID]bool{}
	for {
		a.mu.Lock()
		if position < 0 {
			if position = a.find(nonce); position >= 0 {
				for id := range a.open {
					before[id] = true
				}
			}
		}
		for id := range before {
			if !a.open[id] {
				delete(before, id)
			}
		}
		end, err, changed := len(a.events), a.err, a.changed
		a.mu.Unlock()

		switch {
		case err != nil:
			return 0, err
		case position >= 0 && len(before) == 0:
			return end, nil
		}
		select {
		case <-changed:
		case <-again.C:
			if position < 0 {
				if err := ask(); err != nil {
					return 0, fmt.Errorf("asking the API server for a mark in its audit log: %w; type make status", err)
				}
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting %s for the audit log to show a request of ours: %w; type make status", settle, ctx.Err())
		}
	}
}

// find is where the event of a barrier stands, counted from the newest.
func (a *Audit) find(nonce string) int {
	for i := len(a.events) - 1; i >= 0; i-- {
		if strings.Contains(a.events[i].RequestURI, nonce) {
			return i
		}
	}
	return -1
}
