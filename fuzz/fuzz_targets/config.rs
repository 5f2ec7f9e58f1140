//! Does any configuration panic when it is built or used?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| panelboard_fuzz::config(bytes));
