package stack

// macOS has no C.UTF-8 before its version 15; the encoding is given to initdb by name anyway.
const locale = "C"
