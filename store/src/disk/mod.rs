//! The only code that changes the disk.
