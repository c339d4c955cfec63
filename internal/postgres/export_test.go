package postgres

// LeaseDueSQL is what the test of its plan explains.
const LeaseDueSQL = leaseDueSQL
