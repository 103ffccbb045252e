package node

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
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
	name, _, _ := strings.Cut(named, ":")
	_, err = strconv.ParseInt(name, 10, 64)
	numeric = err == nil || name == ""
	id, err = a.find(named)
	return id, numeric, err
}

// byID is a user with the group that passwd gives it, else group 0, and with
// the groups that list it.
func (a accounts) byID(uid int64) identity {
	id, err := a.find(strconv.FormatInt(uid, 10))
	if err != nil { // it is larger than any that passwd may list
		return identity{user: uid, home: "/"}
	}
	return id
}

func (a accounts) find(named string) (identity, error) {
	found, err := user.GetExecUser(named, nil, bytes.NewReader(a.passwd), bytes.NewReader(a.group))
	if err != nil {
		return identity{}, err
	}
	id := identity{user: int64(found.Uid), group: int64(found.Gid), home: found.Home}
	if id.home == "" {
		id.home = "/"
	}
	for _, group := range found.Sgids {
		id.groups = append(id.groups, int64(group))
	}
	return id, nil
}
