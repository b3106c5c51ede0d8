//! Announcements: the instance's own settings, else the global ones. And the checksum, which is global or not as well.

use super::check::superseded;
use super::document::{Entry, Fate, Note, Section};
use super::facts::{Facts, on};
use super::model::Model;
use super::quote;
use super::transport;
use super::tree::{Id, Node};

/// Most announcements per address and burst.
const MOST_REPEATS: u64 = 20;
/// Longest time to the second burst, in seconds.
const LONGEST_DELAY: u64 = 3600;
/// Longest time between later ones, in seconds.
const LONGEST_REFRESH: u64 = 86_400;
/// keepalived's own default of both.
const DEFAULT: &str = "5";

/// Writes `garp`, and says what becomes of the checksum.
pub(super) fn translate(facts: &Facts<'_>, model: &Model<'_>, main: &mut Section) {
    transport::checksum(facts, model.global("v3_checksum_as_v2"), main);
    let mut table = Table::default();
    let few = model.global("vrrp_min_garp").filter(|node| on(node));
    let own = |key: &str| format!("garp_master_{key}");
    for key in ["repeat", "delay", "refresh"] {
        superseded(facts.body, &own(key), main);
        let global = model.global(&format!("vrrp_{}", own(key)));
        let stated = facts.last(&own(key)).or(global);
        // What was said otherwise than by default goes before.
        let few = few
            .filter(|_| key != "refresh" && facts.last(&own(key)).is_none())
            .filter(|_| global.is_none_or(|node| node.word(1) == Some(DEFAULT)));
        if let Some(few) = few {
            table.add(key, if key == "repeat" { "1" } else { "\"0s\"" }, few);
        } else if let Some(node) = stated {
            table.read(key, node);
        }
    }
    if table.keys.is_empty() {
        table.notes.into_iter().for_each(|note| main.say(note));
    } else {
        let mut entry = Entry::new("garp", format!("{{ {} }}", table.keys.join(", ")), table.from);
        entry.notes = table.notes;
        main.set(entry);
    }
}

/// `garp` while it is put together.
#[derive(Default)]
struct Table {
    keys: Vec<String>,
    from: Vec<Id>,
    notes: Vec<Note>,
}

impl Table {
    fn add(&mut self, key: &str, value: &str, node: &Node) {
        self.keys.push(format!("{key} = {value}"));
        if !self.from.contains(&node.id) {
            self.from.push(node.id);
        }
    }

    fn read(&mut self, key: &str, node: &Node) {
        let digits = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let Some(stated) = node.word(1).filter(digits).and_then(|word| word.parse::<u64>().ok()) else {
            self.notes.push(Note::of(node, Fate::Ignored, "no whole number: keepalived does without it"));
            return;
        };
        let (low, high) = match key {
            "repeat" => (1, MOST_REPEATS),
            "delay" => (0, LONGEST_DELAY),
            _ => (0, LONGEST_REFRESH),
        };
        let number = stated.clamp(low, high);
        if number != stated {
            let unit = if key == "repeat" { "" } else { " s" };
            let reason = format!("{low} to {high}{unit} are possible");
            self.notes.push(Note::of(node, Fate::Changed, reason));
        }
        let value = if key == "repeat" { number.to_string() } else { quote::micros(number * 1_000_000) };
        self.add(key, &value, node);
    }
}
