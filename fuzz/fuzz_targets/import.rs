//! `cargo fuzz run import -s none fuzz/corpus/import tests/import`
#![no_main]

#[path = "../drive/import.rs"]
mod import;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    import::import_text(data);
});
