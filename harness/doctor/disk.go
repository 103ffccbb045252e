package doctor

import (
	"context"
	"fmt"
)

const (
	gigabyte  = 1 << 30
	roomToRun = 2 * gigabyte // the node's own data, and an image that is pulled
	roomBuild = 6 * gigabyte // of the node's image: Go's caches, packages, layers
)

// space looks at each file system that something large is written to.
func space(ctx context.Context, m Machine, dataRoot string, imagePresent bool) []Finding {
	places := []struct{ what, dir string }{{"rolecall's folder", m.Home}}
	if !imagePresent {
		if cache, err := m.GoEnv(ctx, "GOCACHE"); err == nil {
			places = append(places, struct{ what, dir string }{"Go's build cache", cache})
		}
	}
	if dataRoot != "" && m.engineHere() {
		places = append(places, struct{ what, dir string }{"the engine's images", dataRoot})
	}

	var found []Finding
	seen := map[uint64]bool{}
	for _, p := range places {
		s, err := m.Space(p.dir)
		if err != nil || seen[s.Volume] { // a place that cannot be looked at is no reason to stop anyone
			continue
		}
		seen[s.Volume] = true
		found = append(found, room(p.what, p.dir, s, imagePresent))
	}
	return found
}

func room(what, dir string, s Space, imagePresent bool) Finding {
	says := fmt.Sprintf("%.1f GB are free where %s is (%s).", float64(s.Free)/gigabyte, what, dir)
	clean := []Advice{{"Make room; what rolecall and Go keep there can be had again", "make clean\ngo clean -cache"}}
	switch {
	case s.Free < roomToRun:
		return Finding{Fix, Disk, says + " A cluster needs 2 GB.", clean}
	case s.Free < roomBuild && !imagePresent:
		return Finding{Note, Disk, says + " That is enough if the node's image can be pulled; building it needs about 6 GB.", clean}
	}
	return Finding{OK, Disk, says, nil}
}
