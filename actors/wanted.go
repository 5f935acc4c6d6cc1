package actors

import "context"

type wantedKey struct{}

// WhileWanted tells those who try again that a request is worth it only while
// wanted holds: that its client is still there.
func WhileWanted(ctx context.Context, wanted func() bool) context.Context {
	return context.WithValue(ctx, wantedKey{}, wanted)
}

// Wanted says whether somebody still waits for the answer to a request.
func Wanted(ctx context.Context) bool {
	wanted, ok := ctx.Value(wantedKey{}).(func() bool)
	return ctx.Err() == nil && (!ok || wanted())
}
