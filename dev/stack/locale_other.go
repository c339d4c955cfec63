//go:build !darwin

package stack

const locale = "C.UTF-8"
