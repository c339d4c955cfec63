package fleet

import (
	"context"
	"errors"
)

func (m *Member) start(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.startLocked(ctx)
}

func (m *Member) startLocked(ctx context.Context) error {
	process, err := Start(ctx, m.spec)
	if err != nil {
		return err
	}
	m.process = process
	return nil
}

// Kill ends the process as a crash would and returns when it is gone; its sockets and locks are then free.
func (m *Member) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil {
		m.process.Kill()
	}
}

// Stop ends the process as a deployment would. An error says that it had to be killed.
func (m *Member) Stop() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process == nil {
		return nil
	}
	return m.process.Stop()
}

// Restart starts it again, under the same addresses, after Kill or Stop, and returns when it is ready.
func (m *Member) Restart(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil {
		select {
		case <-m.process.Done():
		default:
			return errors.New(m.spec.Name + " is still running")
		}
	}
	return m.startLocked(ctx)
}

// Running says whether the process is there.
func (m *Member) Running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process == nil {
		return false
	}
	select {
	case <-m.process.Done():
		return false
	default:
		return true
	}
}

// Process is the last one started, for its pid and log; nil before the first.
func (m *Member) Process() *Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process
}
