//! Does any order of operations break what a breaker promises?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| panelboard_fuzz::script(bytes));
