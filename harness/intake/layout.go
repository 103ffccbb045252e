package intake

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// layout is a submission on its way into a folder of ours. The folder is an
// os.Root, so that no name, however made, leads out of it.
type layout struct {
	*Intake
	root    *os.Root
	room    int64               // bytes that may still come out
	entries int                 // that were seen
	around  []string            // folders that hold lab folders; "" is the top
	strays  map[string][]string // in each of those, lab folders that the course does not have
}

// path is where an entry of an archive goes, or "" for one that is no part of
// any lab. What would lead out of the folder is refused wherever it is.
func (l *layout) path(name string) (string, error) {
	if l.entries++; l.entries > maxEntries {
		return "", l.tooMany()
	}
	parts := strings.Split(name, "/")
	if strings.HasPrefix(name, "/") || len(name) > 1 && name[1] == ':' || slices.Contains(parts, "..") {
		return "", refuse("it holds %s, whose name leads out of the submission; pack it again from inside your folder", shown(name))
	}
	parts = strings.Split(path.Clean(name), "/")
	wrapper := ""
	if !l.wanted(parts[0]) && len(parts) > 1 && parts[0] != macOS && (l.wanted(parts[1]) || !l.stray(parts[0])) {
		wrapper, parts = parts[0], parts[1:]
	}
	switch {
	case l.stray(parts[0]):
		if !slices.Contains(l.strays[wrapper], parts[0]) {
			l.strays[wrapper] = append(l.strays[wrapper], parts[0])
		}
		return "", nil
	case !l.wanted(parts[0]):
		return "", nil
	}
	if !slices.Contains(l.around, wrapper) {
		l.around = append(l.around, wrapper)
	}
	to := path.Join(parts...)
	return path.Join(l.folderOf(wrapper), to), decent(to)
}

// macOS is the folder that macOS adds to its archives, with a shadow of each file.
const macOS = "__MACOSX"

// folderOf is where the labs of one folder go: names of folders are not ours.
func (l *layout) folderOf(wrapper string) string {
	return strconv.Itoa(slices.Index(l.around, wrapper))
}

// decent refuses names that no lab asks for and that would mislead a reader.
func decent(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) > maxDepth {
		return refuse("it holds %s, more than %d folders deep; a lab needs one", shown(name), maxDepth)
	}
	for _, part := range parts {
		if len(part) > maxName || !utf8.ValidString(part) || strings.ContainsFunc(part, func(r rune) bool { return !unicode.IsPrint(r) || r == '\\' }) {
			return refuse("it holds a file with an odd name, %s; use the names that the lab's text gives", shown(name))
		}
	}
	return nil
}

// choose returns the folder whose labs count: the top, or the only one that has any.
func (i *Intake) choose(around []string) (string, error) {
	switch {
	case slices.Contains(around, ""):
		return "", nil
	case len(around) == 1:
		return around[0], nil
	case len(around) == 0:
		return "", refuse("it holds no lab folder (%s), neither at the top nor in one folder; hand in the folders themselves", i.labs)
	}
	slices.Sort(around)
	return "", refuse("it holds labs in %d folders, %s and %s among them; hand in one of them", len(around), shown(around[0]), shown(around[1]))
}

func (i *Intake) tooMany() error {
	return refuse("it holds more than %d files and folders; hand in %s only", maxEntries, i.labs)
}

// shown is a name in a sentence, short and printable.
func shown(name string) string {
	if len(name) > 80 {
		name = name[:80] + "…"
	}
	return fmt.Sprintf("%+q", name)
}

// folder makes a folder, and those above it.
func (l *layout) folder(to string) error {
	if err := l.root.MkdirAll(to, 0o755); err != nil {
		return clash(to, err)
	}
	return nil
}

// file writes one file that was not there before.
func (l *layout) file(to string, content io.Reader) error {
	if err := l.folder(path.Dir(to)); err != nil {
		return err
	}
	file, err := l.root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return clash(to, err)
	}
	err = l.spend(file, content)
	return errors.Join(err, file.Close())
}

// spend copies what there is room for, and refuses the rest.
func (l *layout) spend(to io.Writer, content io.Reader) error {
	n, err := io.Copy(to, io.LimitReader(content, l.room+1))
	l.room -= n
	var ours *fs.PathError // an archive's own errors are of no path
	switch {
	case l.room < 0:
		return refuse("it unpacks to far more than a submission needs, as a decompression bomb does; hand in %s only", l.labs)
	case errors.As(err, &ours):
		return noRoom(err)
	case err != nil:
		return broken(err)
	}
	return nil
}

// clash is an entry where there is another one already.
func clash(to string, err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) {
		_, name, _ := strings.Cut(to, "/")
		return refuse("it holds %s twice, or as a file and as a folder", shown(name))
	}
	return noRoom(err)
}

// broken is an archive that cannot be read to its end.
func broken(err error) error {
	return refuse("the archive is broken (%s); pack it again and try to unpack it before you hand it in", strings.ToValidUTF8(err.Error(), "?"))
}
