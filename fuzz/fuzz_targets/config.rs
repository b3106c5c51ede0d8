//! `cargo fuzz run config -s none fuzz/corpus/config tests/config config/examples -- -timeout=5`
#![no_main]

#[path = "../drive/config.rs"]
mod config;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    config::config(data);
});
