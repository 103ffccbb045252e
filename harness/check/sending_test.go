package check

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAProgramsTimeBeginsWhenItIsSent: how long the sending takes does not count.
func TestAProgramsTimeBeginsWhenItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended time.Time
		began := time.Now()
		s := send([]byte("program"), ProgramTime, func() { ended = time.Now() })
		_, err := io.ReadFull(s, make([]byte, 3))
		require.NoError(t, err)
		time.Sleep(sendTime - time.Second)
		assert.False(t, s.done())
		_, err = io.ReadAll(s)
		require.NoError(t, err)
		assert.True(t, s.done())
		time.Sleep(ProgramTime + time.Second)
		synctest.Wait()
		assert.Equal(t, sendTime-time.Second+ProgramTime, ended.Sub(began))
		assert.Equal(t, ProgramTime+time.Second, s.since())
	})
}

func TestAProgramThatCannotBeSentEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended time.Time
		began := time.Now()
		s := send([]byte("program"), ProgramTime, func() { ended = time.Now() })
		_, err := io.ReadFull(s, make([]byte, 3))
		require.NoError(t, err)
		time.Sleep(2 * sendTime)
		synctest.Wait()
		assert.False(t, s.done())
		assert.Equal(t, sendTime, ended.Sub(began))
	})
}
