#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postback_fuzz::targets::manifest(data));
