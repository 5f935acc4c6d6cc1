package cluster

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

func quietSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
}

func TestAQuestionHasOneAnswer(t *testing.T) {
	system := quietSystem()
	pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if text, ok := ctx.Message().(string); ok {
			ctx.Respond(text + "!")
			ctx.Respond("another one")
		}
	}))
	q := ask(system, pid, "hello")
	if answer, err := q.wait(time.Minute); err != nil || answer != "hello!" {
		t.Errorf("%v, %v", answer, err)
	}
	q.end()
	system.Root.Stop(pid)
	gone := ask(system, actor.NewPID(system.Address(), "nobody"), "hello")
	defer gone.end()
	if answer, err := gone.wait(time.Minute); !errors.Is(err, actor.ErrDeadLetter) {
		t.Errorf("nobody says %v, %v", answer, err)
	}
}

// An answer may come at the very moment at which it is waited for no longer: the
// race detector looks on.
func TestAnAnswerThatComesLateDoesNoHarm(t *testing.T) {
	system := quietSystem()
	pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if d, ok := ctx.Message().(time.Duration); ok {
			time.Sleep(d)
			ctx.Respond("answer")
		}
	}))
	for range 300 {
		q := ask(system, pid, time.Millisecond)
		if answer, err := q.wait(time.Millisecond); err == nil && answer != "answer" || err != nil && !errors.Is(err, actor.ErrTimeout) {
			t.Errorf("%v, %v", answer, err)
		}
		q.end()
	}
}
