//! Site directories of Python environments.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    modstore_fuzz::environment(bytes);
});
