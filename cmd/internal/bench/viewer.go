package bench

// viewerState is where a viewer is in its connection's life.
type viewerState uint8

const (
	away       viewerState = iota // not connected, and not about to be
	queued                        // waits for its turn to join
	waiting                       // will connect at retryAt
	connecting                    // the connection is being made
	asking                        // the request is sent
	opening                       // the response head is there, the first event isn't
	watching                      // joined
	broken                        // given up: refused, or its stream can't be understood
)

// viewer is one stream, with the place in its reader's table where it is.
// It belongs to its reader's thread.
type viewer struct {
	stream stream
	fd     int32
	gen    int32 // of the connection, so that events of an earlier one are told apart
	state  viewerState

	stalled bool // is to stop reading after it has joined
	silent  bool // has stopped reading
	resumes bool // the connection under way is a resumption
	round   int  // the last await.round it was counted in

	tries   int
	retry   int   // the server's reconnection time in milliseconds
	retryAt int64 // when to connect again
	dialled int64 // when the connection was begun
	headAt  int64 // when its response head came

	last   uint64 // highest id received
	joined int64  // what is sent later must arrive
	gaps   []gap
}

// connected says whether there is a socket.
func (v *viewer) connected() bool { return v.state >= connecting && v.state <= watching }
