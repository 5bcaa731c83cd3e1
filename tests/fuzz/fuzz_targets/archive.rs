//! Archives of every kind.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _became_a_tree = modstore_fuzz::archive(bytes);
});
