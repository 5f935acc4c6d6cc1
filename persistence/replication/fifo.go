package replication

// fifo is a queue in a slice that is used again.
type fifo[T any] struct {
	all  []T
	head int
}

func (f *fifo[T]) len() int   { return len(f.all) - f.head }
func (f *fifo[T]) at(i int) T { return f.all[f.head+i] }

func (f *fifo[T]) push(v T) {
	if f.head > 64 && f.head > len(f.all)/2 {
		n := copy(f.all, f.all[f.head:])
		clear(f.all[n:])
		f.all, f.head = f.all[:n], 0
	}
	f.all = append(f.all, v)
}

func (f *fifo[T]) pop() T {
	var none T
	v := f.all[f.head]
	f.all[f.head] = none
	f.head++
	if f.head == len(f.all) {
		f.all, f.head = f.all[:0], 0
		if cap(f.all) > 4096 {
			f.all = nil // after a backlog
		}
	}
	return v
}

// cut keeps the first n.
func (f *fifo[T]) cut(n int) {
	clear(f.all[f.head+n:])
	f.all = f.all[:f.head+n]
}
