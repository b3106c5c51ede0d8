//! Notify commands of instances and groups.

use super::check::command_of;
use super::command::Command;
use super::document::{Entry, Fate, Item, Note, Section};
use super::quote;
use super::text;
use super::tree::Node;

/// keepalived's words and ours, in the order in which they are written.
const WORDS: [(&str, &str); 5] = [
    ("notify_master", "master"),
    ("notify_backup", "backup"),
    ("notify_fault", "fault"),
    ("notify_stop", "stop"),
    ("notify", "any"),
];

/// Writes the table of the commands that `body` names; `default` is the user of all scripts.
pub(super) fn translate(body: &[Node], main: &mut Section, default: Option<&str>) -> Section {
    let mut table = main.below("notify");
    let mut arguments = false;
    for (word, key) in WORDS {
        let mut stated = body.iter().filter(|node| node.keyword() == word);
        let Some(first) = stated.next() else { continue };
        for node in stated {
            main.say(Note::of(node, Fate::Ignored, "only the first one counts"));
        }
        let Some(command) = command_of(first) else {
            main.say(Note::of(
                first,
                Fate::Without,
                "no command line: a quote in it does not end, or there is no word",
            ));
            continue;
        };
        arguments |= key != "any";
        table.set(entry(key, &command, first, default));
    }
    if arguments {
        let reason = "Each command gets four arguments after its own: INSTANCE or GROUP, the name, the state, the \
                      priority. keepalived gives them to `notify` alone.";
        table.items.insert(0, Item::Note(Note::plain(reason)));
    }
    table
}

fn entry(key: &str, command: &Command, node: &Node, default: Option<&str>) -> Entry {
    let mut entry = Entry::new(key, quote::strings(&command.start()), vec![node.id]);
    if command.shell {
        let reason =
            "written for a shell, which keepalived starts only where it cannot start the first word itself";
        entry = entry.note(Note::of(node, Fate::Changed, reason));
    }
    let words = text::command_words(&node.text, false).unwrap_or_default();
    if let Some(user) = words.get(2) {
        let group = words.get(3).is_some_and(|group| group != user);
        if Some(user.as_str()) != default || group {
            let reason = format!(
                "`{user}` is the user that keepalived starts it as; here all notify commands run as `script_user`"
            );
            entry = entry.note(Note::of(node, Fate::Changed, reason));
        }
    }
    entry
}
