//! `cargo fuzz run packet -s none fuzz/corpus/packet fuzz/seeds/packet`
#![no_main]

#[path = "../drive/packet.rs"]
mod packet;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    packet::packet(data);
});
