package fleet

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ownGroup keeps the terminal's signals away and has the kernel end the process when we die: with SIGINT where that is
// how it stops (Postgres writes its checkpoint), else with SIGKILL, which nothing can miss.
func ownGroup(stop syscall.Signal) *syscall.SysProcAttr {
	death := syscall.SIGKILL
	if stop == syscall.SIGINT {
		death = stop
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}

// startTime is when a process started, in the kernel's ticks since boot; "" if there is no such process or it is a zombie.
func startTime(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The program's name, in parentheses, may hold anything; what follows it starts with field 3, the state.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}
