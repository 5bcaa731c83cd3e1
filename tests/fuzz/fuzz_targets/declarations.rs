//! `modules.toml`, and edits of it.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| modstore_fuzz::declarations(bytes));
