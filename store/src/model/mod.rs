//! Plain values: no I/O, no clock.
