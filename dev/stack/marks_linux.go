package stack

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// endMarked kills the processes that carry the mark of a run whose owner is gone: the command's children, which the
// kernel does not end with us. The mark is in the environment they inherited, and names a directory that existed once.
func endMarked(dir string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile("/proc/" + entry.Name() + "/environ")
		if err == nil && bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+mark+dir+"\x00")) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
