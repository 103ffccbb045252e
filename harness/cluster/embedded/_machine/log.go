package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/klog/v2"
)

const (
	// logSize is where a log is begun anew, in bytes. What it held until then
	// is kept in a file beside it, in the place of what was kept before.
	logSize = 16 << 20
	// logLook is how often its size is looked at.
	logLook = time.Second
)

// boundLog keeps a log from growing without end, for as long as the process
// lives. The log must be open for appending: agents write to it too.
func boundLog(log *os.File) {
	for range time.Tick(logLook) {
		if err := beginAnew(log, logSize); err != nil {
			klog.ErrorS(err, "Bounding the log")
		}
	}
}

// beginAnew empties a log that has become too long. What is no file, such as
// a terminal, stays as it is.
func beginAnew(log *os.File, size int64) error {
	about, err := log.Stat()
	if err != nil || !about.Mode().IsRegular() || about.Size() < size {
		return err
	}
	if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", log.Fd())); err == nil && keep(name) != nil {
		_ = os.Remove(name + ".1") // the disk may be full
	}
	return log.Truncate(0)
}

// keep copies a log: its writers go on with the file that they have open.
func keep(name string) error {
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(name+".1", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if closed := to.Close(); err == nil {
		err = closed
	}
	return err
}
