package kind

import (
	"context"
	"fmt"
	"strings"
	"time"

	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/log"

	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// kindCreate runs kind's Create, which takes no context: when ctx is done the
// unfinished node is deleted again and again until it gives up.
func (c *Cluster) kindCreate(ctx context.Context, config []byte, task *progress.Task) error {
	provider := c.provider(task)
	result := make(chan error, 1)
	go func() {
		result <- provider.Create(c.Name(),
			kindcluster.CreateWithRawConfig(config),
			kindcluster.CreateWithKubeconfigPath(c.Kubeconfig()),
			kindcluster.CreateWithDisplayUsage(false),
			kindcluster.CreateWithDisplaySalutation(false),
		)
	}()
	select {
	case err := <-result:
		if err != nil {
			return next.Errorf("make doctor", "creating the cluster %s: %w", c.Name(), err)
		}
		return nil
	case <-ctx.Done():
	}
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		_ = c.provider(nil).Delete(c.Name(), c.Kubeconfig()) // it may not exist yet; the last word is Down's
		select {
		case <-result:
			return fmt.Errorf("creating the cluster %s: %w", c.Name(), ctx.Err())
		case <-again.C:
		}
	}
}

// logger turns kind's messages into the detail of a task.
type logger struct {
	task *progress.Task
}

func (l logger) Warn(string)                      {}
func (l logger) Warnf(string, ...any)             {}
func (l logger) Error(string)                     {}
func (l logger) Errorf(string, ...any)            {}
func (l logger) V(level log.Level) log.InfoLogger { return info{l.task, level == 0} }

type info struct {
	task *progress.Task
	on   bool
}

func (i info) Enabled() bool { return i.on }

func (i info) Info(message string) {
	if step, ok := strings.CutPrefix(strings.TrimSpace(message), "• "); ok && i.on {
		i.task.Update(strings.ToLower(strings.Trim(strings.Map(ascii, step), " .")))
	}
}

func (i info) Infof(format string, args ...any) { i.Info(fmt.Sprintf(format, args...)) }

// ascii drops kind's emoji.
func ascii(r rune) rune {
	if r > 127 {
		return -1
	}
	return r
}
