package journal

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// memFS is a file system that can lose power: crash answers what a disk could
// hold afterwards. Before each operation, fault is asked what goes wrong.
type memFS struct {
	mu      sync.Mutex
	free    int64
	names   map[string]*memNode // as programs see them
	durable map[string]*memNode // as the disk has them
	steps   []map[string]*memNode
	fault   func(op, name string) error
}

// memNode is a file: what programs read, what the disk has, and what was done
// since the last sync.
type memNode struct {
	name          string
	data, durable []byte
	pending       []memOp
}

// memOp is a write, or with data == nil a change of size.
type memOp struct {
	at   int64
	data []byte
}

// diskSector is what a disk writes as a whole.
const diskSector = 512

func newMemFS() *memFS {
	return &memFS{free: 1 << 40, names: map[string]*memNode{}, durable: map[string]*memNode{}}
}

// do runs f unless the operation is to fail.
func (m *memFS) do(op, name string, f func() error) error {
	m.mu.Lock()
	fault := m.fault
	m.mu.Unlock()
	if fault != nil {
		if err := fault(op, name); err != nil {
			return &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return f()
}

func (m *memFS) setFault(f func(op, name string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = f
}

func (m *memFS) setFree(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = n
}

// crash answers a file system with what survived: all that was synced, and of
// the rest whatever the dice say.
func (m *memFS) crash(rng *rand.Rand) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := m.durable
	if n := len(m.steps); n > 0 {
		if keep := rng.IntN(n + 1); keep > 0 { // changes of a folder are journalled in order
			names = m.steps[keep-1]
		}
	}
	after := newMemFS()
	for name, node := range names {
		data := slices.Clone(node.durable)
		for _, op := range node.pending {
			data = op.survive(data, rng)
		}
		kept := &memNode{name: name, data: data, durable: slices.Clone(data)}
		after.names[name], after.durable[name] = kept, kept
	}
	return after
}

func (op memOp) survive(data []byte, rng *rand.Rand) []byte {
	if op.data == nil {
		if rng.IntN(2) == 0 {
			return data
		}
		return op.apply(data)
	}
	for at := 0; at < len(op.data); {
		n := min(len(op.data)-at, diskSector-int(op.at+int64(at))%diskSector)
		if rng.IntN(2) == 0 {
			data = memOp{at: op.at + int64(at), data: op.data[at : at+n]}.apply(data)
		}
		at += n
	}
	return data
}

func (op memOp) apply(data []byte) []byte {
	if op.data == nil {
		if n := int(op.at); n <= len(data) {
			return data[:n:n]
		}
		return append(data, make([]byte, int(op.at)-len(data))...)
	}
	if end := int(op.at) + len(op.data); end > len(data) {
		data = append(data, make([]byte, end-len(data))...)
	}
	copy(data[op.at:], op.data)
	return data
}

func (m *memFS) step() { m.steps = append(m.steps, maps.Clone(m.names)) }

func (m *memFS) MkdirAll(dir string) error {
	return m.do("mkdir", dir, func() error { return nil })
}

func (m *memFS) Create(name string) (File, error) {
	node := &memNode{name: name}
	err := m.do("create", name, func() error {
		m.names[name] = node
		m.step()
		return nil
	})
	return &memFile{m, node}, err
}

func (m *memFS) Open(name string, _ bool) (File, error) {
	var node *memNode
	err := m.do("open", name, func() error {
		if node = m.names[name]; node == nil {
			return fs.ErrNotExist
		}
		return nil
	})
	return &memFile{m, node}, err
}

func (m *memFS) Rename(from, to string) error {
	return m.do("rename", from, func() error {
		m.names[to] = m.names[from]
		m.names[to].name = to
		delete(m.names, from)
		m.step()
		return nil
	})
}

func (m *memFS) Remove(name string) error {
	return m.do("remove", name, func() error {
		if m.names[name] == nil {
			return fs.ErrNotExist
		}
		delete(m.names, name)
		m.step()
		return nil
	})
}

func (m *memFS) List(dir string) ([]string, error) {
	var names []string
	err := m.do("list", dir, func() error {
		for name := range m.names {
			if filepath.Dir(name) == dir {
				names = append(names, filepath.Base(name))
			}
		}
		return nil
	})
	return names, err
}

func (m *memFS) SyncDir(dir string) error {
	return m.do("syncdir", dir, func() error {
		m.durable, m.steps = maps.Clone(m.names), nil
		return nil
	})
}

func (m *memFS) Free(dir string) (int64, error) {
	var free int64
	err := m.do("free", dir, func() error {
		free = m.free
		return nil
	})
	return free, err
}

type memFile struct {
	m    *memFS
	node *memNode
}

// name is what the file is called now.
func (f *memFile) name() string {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return f.node.name
}

func (f *memFile) change(op string, o memOp) error {
	return f.m.do(op, f.name(), func() error {
		f.node.data = o.apply(f.node.data)
		f.node.pending = append(f.node.pending, o)
		return nil
	})
}

// errShort makes a write put down only its first half.
var errShort = errors.New("short write")

func (f *memFile) WriteAt(b []byte, at int64) (int, error) {
	b = slices.Clone(b)
	err := f.change("write", memOp{at: at, data: b})
	if errors.Is(err, errShort) {
		_ = f.m.do("", f.name(), func() error {
			o := memOp{at: at, data: b[:len(b)/2]}
			f.node.data = o.apply(f.node.data)
			f.node.pending = append(f.node.pending, o)
			return nil
		})
		return len(b) / 2, &fs.PathError{Op: "write", Path: f.name(), Err: syscall.ENOSPC}
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f *memFile) Truncate(n int64) error { return f.change("truncate", memOp{at: n}) }
func (f *memFile) Allocate(n int64) error { return f.change("allocate", memOp{at: n}) }
func (f *memFile) Sync() error            { return f.sync("sync") }
func (f *memFile) Datasync() error        { return f.sync("sync") }

// sync that fails does what kernels do: the written pages count as clean from
// then on, though the disk never got them.
func (f *memFile) sync(op string) error {
	err := f.m.do(op, f.name(), func() error {
		for _, o := range f.node.pending {
			f.node.durable = o.apply(f.node.durable)
		}
		f.node.pending = nil
		return nil
	})
	if err != nil {
		f.m.mu.Lock()
		defer f.m.mu.Unlock()
		f.node.pending = slices.DeleteFunc(f.node.pending, func(o memOp) bool { return o.data != nil })
	}
	return err
}

func (f *memFile) ReadAt(b []byte, at int64) (int, error) {
	n := 0
	err := f.m.do("read", f.name(), func() error {
		if at < int64(len(f.node.data)) {
			n = copy(b, f.node.data[at:])
		}
		return nil
	})
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (f *memFile) Size() (int64, error) {
	var n int64
	err := f.m.do("stat", f.name(), func() error {
		n = int64(len(f.node.data))
		return nil
	})
	return n, err
}

func (f *memFile) Close() error { return f.m.do("close", f.name(), func() error { return nil }) }
