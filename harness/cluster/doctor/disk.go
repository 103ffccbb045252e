package doctor

import (
	"context"
	"fmt"
)

const gigabyte = 1 << 30

// What a cluster needs of a disk, measured and rounded up.
const (
	embeddedRuns  = gigabyte / 2 // its data and logs
	embeddedBuild = 5 * gigabyte // Go's two caches, and the programs
	kindRuns      = 2 * gigabyte // the node's own data, and an image that is pulled
	kindBuild     = 6 * gigabyte // Go's two caches, packages, layers
)

// volume is a folder that something large is written to.
type volume struct {
	what, dir string
	least     uint64 // bytes, without which no cluster starts
	wanted    uint64 // bytes; more than the least where something may have to be built
}

// embeddedVolumes are those of an embedded cluster.
func embeddedVolumes(ctx context.Context, m Machine, compiled bool) []volume {
	if compiled {
		return []volume{{"rolecall's folder", m.Home, embeddedRuns, embeddedRuns}}
	}
	volumes := []volume{{"rolecall's folder", m.Home, embeddedBuild, embeddedBuild}}
	for _, cache := range []struct{ what, variable string }{{"Go's build cache", "GOCACHE"}, {"Go's module cache", "GOMODCACHE"}} {
		if dir, err := m.GoEnv(ctx, cache.variable); err == nil {
			volumes = append(volumes, volume{cache.what, dir, embeddedBuild, embeddedBuild})
		}
	}
	return volumes
}

// kindVolumes are those of a kind cluster.
func kindVolumes(ctx context.Context, m Machine, e *answering, imagePresent bool) []volume {
	wanted := uint64(kindBuild)
	if imagePresent {
		wanted = kindRuns
	}
	volumes := []volume{{"rolecall's folder", m.Home, kindRuns, wanted}}
	if cache, err := m.GoEnv(ctx, "GOCACHE"); err == nil && !imagePresent {
		volumes = append(volumes, volume{"Go's build cache", cache, kindRuns, wanted})
	}
	if e != nil && m.engineHere() {
		if root := m.DataRoot(ctx, e.Engine); root != "" {
			volumes = append(volumes, volume{"the engine's images", root, kindRuns, wanted})
		}
	}
	return volumes
}

// room looks at each file system once.
func room(m Machine, volumes []volume) (found []Finding) {
	seen := map[uint64]bool{}
	for _, v := range volumes {
		s, err := m.Space(v.dir)
		if err != nil || seen[s.Volume] { // one that cannot be looked at is no reason to stop anyone
			continue
		}
		seen[s.Volume] = true
		says := fmt.Sprintf("%.1f GB are free where %s is (%s).", float64(s.Free)/gigabyte, v.what, v.dir)
		clean := []Advice{{"Make room; what rolecall and Go keep there is built or downloaded again when it is needed", "make clean\ngo clean -cache"}}
		switch {
		case s.Free < v.least:
			found = append(found, Finding{Fix, Disk, fmt.Sprintf("%s A cluster needs %.1f GB.", says, float64(v.least)/gigabyte), clean})
		case s.Free < v.wanted:
			found = append(found, Finding{Note, Disk, fmt.Sprintf("%s That is enough if the node's image can be pulled; building it needs about %.0f GB.", says, float64(v.wanted)/gigabyte), clean})
		default:
			found = append(found, Finding{OK, Disk, says, nil})
		}
	}
	return found
}
