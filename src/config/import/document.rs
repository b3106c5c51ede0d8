//! The configuration to be written, before it is text: tables, settings, remarks, and for each of them the statements of
//! the original that it comes from.
//!
//! The rule that nothing gets lost lives here: [`Document::sweep`] adds a remark for every statement that no setting and
//! no remark names. Never: decides what a statement means.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Id, Node, Tree};

/// What is said of words that nobody knows.
pub(super) const NOT_UNDERSTOOD: &str = "not understood; see keepalived.conf(5)";

/// What became of a line, the better first; of a line with several statements the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It means the same here.
    Translated,
    /// keepalived ignores it too.
    Ignored,
    /// It means something else here, or looks different; a remark says what.
    Changed,
    /// There is no equivalent; a remark says why.
    Without,
}

/// A comment.
#[derive(Clone, Debug)]
pub(super) struct Note {
    /// The statements that it accounts for; it begins with the place and the text of the first.
    pub(super) about: Vec<Id>,
    /// Whether it is about a whole block, which is shown as `keyword { … }`.
    pub(super) block: bool,
    pub(super) fate: Fate,
    pub(super) reason: String,
}

impl Note {
    /// About one statement.
    pub(super) fn of(node: &Node, fate: Fate, reason: impl Into<String>) -> Self {
        Note { about: vec![node.id], block: false, fate, reason: reason.into() }
    }

    /// About a statement and everything in its braces.
    pub(super) fn whole(node: &Node, fate: Fate, reason: impl Into<String>) -> Self {
        Note { about: node.ids(), block: node.body.is_some(), fate, reason: reason.into() }
    }

    /// About nothing in the original.
    pub(super) fn plain(reason: impl Into<String>) -> Self {
        Note { about: Vec::new(), block: false, fate: Fate::Translated, reason: reason.into() }
    }
}

/// One item of an array.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    pub(super) text: String,
    pub(super) from: Vec<Id>,
    pub(super) notes: Vec<Note>,
    /// Header of a table that must be there.
    pub(super) needs: Option<String>,
    /// Why it is written as a comment.
    pub(super) off: Option<String>,
}

impl Element {
    /// An item that comes from the statements `from`.
    pub(super) fn new(text: impl Into<String>, from: Vec<Id>) -> Self {
        Element { text: text.into(), from, ..Element::default() }
    }
}

/// What a key is set to.
#[derive(Clone, Debug)]
pub(super) enum Value {
    One(String),
    Many(Vec<Element>),
}

/// `key = value`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) from: Vec<Id>,
    pub(super) notes: Vec<Note>,
    /// Whether its table makes no sense without it.
    pub(super) essential: bool,
    /// Header of a table that must be there.
    pub(super) needs: Option<String>,
    /// Why it is written as a comment.
    pub(super) off: Option<String>,
}

impl Entry {
    /// `key = value`, with the value as it is written.
    pub(super) fn new(key: &str, value: impl Into<String>, from: Vec<Id>) -> Self {
        Self::with(key, Value::One(value.into()), from)
    }

    /// `key = [elements]`.
    pub(super) fn many(key: &str, elements: Vec<Element>, from: Vec<Id>) -> Self {
        Self::with(key, Value::Many(elements), from)
    }

    fn with(key: &str, value: Value, from: Vec<Id>) -> Self {
        let key = key.to_owned();
        Entry { key, value, from, notes: Vec::new(), essential: false, needs: None, off: None }
    }

    /// Without this the table makes no sense.
    pub(super) fn essential(mut self) -> Self {
        self.essential = true;
        self
    }

    /// With a remark before it.
    pub(super) fn note(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }
}

/// A setting or a remark.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Entry(Entry),
    Note(Note),
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    /// What stands in its brackets; empty for what comes before the first table.
    pub(super) header: String,
    /// The statement that it comes from.
    pub(super) about: Vec<Id>,
    pub(super) items: Vec<Item>,
    /// Header of the table that it belongs to.
    pub(super) parent: Option<String>,
    /// Why it is written as a comment.
    pub(super) off: Option<String>,
}

impl Section {
    /// A table that comes from the statements `about`.
    pub(super) fn new(header: impl Into<String>, about: Vec<Id>) -> Self {
        Section { header: header.into(), about, ..Section::default() }
    }

    /// A table below that one.
    pub(super) fn below(&self, name: &str) -> Self {
        let mut section = Section::new(format!("{}.{name}", self.header), Vec::new());
        section.parent = Some(self.header.clone());
        section
    }

    /// One more setting.
    pub(super) fn set(&mut self, entry: Entry) {
        self.items.push(Item::Entry(entry));
    }

    /// One more remark.
    pub(super) fn say(&mut self, note: Note) {
        self.items.push(Item::Note(note));
    }
}

/// Everything that is to be written.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) sections: Vec<Section>,
    /// What to say of statements that turn out to serve nobody.
    pub(super) unused: BTreeMap<Id, String>,
}

/// The headers of the tables that are no comments.
pub(super) type Alive<'d> = BTreeSet<&'d str>;

/// Why `off` or the lack of what it `needs` makes something a comment, if so.
pub(super) fn why_off(off: Option<&String>, needs: Option<&String>, alive: &Alive<'_>) -> Option<String> {
    if let Some(reason) = off {
        return Some(reason.clone());
    }
    let needs = needs.filter(|header| !alive.contains(header.as_str()))?;
    Some(format!("[{needs}], which it needs, is a comment only"))
}

impl Document {
    /// The headers of the tables that are no comments; a table stands before those below it.
    pub(super) fn alive(&self) -> Alive<'_> {
        let mut alive = Alive::new();
        for section in &self.sections {
            let parent = section.parent.as_ref();
            if section.off.is_none() && parent.is_none_or(|parent| alive.contains(parent.as_str())) {
                alive.insert(&section.header);
            }
        }
        alive
    }

    /// Adds a remark for every statement that nothing names.
    pub(super) fn sweep(&mut self, tree: &Tree) {
        let mut named = BTreeSet::new();
        for section in &self.sections {
            named.extend(&section.about);
            for item in &section.items {
                match item {
                    Item::Note(note) => named.extend(&note.about),
                    Item::Entry(entry) => {
                        named.extend(entry.from.iter().chain(entry.notes.iter().flat_map(|n| &n.about)));
                        if let Value::Many(elements) = &entry.value {
                            for element in elements {
                                named.extend(&element.from);
                                named.extend(element.notes.iter().flat_map(|note| &note.about));
                            }
                        }
                    }
                }
            }
        }
        let homes: BTreeMap<Id, usize> = (self.sections.iter().enumerate())
            .filter_map(|(number, section)| section.about.first().map(|id| (*id, number)))
            .collect();
        for node in &tree.nodes {
            let mut lost = Vec::new();
            find_lost(node, &named, &mut lost);
            if lost.is_empty() {
                continue;
            }
            let home = homes.get(&node.id).copied().unwrap_or(0);
            for node in lost {
                let note = match (self.unused.get(&node.id), &node.aside) {
                    (Some(reason), _) => Note::of(node, Fate::Ignored, reason.clone()),
                    (None, Some((fate, reason))) => Note::of(node, *fate, reason.clone()),
                    (None, None) => Note::whole(node, Fate::Without, NOT_UNDERSTOOD),
                };
                match self.sections.get_mut(home) {
                    Some(section) => section.say(note),
                    None => {
                        self.sections.push(Section { items: vec![Item::Note(note)], ..Section::default() });
                    }
                }
            }
        }
    }
}

/// Finds what nothing names; of a block that is lost as a whole, the block.
fn find_lost<'t>(node: &'t Node, named: &BTreeSet<Id>, lost: &mut Vec<&'t Node>) {
    if !named.contains(&node.id) {
        lost.push(node);
        if node.ids().iter().all(|id| !named.contains(id)) {
            return;
        }
    }
    node.body().iter().for_each(|inner| find_lost(inner, named, lost));
}
