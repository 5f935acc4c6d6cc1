package membership

import "context"

// Static is a membership that never changes.
type Static struct {
	self Member
	view *View
}

// Alone is a node without others.
func Alone(self Member) *Static { return &Static{self, NewView([]Member{self}, 1)} }

// View is the node itself.
func (s *Static) View() *View { return s.view }

// Self is the node.
func (s *Static) Self() Member { return s.self }

// Fresh is always true.
func (s *Static) Fresh() bool { return true }

// Sure is always true: there is nobody who could take over.
func (s *Static) Sure() bool { return true }

// Heard does nothing.
func (s *Static) Heard(*View, bool) {}

// Leave does nothing.
func (s *Static) Leave(context.Context) error { return nil }
