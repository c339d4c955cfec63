//go:build !linux

package fleet

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// ownGroup keeps the terminal's signals away. There is no parent-death signal here: Sweep cleans up at the next start.
func ownGroup(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// startTime is when a process started, to the second; "" if there is no such process.
func startTime(pid int) string {
	out, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(out)), "_")
}
