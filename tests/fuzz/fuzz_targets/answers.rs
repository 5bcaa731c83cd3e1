//! What servers say, over `git://` and HTTP.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    modstore_fuzz::answers(bytes);
});
