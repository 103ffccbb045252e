package debian

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds a line of a control file, in bytes. Real ones stay below 64 KB.
const maxLine = 1 << 20

// paragraph holds the fields of one paragraph of a control file. The lines of
// a folded field are kept apart by newlines.
type paragraph map[string]string

// paragraphs calls visit for each paragraph of a control file as Debian policy
// 5.1 describes it.
func paragraphs(r io.Reader, visit func(paragraph) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	p, field, number := paragraph{}, "", 0
	end := func() error {
		if len(p) == 0 {
			return nil
		}
		done := p
		p, field = paragraph{}, ""
		return visit(done)
	}

	for lines.Scan() {
		number++
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "":
			if err := end(); err != nil {
				return err
			}
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if field == "" {
				return fmt.Errorf("line %d continues no field", number)
			}
			p[field] += "\n" + strings.TrimSpace(line)
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok || name == "" {
				return fmt.Errorf("line %d is no field: %.60q", number, line)
			}
			if _, twice := p[name]; twice {
				return fmt.Errorf("line %d repeats the field %.60q", number, name)
			}
			field = name
			p[field] = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("line %d is longer than %d bytes", number+1, maxLine)
		}
		return err
	}
	return end()
}
