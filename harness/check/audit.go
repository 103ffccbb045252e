package check

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rolecall/harness/next"
)

const (
	// catchesUp bounds how long the log may take to show what has happened.
	catchesUp = 10 * time.Second
	// attaches is how long to wait for a log that may not have been attached in
	// time to show a request, before sending another.
	attaches = 100 * time.Millisecond
	// maxRecord is how many bytes of requests are kept between two marks.
	maxRecord = 64 << 20
)

// Audit follows the API server's audit log from the moment it is opened.
type Audit struct {
	client kubernetes.Interface
	own    string // our user name at the API server
	agent  string // our program's name there

	mu       sync.Mutex
	requests Requests              // answered since the mark
	size     int                   // of requests, in bytes
	flooded  bool                  // there were more since the mark than are kept
	deeds    Requests              // of our own, since they were asked for
	open     map[types.UID]Request // received and not yet answered
	going    map[types.UID]bool    // answered, and the answer goes on: a watch
	barriers map[string]bool       // the nonces sent; true once the log showed them
	err      error
	changed  chan struct{} // closed and replaced at every new event
}

// Self is our own user name at the API server.
func Self(ctx context.Context, client kubernetes.Interface) (string, error) {
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", next.Errorf("make status", "asking the API server for our own name: %w", err)
	}
	return review.Status.UserInfo.Username, nil
}

// Follow reads the log until it ends or ctx is done. own is the name that
// client's requests have in it.
func Follow(ctx context.Context, log io.ReadCloser, client kubernetes.Interface, own string) *Audit {
	a := &Audit{client: client, own: own, agent: rest.DefaultKubernetesUserAgent(), open: map[types.UID]Request{}, going: map[types.UID]bool{}, barriers: map[string]bool{}, changed: make(chan struct{})}
	context.AfterFunc(ctx, func() { log.Close() })
	go a.read(log)
	return a
}

func (a *Audit) read(log io.Reader) {
	lines := bufio.NewReaderSize(log, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			a.update(func() { a.err = next.Errorf("make status", "reading the audit log: %w", err) })
			return
		}
		var event auditv1.Event
		if json.Unmarshal(line, &event) == nil && event.AuditID != "" { // a line may be half of one at the start
			a.update(func() { a.add(event) })
		}
	}
}

// update changes what is known and wakes whoever waits for it.
func (a *Audit) update(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *Audit) add(event auditv1.Event) {
	if nonce := a.barrierOf(event); nonce != "" {
		a.barriers[nonce] = a.barriers[nonce] || event.Stage != auditv1.StageRequestReceived
		return
	}
	r := RequestOf(event)
	if event.Stage == auditv1.StageRequestReceived {
		a.open[event.AuditID] = r
		return
	}
	delete(a.open, event.AuditID)
	if a.going[event.AuditID] { // it was counted when the answer began
		delete(a.going, event.AuditID)
		return
	}
	if event.Stage == auditv1.StageResponseStarted {
		a.going[event.AuditID] = true
	}
	if a.isDeed(event, r) && len(a.deeds) < maxDeeds {
		a.deeds = append(a.deeds, r)
	}
	if a.flooded = a.flooded || a.size+r.size() > maxRecord; !a.flooded {
		a.requests, a.size = append(a.requests, r), a.size+r.size()
	}
}

// barrierParameter carries the nonce of a barrier.
const barrierParameter = "rolecall-barrier"

// barrierOf is the nonce of an event that is a barrier, or "". Whoever else
// sends a request that looks like one is a caller like any other.
func (a *Audit) barrierOf(event auditv1.Event) string {
	if event.User.Username != a.own {
		return ""
	}
	uri, err := url.Parse(event.RequestURI)
	if err != nil {
		return ""
	}
	nonce := uri.Query().Get(barrierParameter)
	if _, sent := a.barriers[nonce]; !sent {
		return ""
	}
	return nonce
}

// Mark makes Since begin here: what was answered before is forgotten.
func (a *Audit) Mark(ctx context.Context) error {
	if err := a.barrier(ctx, true); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests, a.size, a.flooded = nil, 0, false
	return nil
}

// Since returns what the API server answered since the mark, in the log's
// order. A *Failure says that a program made that impossible.
func (a *Audit) Since(ctx context.Context) (Requests, error) {
	if err := a.barrier(ctx, true); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flooded {
		return nil, &Failure{
			Want: "a program that makes the requests that it is asked for",
			Got:  fmt.Sprintf("so many requests that the record of them is larger than %d MiB", maxRecord>>20),
			Hint: "Make each request once; look for a loop around the call.",
		}
	}
	return append(Requests{}, a.requests...), nil
}

// barrier sends a request that nobody else could send and waits until the log
// shows it. With underWay it waits for the end of every request, too, that had
// begun before it.
func (a *Audit) barrier(ctx context.Context, underWay bool) error {
	bounded, cancel := context.WithTimeout(ctx, catchesUp)
	defer cancel()
	nonce := string(uuid.NewUUID())
	if err := a.send(bounded, nonce); err != nil {
		return err
	}
	again := time.NewTicker(attaches) // the log may not have been attached yet at the first one
	defer again.Stop()
	var begun map[types.UID]bool // before the barrier, and not over yet
	for {
		a.mu.Lock()
		if begun == nil && a.barriers[nonce] {
			begun = map[types.UID]bool{}
			for id := range a.open {
				if underWay {
					begun[id] = true
				}
			}
		}
		var waiting []string
		for id := range begun {
			if r, open := a.open[id]; open {
				waiting = append(waiting, r.asked())
			} else {
				delete(begun, id)
			}
		}
		err, changed := a.err, a.changed
		a.mu.Unlock()

		switch {
		case err != nil:
			return err
		case begun != nil && len(waiting) == 0:
			return nil
		}
		select {
		case <-changed:
		case <-again.C:
			if begun == nil {
				if err := a.send(bounded, nonce); err != nil && bounded.Err() == nil {
					return err
				}
			}
		case <-bounded.Done():
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case len(waiting) > 0:
				return leftOpen(slices.Min(waiting))
			}
			return next.Errorf("make status", "waiting for the audit log: it did not show our own request within %s", catchesUp)
		}
	}
}

// send sends a barrier's request.
func (a *Audit) send(ctx context.Context, nonce string) error {
	a.mu.Lock()
	if _, sent := a.barriers[nonce]; !sent {
		a.barriers[nonce] = false
	}
	a.mu.Unlock()
	if err := a.client.Discovery().RESTClient().Get().AbsPath("/version").Param(barrierParameter, nonce).Do(ctx).Error(); err != nil {
		return next.Errorf("make status", "marking the audit log: %w", err)
	}
	return nil
}

// leftOpen fails a program for a request that outlived it.
func leftOpen(request string) error {
	return &Failure{
		Want: "every request is over when the program ends",
		Got:  fmt.Sprintf("one that was still open %s later: %s", catchesUp, request),
		Hint: "Read each answer to its end, and give each request a time limit (curl --max-time 10).",
	}
}
