package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// childAttributes has the kernel end a command of ours when we die.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// programOf is the name of a process's program, "" if it cannot be told.
func programOf(pid int) string {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
