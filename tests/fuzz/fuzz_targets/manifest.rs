//! Manifests, and what git calls their files.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| modstore_fuzz::manifest(bytes));
