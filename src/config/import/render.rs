//! The document as text, and which statement of the original shows on which line.
//!
//! What is off is written with `#` directly before it, a remark with `#` and a blank, as in the sample configuration.
//! Deterministic: the same document gives the same text.

use std::collections::BTreeMap;

use super::document::{Alive, Document, Element, Entry, Fate, Item, Note, Section, Value, why_off};
use super::tree::{Id, Statement};

/// Longest line of a remark, in characters.
const WIDTH: usize = 100;
/// Longest piece of the original that a remark shows, in characters.
const LONGEST_SHOWN: usize = 120;

/// What a line of the text belongs to, by number: section, item in it, element of that.
pub(super) type Unit = (usize, Option<usize>, Option<usize>);

/// The text and what is known of it.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) text: String,
    /// One for each line.
    pub(super) units: Vec<Unit>,
    /// What became of each statement, and the lines (from 1) that show it.
    pub(super) shown: BTreeMap<Id, (Fate, Vec<usize>)>,
}

/// Writes `document`; remarks call the sources `names`. With `apart`, each element of an array has a line of its own.
pub(super) fn render(
    document: &Document,
    statements: &[Statement],
    names: &[String],
    apart: bool,
) -> Rendered {
    let (alive, made) = (document.alive(), Rendered::default());
    let mut writer = Writer { apart, alive, statements, names, made, unit: (0, None, None), worst: None };
    for (number, section) in document.sections.iter().enumerate() {
        writer.unit = (number, None, None);
        writer.section(section);
    }
    writer.made
}

struct Writer<'a> {
    apart: bool,
    alive: Alive<'a>,
    statements: &'a [Statement],
    names: &'a [String],
    made: Rendered,
    unit: Unit,
    /// What everything in a section that is off comes to.
    worst: Option<Fate>,
}

impl Writer<'_> {
    fn line(&mut self, text: &str) {
        self.made.text.push_str(text);
        self.made.text.push('\n');
        self.made.units.push(self.unit);
    }

    /// Notes that the line that was just written, or `at`, shows these statements.
    fn show(&mut self, ids: &[Id], fate: Fate, at: usize) {
        let fate = self.worst.map_or(fate, |worst| worst.max(fate));
        for id in ids {
            let (so_far, lines) = self.made.shown.entry(*id).or_insert((fate, Vec::new()));
            *so_far = (*so_far).max(fate);
            if lines.last() != Some(&at) {
                lines.push(at);
            }
        }
    }

    fn at(&self) -> usize {
        self.made.units.len()
    }

    fn section(&mut self, section: &Section) {
        let on = self.alive.contains(section.header.as_str());
        self.worst = (!on).then_some(Fate::Without);
        if !self.made.text.is_empty() {
            self.line("");
        }
        if let Some(reason) = &section.off {
            let (about, fate) = (section.about.clone(), Fate::Without);
            self.note(&Note { about, block: false, fate, reason: reason.clone() }, "");
        }
        if !section.header.is_empty() {
            let entries = section
                .items
                .iter()
                .any(|item| matches!(item, Item::Entry(entry) if on && self.why(entry).is_none()));
            let sign = if on && (entries || section.parent.is_none()) { "" } else { "#" };
            self.line(&format!("{sign}[{}]", section.header));
        }
        let at = self.at();
        self.show(&section.about, Fate::Translated, at);
        let mut notes: Vec<&Note> = Vec::new();
        for (number, item) in section.items.iter().enumerate() {
            match item {
                Item::Note(note) => notes.push(note),
                Item::Entry(entry) => {
                    self.notes(&std::mem::take(&mut notes));
                    self.unit.1 = Some(number);
                    self.entry(entry, on);
                    self.unit.1 = None;
                }
            }
        }
        self.notes(&notes);
        self.worst = None;
    }

    /// Remarks between two settings; those with one reason are put together.
    fn notes(&mut self, notes: &[&Note]) {
        let mut reasons: Vec<&str> = Vec::new();
        for note in notes {
            if note.about.is_empty() {
                self.note(note, "");
            } else if !reasons.contains(&note.reason.as_str()) {
                reasons.push(&note.reason);
                let same: Vec<&Note> =
                    notes.iter().copied().filter(|other| other.reason == note.reason).collect();
                self.together(note, &same);
            }
        }
    }

    fn together(&mut self, first: &Note, same: &[&Note]) {
        let [_, _, ..] = same else {
            self.note(first, "");
            return;
        };
        self.comment(&format!("{}:", first.reason), "");
        for note in same {
            let Some(statement) = note.about.first().and_then(|id| self.statements.get(*id)) else {
                continue;
            };
            self.line(&format!("#   {}: {}", self.place(statement), shown(statement, note.block)));
            let at = self.at();
            self.show(&note.about, note.fate, at);
        }
    }

    fn why(&self, entry: &Entry) -> Option<String> {
        why_off(entry.off.as_ref(), entry.needs.as_ref(), &self.alive)
    }

    fn entry(&mut self, entry: &Entry, on: bool) {
        entry.notes.iter().for_each(|note| self.note(note, ""));
        let off = self.why(entry);
        let fate = if off.is_some() { Fate::Without } else { Fate::Translated };
        if let Some(reason) = off {
            self.note(&Note { about: first(&entry.from), block: false, fate, reason }, "");
        }
        let sign = if on && fate == Fate::Translated { "" } else { "#" };
        let start = self.at() + 1;
        match &entry.value {
            Value::One(text) => self.line(&format!("{sign}{} = {text}", entry.key)),
            Value::Many(elements) => self.many(entry, elements, sign),
        }
        self.show(&entry.from, fate, start);
    }

    fn many(&mut self, entry: &Entry, elements: &[Element], sign: &str) {
        if let Some(line) = self.on_one_line(entry, elements, sign) {
            self.line(&line);
            let at = self.at();
            let fate = if sign.is_empty() { Fate::Translated } else { Fate::Without };
            for element in elements {
                self.show(&element.from, fate, at);
            }
            return;
        }
        self.line(&format!("{sign}{} = [", entry.key));
        for (number, element) in elements.iter().enumerate() {
            self.unit.2 = Some(number);
            element.notes.iter().for_each(|note| self.note(note, "  "));
            let off = why_off(element.off.as_ref(), element.needs.as_ref(), &self.alive);
            let fate = if off.is_some() || !sign.is_empty() { Fate::Without } else { Fate::Translated };
            if let Some(reason) = off {
                self.note(&Note { about: first(&element.from), block: false, fate, reason }, "  ");
            }
            let sign = if fate == Fate::Translated { "" } else { "#" };
            self.line(&format!("  {sign}{},", element.text));
            let at = self.at();
            self.show(&element.from, fate, at);
            self.unit.2 = None;
        }
        self.line(&format!("{sign}]"));
    }

    /// The array on one line, if it fits there and there is nothing to say of its elements.
    fn on_one_line(&self, entry: &Entry, elements: &[Element], sign: &str) -> Option<String> {
        let plain = |element: &Element| {
            let off = why_off(element.off.as_ref(), element.needs.as_ref(), &self.alive);
            element.notes.is_empty() && off.is_none() && !element.text.starts_with('{')
        };
        let texts: Vec<&str> = elements.iter().map(|element| element.text.as_str()).collect();
        let line = format!("{sign}{} = [{}]", entry.key, texts.join(", "));
        let fits = line.chars().count() <= WIDTH && elements.iter().all(plain);
        (fits && !self.apart).then_some(line)
    }

    fn note(&mut self, note: &Note, indent: &str) {
        let text = match note.about.first().and_then(|id| self.statements.get(*id)) {
            Some(statement) => {
                format!("{}: {}: {}", self.place(statement), shown(statement, note.block), note.reason)
            }
            None => note.reason.clone(),
        };
        let start = self.at() + 1;
        self.comment(&text, indent);
        self.show(&note.about, note.fate, start);
    }

    fn comment(&mut self, text: &str, indent: &str) {
        for (number, line) in wrapped(text, WIDTH.saturating_sub(indent.len() + 4)).iter().enumerate() {
            let more = if number == 0 { "" } else { "  " };
            self.line(format!("{indent}# {more}{line}").trim_end());
        }
    }

    /// `FILE:LINE`, or `FILE:FIRST-LAST`, and where the definition was used.
    fn place(&self, statement: &Statement) -> String {
        let name = |source: usize| self.names.get(source).map_or("?", String::as_str);
        let (first, last) = statement.lines;
        let mut place = format!("{}:{first}", name(statement.source));
        if last > first {
            place = format!("{place}-{last}");
        }
        if let Some((source, line)) = statement.via {
            place = format!("{place} (used in {}:{line})", name(source));
        }
        place
    }
}

fn first(ids: &[Id]) -> Vec<Id> {
    ids.first().copied().into_iter().collect()
}

/// The statement in backquotes, short and harmless.
fn shown(statement: &Statement, block: bool) -> String {
    let mut text: String = statement.shown.chars().take(LONGEST_SHOWN).map(harmless).collect();
    if statement.shown.chars().nth(LONGEST_SHOWN).is_some() {
        text.push('…');
    }
    if block {
        text.push_str(" { … }");
    }
    format!("`{text}`")
}

/// TOML comments hold no control characters but the tabulator, and this has none either.
fn harmless(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// `text` in lines of at most `width` characters, broken at blanks where that is possible.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let word: String = word.chars().map(harmless).collect();
        let more = word.chars().count();
        if length > 0 && length + 1 + more > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(&word);
        length += more;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_broken_at_blanks() {
        assert_eq!(wrapped("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrapped("aaaaaaaa b", 5), ["aaaaaaaa", "b"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("a\u{1b}b", 5), ["a\u{fffd}b"]);
    }
}
