package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"golang.org/x/sys/unix"
)

func init() {
	// etcd sets two log files of this size aside before anything is written.
	wal.SegmentSizeBytes = 4 << 20
}

// database is the running etcd. Only the machine's user can reach it: its
// socket is in a folder of that user.
type database struct {
	server   *embed.Etcd
	endpoint string
}

// startDatabase starts an empty etcd below dir. It is not ready when this
// returns, but can be connected to.
func startDatabase(dir string) (*database, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making etcd's folder: %w", err)
	}
	socket, err := shortPath(dir, "etcd.sock")
	if err != nil {
		return nil, err
	}
	nowhere := url.URL{Scheme: "http", Host: "127.0.0.1:1"} // the only member has no peers to listen to
	config := embed.NewConfig()
	config.Dir = filepath.Join(dir, "data")
	config.ListenClientUrls = []url.URL{{Scheme: "unix", Path: socket}}
	config.AdvertiseClientUrls = config.ListenClientUrls
	config.ListenPeerUrls = nil
	config.AdvertisePeerUrls = []url.URL{nowhere}
	config.InitialCluster = config.Name + "=" + nowhere.String()
	// Alone, a member waits up to two election timeouts for others to stand.
	config.TickMs, config.ElectionMs = 20, 100
	config.MaxTxnOps = 1024     // seed writes all at once
	config.UnsafeNoFsync = true // nothing outlives the machine
	config.LogLevel = "fatal"   // its errors are those of a member that joins others
	config.LogOutputs = []string{"stderr"}
	config.SnapshotCount = 1000 // entries of the log are kept in memory until then
	config.SnapshotCatchUpEntries = 100
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	return &database{server: server, endpoint: "unix://" + socket}, nil
}

// waitReady returns when etcd answers.
func (d *database) waitReady(ctx context.Context) error {
	select {
	case <-d.server.Server.ReadyNotify():
		return nil
	case err := <-d.server.Err():
		return fmt.Errorf("running etcd: %w", err)
	case <-time.After(10 * time.Second):
		return fmt.Errorf("starting etcd: not ready after 10 s")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run returns when ctx is done, or with an error when etcd has ended by itself.
// Where it cannot write, to a full disk, it ends the process.
func (d *database) run(ctx context.Context) error {
	select {
	case err := <-d.server.Err():
		return fmt.Errorf("running etcd: %w", err)
	case <-d.server.Server.StopNotify():
		return errors.New("running etcd: it ended by itself")
	case <-ctx.Done():
		return nil
	}
}

// compact drops every version of a key but the newest.
func (d *database) compact(ctx context.Context) error {
	client := v3client.New(d.server.Server)
	now, err := client.Get(ctx, registry)
	if err == nil {
		_, err = client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err != nil {
		return fmt.Errorf("compacting etcd: %w", err)
	}
	return nil
}

// shortPath returns a path of the file name in dir that fits into the 108
// bytes of a socket's address however long dir is. It holds in this process
// for as long as it lives.
func shortPath(dir, name string) (string, error) {
	folder, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("opening etcd's folder: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder, name), nil
}
