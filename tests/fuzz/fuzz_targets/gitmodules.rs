//! What a `.gitmodules` says.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| modstore_fuzz::gitmodules(bytes));
