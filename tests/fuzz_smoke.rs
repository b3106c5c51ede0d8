//! The fuzz targets' checks without a fuzzer: every seed, and mutations of the seeds that are the same in every run.
#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../fuzz/drive/agent.rs"]
mod agent;
#[path = "../fuzz/drive/config.rs"]
mod config;
#[path = "../fuzz/drive/import.rs"]
mod import;
#[path = "../fuzz/drive/packet.rs"]
mod packet;

/// Mutations per target: a few seconds of a debug build.
const MUTATIONS: usize = 500_000;

/// Configurations that are damaged.
const CONFIGURATIONS: usize = 6_000;

/// Longest that one of them may take, an order of magnitude and more above what it does.
const CONFIGURATION_LIMIT: Duration = Duration::from_secs(5);

/// Lives of an agent.
const LIVES: usize = 1_500;

/// Imported texts.
const IMPORTS: usize = 3_000;
/// Longest time that one of them may take in a debug build on a busy machine: they have a few thousand bytes.
const LONGEST_IMPORT: Duration = Duration::from_secs(20);

/// A small generator of numbers that look random (xorshift64*), the same ones for the same seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 32).unwrap() % limit
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The configurations of the tests and the examples.
fn configurations() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/config", "config/examples"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).filter(|text| text.len() < 4096).collect()
}

#[test]
fn configurations_get_an_answer_whatever_is_in_them() {
    let seeds = configurations();
    assert!(seeds.len() > 60, "the seeds are there");
    let mut numbers = Numbers(0x2026);
    let mut legal = 0;
    for seed in &seeds {
        config::config(seed);
    }
    for _ in 0..CONFIGURATIONS {
        let mut bytes = seeds[numbers.below(seeds.len())].clone();
        if numbers.below(3) == 0 {
            // A second layer, and variables.
            bytes.push(0);
            bytes.extend(&seeds[numbers.below(seeds.len())]);
            bytes.extend(b"\0instance__web__priority=12\n");
        }
        mutate(&mut numbers, &mut bytes);
        let start = Instant::now();
        legal += usize::from(config::config(&bytes));
        assert!(start.elapsed() < CONFIGURATION_LIMIT, "{:?}", String::from_utf8_lossy(&bytes));
    }
    // Most of the seeds are wrong on purpose.
    assert!(legal > CONFIGURATIONS / 60, "only {legal} configurations were legal: the rest shows little");
}

fn mutate(numbers: &mut Numbers, bytes: &mut Vec<u8>) {
    for _ in 0..=numbers.below(4) {
        let length = bytes.len();
        match numbers.below(6) {
            _ if length == 0 => bytes.push(numbers.byte()),
            0 => bytes[numbers.below(length)] ^= 1 << numbers.below(8),
            1 => bytes[numbers.below(length)] = numbers.byte(),
            2 => bytes.truncate(numbers.below(length)),
            3 => bytes.insert(numbers.below(length), numbers.byte()),
            4 => drop(bytes.remove(numbers.below(length))),
            _ => bytes.extend_from_within(numbers.below(length)..),
        }
    }
}

#[test]
fn packet_seeds_and_mutations_keep_every_promise() {
    let seeds = seeds("packet");
    assert!(seeds.len() >= 10, "the seeds are there");
    for seed in &seeds {
        packet::packet(seed);
    }
    let mut numbers = Numbers(0x9568);
    let mut legal = 0;
    for _ in 0..MUTATIONS {
        let mut bytes = seeds[numbers.below(seeds.len())].clone();
        mutate(&mut numbers, &mut bytes);
        if let Some(first) = bytes.first_mut() {
            *first ^= [0, 0x80][numbers.below(2)];
        }
        legal += usize::from(packet::packet(&bytes));
    }
    assert!(legal > MUTATIONS / 20, "only {legal} mutations were legal messages: the rest tests little");
}

/// Drives an agent; if it breaks a promise, once more with a trace.
fn live(bytes: &[u8]) -> bool {
    std::panic::catch_unwind(|| agent::agent(bytes, false)).unwrap_or_else(|_| {
        println!("{bytes:?}");
        agent::agent(bytes, true)
    })
}

#[test]
fn agents_keep_every_promise_whatever_happens() {
    let seeds = seeds("agent");
    assert!(!seeds.is_empty(), "the seeds are there");
    for seed in &seeds {
        assert!(live(seed), "a seed that makes no MASTER shows little");
    }
    let mut numbers = Numbers(0x5798);
    let mut held = 0;
    for _ in 0..LIVES {
        let mut bytes = seeds[numbers.below(seeds.len())].clone();
        // Happenings of any kind in the middle of what a seed tells.
        let at = numbers.below(bytes.len());
        let more: Vec<u8> = (0..numbers.below(120)).map(|_| numbers.byte()).collect();
        bytes.splice(at..at, more);
        mutate(&mut numbers, &mut bytes);
        held += usize::from(live(&bytes));
    }
    assert!(held > LIVES / 2, "only {held} agents were ever MASTER: the rest shows little");
}

/// Exchanges, doubles and drops whole lines and words: what a fuzzer of bytes hardly gets to.
fn rearrange(numbers: &mut Numbers, text: &[u8], other: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let others: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(lines.len() + 1);
        match numbers.below(4) {
            0 if at < lines.len() => drop(lines.remove(at)),
            1 if at < lines.len() => lines.insert(at, lines[at]),
            2 if at < lines.len() => {
                let with = numbers.below(lines.len());
                lines.swap(at, with);
            }
            _ if !others.is_empty() => lines.insert(at, others[numbers.below(others.len())]),
            _ => {}
        }
    }
    lines.concat()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the time that an import takes is what is tested")]
fn imports_keep_every_promise_in_bounded_time() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|kind| kind == "conf")).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(seeds.len() >= 25, "the seeds are there");
    for seed in &seeds {
        import::import_text(seed);
    }
    let mut numbers = Numbers(0x2338);
    let mut legal = 0;
    for _ in 0..IMPORTS {
        let (seed, other) = (&seeds[numbers.below(seeds.len())], &seeds[numbers.below(seeds.len())]);
        let mut bytes = rearrange(&mut numbers, seed, other);
        if numbers.below(2) == 0 {
            mutate(&mut numbers, &mut bytes);
        }
        let start = Instant::now();
        let read = std::panic::catch_unwind(|| import::import_text(&bytes)).unwrap_or_else(|_| {
            println!("{}", String::from_utf8_lossy(&bytes));
            import::import_text(&bytes)
        });
        let taken = start.elapsed();
        assert!(taken < LONGEST_IMPORT, "{taken:?} for\n{}", String::from_utf8_lossy(&bytes));
        legal += usize::from(read);
    }
    assert!(legal > IMPORTS / 4, "only {legal} texts could be read: the rest tests little");
}
