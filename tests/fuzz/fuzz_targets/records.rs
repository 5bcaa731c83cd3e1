//! Payloads of frames that prove themselves.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| modstore_fuzz::records(bytes));
