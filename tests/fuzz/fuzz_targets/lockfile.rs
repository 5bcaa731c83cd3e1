//! `modules.lock`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| modstore_fuzz::lockfile(bytes));
