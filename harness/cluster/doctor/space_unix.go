//go:build linux || darwin

package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// spaceAt climbs to the nearest folder that exists.
func spaceAt(dir string) (Space, error) {
	info, err := os.Stat(dir)
	for errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir)
		info, err = os.Stat(dir)
	}
	if err != nil {
		return Space{}, err
	}

	var volume syscall.Statfs_t
	if err := syscall.Statfs(dir, &volume); err != nil {
		return Space{}, err
	}
	return Space{
		Volume: uint64(info.Sys().(*syscall.Stat_t).Dev),
		Free:   volume.Bavail * uint64(volume.Bsize),
	}, nil
}
