//! `cargo fuzz run agent -s none fuzz/corpus/agent fuzz/seeds/agent`
#![no_main]

#[path = "../drive/agent.rs"]
mod agent;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    agent::agent(data, false);
});
