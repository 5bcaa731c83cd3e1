//! What people write for a module's source.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| modstore_fuzz::source(bytes));
