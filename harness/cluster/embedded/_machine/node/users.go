package node

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// accounts are an image's own users and groups.
type accounts struct{ passwd, group []byte }

// identity is whom a container's process runs as.
type identity struct {
	user, group int64
	groups      []int64
	home        string // as passwd has it, / for a user that it does not list
}

// user finds the user that an image names: a number or a name, and after a
// colon perhaps a group. Numeric is false for a name.
func (a accounts) user(named string) (id identity, numeric bool, err error) {
	user, group, hasGroup := strings.Cut(named, ":")
	if user == "" {
		user = "0"
	}
	uid, err := strconv.ParseInt(user, 10, 64)
	numeric = err == nil
	if !numeric {
		line := a.line(a.passwd, 0, user)
		if len(line) < 4 {
			return id, false, fmt.Errorf("unable to find user %s: no matching entries in passwd file", user)
		}
		uid, _ = strconv.ParseInt(line[2], 10, 64)
	}
	id = a.byID(uid)
	if !hasGroup {
		return id, numeric, nil
	}
	gid, err := strconv.ParseInt(group, 10, 64)
	if err != nil {
		line := a.line(a.group, 0, group)
		if len(line) < 3 {
			return id, numeric, fmt.Errorf("unable to find group %s: no matching entries in group file", group)
		}
		gid, _ = strconv.ParseInt(line[2], 10, 64)
	}
	id.group = gid
	return id, numeric, nil
}

// byID is a user with the group that passwd gives it, else group 0, and with
// the groups that list it.
func (a accounts) byID(uid int64) identity {
	id := identity{user: uid, home: "/"}
	line := a.line(a.passwd, 2, strconv.FormatInt(uid, 10))
	if len(line) < 4 {
		return id
	}
	id.group, _ = strconv.ParseInt(line[3], 10, 64)
	if len(line) > 5 {
		id.home = line[5]
	}
	for text := range strings.Lines(string(a.group)) {
		fields := strings.Split(strings.TrimSpace(text), ":")
		if len(fields) < 4 || !slices.Contains(strings.Split(fields[3], ","), line[0]) {
			continue
		}
		if gid, err := strconv.ParseInt(fields[2], 10, 64); err == nil {
			id.groups = append(id.groups, gid)
		}
	}
	return id
}

// line is the first whose field has the value.
func (accounts) line(file []byte, field int, value string) []string {
	for text := range strings.Lines(string(file)) {
		fields := strings.Split(strings.TrimSpace(text), ":")
		if len(fields) > field && fields[field] == value {
			return fields
		}
	}
	return nil
}
