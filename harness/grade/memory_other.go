//go:build !linux

package grade

// freeMemory is unknown here; the number of processors decides.
func freeMemory() int64 { return 0 }
