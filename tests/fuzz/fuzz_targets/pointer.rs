//! What a file says that may be a pointer of Git LFS.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| modstore_fuzz::pointer(bytes));
