package simulator

import (
	"context"
	"slices"
	"sync"
)

// holds keeps calls waiting at a chosen point, so that a test can kill the caller
// there. Holds live as long as the process.
type holds struct {
	mu   sync.Mutex
	list []*hold
}

type hold struct {
	Hold
	released chan struct{} // closed to let go
	drop     bool          // written before released is closed
}

// add sets a hold and returns it as set.
func (hs *holds) add(h Hold) Hold {
	if h.Times == 0 {
		h.Times = 1
	}
	h.Waiting = 0
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.list = append(hs.list, &hold{Hold: h, released: make(chan struct{})})
	return h
}

// pass waits if the call is to be held at this point and reports whether it may
// go on: no if it was dropped, or if ctx ended first. The caller's own fate does
// not count, for a request that has arrived is carried out though its sender died.
func (hs *holds) pass(ctx context.Context, call, outTradeNo, when string) bool {
	h := hs.catch(call, outTradeNo, when)
	if h == nil {
		return true
	}
	select {
	case <-h.released:
		return !h.drop
	case <-ctx.Done():
		return false
	}
}

func (hs *holds) catch(call, outTradeNo, when string) *hold {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	for _, h := range hs.list {
		if h.Call == call && h.OutTradeNo == outTradeNo && h.When == when && (h.Times < 0 || h.Waiting < h.Times) {
			h.Waiting++
			return h
		}
	}
	return nil
}

// release ends the holds that match and returns how many calls were waiting.
func (hs *holds) release(r Release) int {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	waiting := 0
	hs.list = slices.DeleteFunc(hs.list, func(h *hold) bool {
		if h.OutTradeNo != r.OutTradeNo || (r.Call != "" && h.Call != r.Call) {
			return false
		}
		waiting += h.Waiting
		h.drop = r.Drop
		close(h.released)
		return true
	})
	return waiting
}

// now lists the holds and how many calls wait in each.
func (hs *holds) now() []Hold {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	list := []Hold{}
	for _, h := range hs.list {
		list = append(list, h.Hold)
	}
	return list
}
