package grade

import "github.com/prometheus/procfs"

// freeMemory is what programs can have without swapping, in bytes.
func freeMemory() int64 {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	info, err := fs.Meminfo()
	if err != nil || info.MemAvailableBytes == nil {
		return 0
	}
	return int64(*info.MemAvailableBytes)
}
