package command

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUnbroken(t *testing.T) {
	text := "# Title\nOne line\nand the next.\n\nA new one.\n- an entry\n  that goes on\n- another\n\n| a | b |\n|---|---|\n| 1 | 2 |\n```sh\ncode stays\nas it is\n```\nAfter\nit.\n> quoted\ngoes on\n"
	assert.Equal(t, "# Title\nOne line and the next.\n\nA new one.\n- an entry that goes on\n- another\n\n| a | b |\n|---|---|\n| 1 | 2 |\n```sh\ncode stays\nas it is\n```\nAfter it.\n> quoted goes on\n", unbroken(text))
}
