package check

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sends begins to send a program, of which a few bytes are read at once. ended is
// when it was told to end, after that began.
func sends(t *testing.T) (s *sending, ended *time.Duration) {
	t.Helper()
	began := time.Now()
	ended = new(time.Duration)
	s = send([]byte("program"), ProgramTime, func() { *ended = time.Since(began) })
	_, err := io.ReadFull(s, make([]byte, 3))
	require.NoError(t, err)
	return s, ended
}

// TestAProgramsTimeBeginsWhenItIsSent: how long the sending takes does not count.
func TestAProgramsTimeBeginsWhenItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ended := sends(t)
		time.Sleep(sendTime - time.Second)
		_, done := s.done()
		assert.False(t, done)
		_, err := io.ReadAll(s)
		require.NoError(t, err)
		_, done = s.done()
		assert.True(t, done)
		time.Sleep(ProgramTime + time.Second)
		synctest.Wait()
		assert.Equal(t, sendTime-time.Second+ProgramTime, *ended)
		ago, _ := s.done()
		assert.Equal(t, ProgramTime+time.Second, ago)
	})
}

func TestAProgramThatCannotBeSentEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ended := sends(t)
		time.Sleep(2 * sendTime)
		synctest.Wait()
		_, done := s.done()
		assert.False(t, done)
		assert.Equal(t, sendTime, *ended)
	})
}
