//! The record of what this agent is MASTER of, for the process after it, should it be killed.
//!
//! A file of fixed places: which boot and which network namespace it is of; when adverts last went out; a place for each
//! instance that is MASTER. Each change is one small write at its place, which a kill does not tear apart. What does not
//! read well is not there: the reader then starts as BACKUP.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::agent::message::{Held, Remembered};
use crate::time::Instant;

/// Name of the record in the runtime directory.
const NAME: &str = "masters";
/// Where the time of the last adverts stands, in nanoseconds since boot, little endian.
const BEAT: u64 = 128;
/// Where the first instance stands; what stands before is about the whole. With places of this size none crosses a page,
/// between two of which a kill can end a write.
const FIRST: u64 = 512;
/// Bytes for each instance: JSON, filled up with zeros.
const PLACE: usize = 512;
/// The same, as places are counted in.
const EACH: u64 = 512;
/// Longest record that is read: as many instances as a configuration can have, and some more.
const LONGEST: u64 = FIRST + EACH * 8192;

/// Our own record.
pub(super) struct Masters {
    file: File,
    path: PathBuf,
}

impl Masters {
    /// An empty record in `directory`, instead of the one that is there.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NAME);
        // Not the old file made empty: whoever can read it in between must not find half of it.
        let new = directory.join(".masters.new");
        let file = super::new_file(&new, 0o600)?;
        file.write_all_at(heading()?.as_bytes(), 0)?;
        file.write_all_at(&0_u64.to_le_bytes(), BEAT)?;
        fs::rename(&new, &path)?;
        Ok(Masters { file, path })
    }

    /// The instance of this number is MASTER as described, or not any more.
    pub(super) fn holds(&mut self, number: usize, held: Option<&Held>) -> io::Result<()> {
        let at =
            u64::try_from(number).ok().and_then(|number| number.checked_mul(EACH)).unwrap_or(u64::MAX >> 1);
        let mut place = [0; PLACE];
        if let Some(held) = held {
            let text = serde_json::to_vec(held)?;
            // One with a longer name is not remembered.
            if let Some(room) = place.get_mut(..text.len()) {
                room.copy_from_slice(&text);
            }
        }
        self.file.write_all_at(&place, FIRST + at)
    }

    /// Adverts went out just now.
    pub(super) fn beat(&mut self, now: Instant) -> io::Result<()> {
        self.file.write_all_at(&now.as_nanos().to_le_bytes(), BEAT)
    }

    /// Nothing is to be gone on with.
    pub(super) fn remove(self) {
        // Gone already, or never to be found: then nobody goes on by it either.
        let _ = fs::remove_file(&self.path);
    }
}

/// What a process before this one left in `directory`, in this boot and this network namespace.
pub(super) fn read(directory: &Path) -> Option<Remembered> {
    let mut bytes = Vec::new();
    super::open_file(&directory.join(NAME)).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let heading = heading().ok()?;
    if bytes.get(..heading.len())? != heading.as_bytes() {
        return None;
    }
    let beat = usize::try_from(BEAT).ok()?;
    let at = u64::from_le_bytes(*bytes.get(beat..)?.first_chunk()?);
    let places = bytes.get(usize::try_from(FIRST).ok()?..)?;
    let held: Vec<Held> = places.chunks(PLACE).filter_map(held).collect();
    let held = held.into_iter().map(|held| (held.name.clone(), held)).collect();
    (at > 0).then_some(Remembered { at: Instant::from_nanos(at), held })
}

fn held(place: &[u8]) -> Option<Held> {
    let end = place.iter().position(|byte| *byte == 0).unwrap_or(place.len());
    serde_json::from_slice(place.get(..end)?).ok()
}

/// Names the form of the record, the boot and the network namespace.
fn heading() -> io::Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let namespace = fs::metadata("/proc/self/ns/net")?.ino();
    Ok(format!("failover 1 {} {namespace}\n", boot.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(name: &str) -> Held {
        Held {
            name: name.to_owned(),
            interface: "eth0".to_owned(),
            virtual_router_id: 51,
            version: 3,
            primary: "192.0.2.1".parse().unwrap(),
            interval: 100,
        }
    }

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("failover-masters-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn what_was_written_is_read_by_the_next() {
        let at = directory("next");
        assert_eq!(read(&at), None, "there is none");
        let mut masters = Masters::create(&at).unwrap();
        masters.holds(3, Some(&web("web"))).unwrap();
        masters.holds(0, Some(&web("db"))).unwrap();
        assert_eq!(read(&at), None, "no advert went out yet");
        masters.beat(Instant::from_nanos(77)).unwrap();
        let names = |remembered: Option<Remembered>| {
            remembered.map(|r| (r.at.as_nanos(), r.held.into_keys().collect::<Vec<_>>()))
        };
        assert_eq!(names(read(&at)), Some((77, vec!["db".to_owned(), "web".to_owned()])));
        masters.holds(0, None).unwrap();
        assert_eq!(names(read(&at)), Some((77, vec!["web".to_owned()])));
        let next = Masters::create(&at).unwrap();
        assert_eq!(read(&at), None, "the next one begins anew");
        next.remove();
        assert!(!at.join(NAME).exists());
        fs::remove_dir_all(at).unwrap();
    }

    #[test]
    fn a_record_of_another_boot_or_form_is_none() {
        let at = directory("boot");
        let mut masters = Masters::create(&at).unwrap();
        masters.holds(0, Some(&web("web"))).unwrap();
        masters.beat(Instant::from_nanos(77)).unwrap();
        let whole = fs::read(at.join(NAME)).unwrap();
        for place in [0, 9, 12, 47] {
            let mut other = whole.clone();
            other[place] ^= 1;
            fs::write(at.join(NAME), &other).unwrap();
            assert_eq!(read(&at), None, "byte {place}");
        }
        for length in [0, 10, 130, 200] {
            fs::write(at.join(NAME), &whole[..length]).unwrap();
            assert_eq!(read(&at), None, "{length} bytes");
        }
        let mut torn = whole.clone();
        torn[600] = b'}';
        fs::write(at.join(NAME), &torn).unwrap();
        assert!(read(&at).is_none_or(|remembered| remembered.held.is_empty()));
        fs::remove_dir_all(at).unwrap();
    }

    #[test]
    fn an_instance_that_does_not_fit_is_not_remembered() {
        let at = directory("long");
        let mut masters = Masters::create(&at).unwrap();
        masters.holds(0, Some(&web(&"x".repeat(600)))).unwrap();
        masters.beat(Instant::from_nanos(1)).unwrap();
        assert_eq!(read(&at).unwrap().held.len(), 0);
        fs::remove_dir_all(at).unwrap();
    }
}
