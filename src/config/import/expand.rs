//! From files to statements: includes, `@` conditions, definitions and sequences are worked off here, in keepalived's
//! order, and what is left is parted at braces.
//!
//! Every significant line comes out of here: as [`Piece`]s, or as an aside that says what became of it. Never: reads a
//! file (the caller brings them), knows a keyword but `include`. Fails: with diagnostics at the exact place; what could
//! go on for ever has a limit.

use std::collections::VecDeque;
use std::ops::Range;

use super::define::{self, Definitions, Part};
use super::text::{self, Bare};
use super::{BringIncludes, Included, Options, sequence};
use crate::config::code::Code;
use crate::config::diagnostic::{Diagnostic, Place, Severity, Source};
use crate::config::import::document::Fate;

/// Most files that include one another.
const DEEPEST: usize = 16;
/// Most files.
const MOST_FILES: usize = 250;
/// Most lines, after definitions and sequences were written out.
const MOST_LINES: usize = 200_000;
/// Most bytes that are moved about to write them out.
const MOST_WORK: usize = 32 << 20;

/// A line of a source: the text without white space around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) source: usize,
    /// From 1.
    pub(super) line: usize,
    pub(super) span: Range<usize>,
}

impl Origin {
    /// All of it.
    pub(super) fn place(&self) -> Place {
        Place { source: self.source, span: self.span.clone() }
    }
}

/// What a piece of a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The words of a statement.
    Words,
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// No statement, but a line that must not get lost: what became of it and why; the number is its last line.
    Aside(Fate, String, usize),
}

/// A part of a line between braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) place: Place,
    pub(super) origin: Origin,
    /// Where the definition was used that this comes from.
    pub(super) via: Option<Origin>,
}

/// Everything that was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) pieces: Vec<Piece>,
    pub(super) sources: Vec<Source>,
    pub(super) problems: Vec<Diagnostic>,
    /// Whether a line depended on the config-id.
    pub(super) conditional: bool,
}

/// Reads `text` and what it includes.
pub(super) fn read(text: &str, name: &str, options: &Options, bring: BringIncludes<'_>) -> Read {
    let mut reader = Reader {
        options,
        bring,
        read: Read::default(),
        frames: Vec::new(),
        definitions: Definitions::default(),
        defining: None,
        work: 0,
        lines: 0,
    };
    reader.definitions.set("_INSTANCE", vec![(options.config_id.clone(), Origin::default())]);
    reader.definitions.set("_HASH", vec![("#".to_owned(), Origin::default())]);
    reader.definitions.set("_BANG", vec![("!".to_owned(), Origin::default())]);
    reader.open(name, &options.directory, text);
    while let Some(line) = reader.next_line() {
        reader.line(line);
    }
    reader.end_definition();
    reader.read
}

/// Where the next line comes from.
#[derive(Debug)]
enum Frame {
    /// A file: the next byte and the number of lines before it.
    File { source: usize, at: usize, line: usize, directory: String },
    /// What definitions and sequences have left to do.
    Waiting(VecDeque<Waiting>),
}

#[derive(Debug)]
enum Waiting {
    Line(Line),
    Define(Vec<String>, Vec<String>, Origin),
}

/// A line without its comment.
#[derive(Clone, Debug)]
struct Line {
    text: String,
    origin: Origin,
    via: Option<Origin>,
    /// Whether the text stands in the source as it is here.
    verbatim: bool,
    continues: bool,
}

/// A definition of several lines whose end has not come yet.
#[derive(Debug)]
struct Defining {
    name: String,
    parts: Vec<Part>,
    first: Line,
    last: usize,
}

struct Reader<'a> {
    options: &'a Options,
    bring: BringIncludes<'a>,
    read: Read,
    frames: Vec<Frame>,
    definitions: Definitions,
    defining: Option<Defining>,
    work: usize,
    lines: usize,
}

impl Reader<'_> {
    fn open(&mut self, name: &str, directory: &str, text: &str) {
        let source = self.read.sources.len();
        self.read.sources.push(Source::new(name, text));
        let directory = directory.to_owned();
        self.frames.push(Frame::File { source, at: 0, line: 0, directory });
    }

    /// The next line that is not empty.
    fn next_line(&mut self) -> Option<Line> {
        loop {
            match self.frames.last_mut()? {
                Frame::Waiting(waiting) => match waiting.pop_front() {
                    Some(Waiting::Line(line)) => return Some(line),
                    Some(Waiting::Define(names, values, origin)) => {
                        for (name, value) in names.iter().zip(values) {
                            self.definitions.set(name, vec![(value, origin.clone())]);
                        }
                    }
                    None => drop(self.frames.pop()),
                },
                Frame::File { source, at, line, directory } => {
                    let text = self.read.sources.get(*source).and_then(|source| source.text.get(*at..));
                    let Some(rest) = text.filter(|rest| !rest.is_empty()) else {
                        self.frames.pop();
                        continue;
                    };
                    let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
                    let whole = rest.get(..length).unwrap_or_default().trim_end_matches(['\n', '\r']);
                    let (source, start) = (*source, *at);
                    let bare = text::bare(whole);
                    *at += length;
                    *line += 1;
                    let number = *line;
                    if whole.is_empty() {
                        self.end_definition();
                    } else {
                        self.definitions.set("_PWD", vec![(directory.clone(), Origin::default())]);
                    }
                    if let Some(line) = self.physical(bare, source, start, number) {
                        return Some(line);
                    }
                }
            }
        }
    }

    /// A line of a file; `None` when nothing is left of it.
    fn physical(&mut self, bare: Bare, source: usize, start: usize, number: usize) -> Option<Line> {
        if let Some(quote) = bare.open_quote {
            let place = Place { source, span: start + quote..start + quote + 1 };
            let diagnostic = Diagnostic::error(Code::OpenQuote, &place, "a quoted string does not end")
                .label("begins here and must end on this line")
                .hint("a second `\"` ends it; for a `\"` that belongs to the string, write `\\\"`");
            self.read.problems.push(diagnostic);
        }
        if bare.text.is_empty() && !bare.continues {
            return None;
        }
        let start = start + bare.start;
        let span = start..start + bare.text.len();
        let span = if bare.verbatim { span } else { start..start + 1 };
        let origin = Origin { source, line: number, span };
        let Bare { text, verbatim, continues, .. } = bare;
        Some(Line { text, origin, via: None, verbatim, continues })
    }

    /// Works off a line.
    fn line(&mut self, mut line: Line) {
        self.lines += 1;
        if self.lines > MOST_LINES || self.work > MOST_WORK {
            self.too_much(&line, "what the definitions make grows beyond all bounds");
            return;
        }
        if let Some(defining) = &mut self.defining {
            defining.last = line.origin.line;
            if !line.text.is_empty() {
                defining.parts.push((line.text, line.origin));
            }
            if !line.continues {
                self.end_definition();
            }
            return;
        }
        loop {
            if line.text.starts_with('@') && !self.condition(&mut line) {
                return;
            }
            if self.define(&line) || self.sequence(&line) {
                return;
            }
            if line.text.starts_with('~') || !line.text.contains('$') {
                break;
            }
            let Some(made) = self.definitions.replace(&line.text) else {
                self.too_much(&line, "replacing the definitions on this line does not end");
                return;
            };
            self.work += made.work;
            if !made.any {
                break;
            }
            let used = line.via.take().unwrap_or_else(|| line.origin.clone());
            if !made.rest.is_empty() {
                let later = |(text, origin): Part| {
                    let via = Some(used.clone());
                    Waiting::Line(Line { text, origin, via, verbatim: true, continues: false })
                };
                self.frames.push(Frame::Waiting(made.rest.into_iter().map(later).collect()));
            }
            let Bare { text, .. } = text::bare(&made.text);
            if let Some(origin) = made.origin {
                line.origin = origin;
                line.via = Some(used);
            }
            line.text = text;
            line.verbatim = false;
            if !line.text.contains(['$', '@', '~']) {
                break;
            }
        }
        if line.continues {
            // Only definitions go on on the next line: here it is a word like any other.
            line.text.push_str(" \\");
        }
        if !self.include(&line) {
            self.part(&line);
        }
    }

    /// Takes `@ID` or `@^ID` away; false when the line is not for this host.
    fn condition(&mut self, line: &mut Line) -> bool {
        self.read.conditional = true;
        let condition = line.text.trim_start_matches('@');
        let (unless, condition) = match condition.strip_prefix('^') {
            Some(condition) => (true, condition),
            None => (false, condition),
        };
        let (id, rest) = condition.split_once([' ', '\t']).unwrap_or((condition, ""));
        let rest = rest.trim_start();
        let id_here = &self.options.config_id;
        if rest.is_empty() || (id == id_here.as_str()) == unless {
            let reason = if unless {
                format!("not for the config-id `{id}`, which this was read for")
            } else {
                format!("only for the config-id `{id}`; this was read for `{id_here}`")
            };
            self.aside(line, Fate::Ignored, reason);
            return false;
        }
        if line.verbatim {
            line.origin.span.start = line.origin.span.end - rest.len();
        }
        line.text = rest.to_owned();
        true
    }

    /// Whether the line is a definition.
    fn define(&mut self, line: &Line) -> bool {
        let Some((name, value)) = define::definition(&line.text) else { return false };
        let mut parts = Vec::new();
        if !value.is_empty() {
            let mut origin = line.origin.clone();
            origin.span.start = origin.span.end.saturating_sub(value.len()).max(origin.span.start);
            parts.push((value.to_owned(), origin));
        }
        let last = line.origin.line;
        self.defining = Some(Defining { name: name.to_owned(), parts, first: line.clone(), last });
        if !line.continues {
            self.end_definition();
        }
        true
    }

    fn end_definition(&mut self) {
        let Some(Defining { name, mut parts, first, last }) = self.defining.take() else { return };
        if parts.is_empty() {
            parts.push((String::new(), first.origin.clone()));
        }
        let told = Line { text: format!("${name}=…"), ..first };
        let reason = "a definition; it is written out where it is used".to_owned();
        self.tell(&told, Kind::Aside(Fate::Translated, reason, last));
        self.definitions.set(&name, parts);
    }

    /// Whether the line is a sequence.
    fn sequence(&mut self, line: &Line) -> bool {
        let sequence = match sequence::read(&line.text) {
            None => return false,
            Some(Ok(sequence)) => sequence,
            Some(Err(why)) => {
                let message = format!("this sequence cannot be read: {why}");
                let hint = "such as `~SEQ(N, 1, 3) 192.0.2.${N}` or `~LST(IF, eth0, eth1) ${IF}`";
                let place = line.origin.place();
                let diagnostic = Diagnostic::error(Code::BadSequence, &place, message).hint(hint);
                self.read.problems.push(diagnostic.label("in this line"));
                return true;
            }
        };
        let mut waiting = VecDeque::new();
        for values in sequence.values {
            let again = Line { text: sequence.text.clone(), verbatim: false, ..line.clone() };
            self.work += again.text.len();
            waiting.push_back(Waiting::Define(sequence.names.clone(), values, line.origin.clone()));
            waiting.push_back(Waiting::Line(again));
        }
        self.frames.push(Frame::Waiting(waiting));
        true
    }

    /// Whether the line is an `include`, which is followed then.
    fn include(&mut self, line: &Line) -> bool {
        let Some((word, pattern)) = line.text.split_once([' ', '\t']) else { return false };
        let strict = match word.strip_prefix("include") {
            Some("") => false,
            Some("r" | "m" | "w" | "b" | "a") => true,
            _ => return false,
        };
        let pattern = pattern.trim_start();
        let files = self.frames.iter().filter(|frame| matches!(frame, Frame::File { .. })).count();
        if files >= DEEPEST {
            self.cannot_include(
                line,
                Severity::Error,
                &format!("more than {DEEPEST} files include one another"),
            );
            return true;
        }
        let directory = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::File { directory, .. } => Some(directory.clone()),
            Frame::Waiting(_) => None,
        });
        let found = (self.bring)(pattern, &directory.unwrap_or_default());
        let severity = if strict { Severity::Error } else { Severity::Warning };
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                self.cannot_include(line, severity, &why);
                Vec::new()
            }
        };
        // `includer` asks for readable files only, the others for files too.
        if found.is_empty() && !matches!(word, "includer") {
            self.cannot_include(line, severity, &format!("no file matches `{pattern}`"));
        }
        self.follow(line, severity, found);
        true
    }

    /// Puts the files in, so that the first is read next.
    fn follow(&mut self, line: &Line, severity: Severity, found: Vec<Included>) {
        let mut read = Vec::new();
        for file in found {
            match file.text {
                Ok(_) if self.read.sources.len() + read.len() >= MOST_FILES => {
                    let why = format!("more than {MOST_FILES} files");
                    self.cannot_include(line, Severity::Error, &why);
                    break;
                }
                Ok(text) => read.push((file.name, file.directory, text)),
                Err(why) => self.cannot_include(line, severity, &format!("{}: {why}", file.name)),
            }
        }
        let names: Vec<&str> = read.iter().map(|(name, ..)| name.as_str()).collect();
        let reason = match names.as_slice() {
            [] => "no file was read".to_owned(),
            [name] => format!("{name} follows"),
            [first, .., last] => format!("{} files follow, {first} to {last}", names.len()),
        };
        self.aside(line, Fate::Translated, reason);
        for (name, directory, text) in read.iter().rev() {
            self.open(name, directory, text);
        }
    }

    fn cannot_include(&mut self, line: &Line, severity: Severity, why: &str) {
        let place = line.origin.place();
        let message = format!("an included file cannot be had: {why}");
        let diagnostic = match severity {
            Severity::Error => Diagnostic::error(Code::NoInclude, &place, message).hint(
                "names are relative to the file that includes; take the line away if the file is not needed",
            ),
            Severity::Warning => Diagnostic::warning(Code::NoInclude, &place, message)
                .hint("keepalived goes on without it, and so does this"),
        };
        self.read.problems.push(diagnostic.label("included here"));
    }

    /// Says that there is too much, and stops.
    fn too_much(&mut self, line: &Line, message: &str) {
        let diagnostic = Diagnostic::error(Code::TooMuch, &line.origin.place(), message)
            .label("here")
            .hint("does a definition contain itself?");
        self.read.problems.push(diagnostic);
        self.frames.clear();
    }

    fn aside(&mut self, line: &Line, fate: Fate, reason: String) {
        let last = line.origin.line;
        self.tell(line, Kind::Aside(fate, reason, last));
    }

    fn tell(&mut self, line: &Line, kind: Kind) {
        let Line { text, origin, via, .. } = line.clone();
        self.read.pieces.push(Piece { kind, text, place: origin.place(), origin, via });
    }

    /// Parts a statement at its braces.
    fn part(&mut self, line: &Line) {
        for (kind, span) in parts(&line.text) {
            let text = line.text.get(span.clone()).unwrap_or_default().to_owned();
            let mut place = line.origin.place();
            if line.verbatim {
                let start = place.span.start;
                place.span = start + span.start..start + span.end;
            }
            let (origin, via) = (line.origin.clone(), line.via.clone());
            self.read.pieces.push(Piece { kind, text, place, origin, via });
        }
    }
}

/// The braces outside of double quotes, and what is between them.
fn parts(text: &str) -> Vec<(Kind, Range<usize>)> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    let words = |from: usize, to: usize, parts: &mut Vec<_>| {
        let between = text.get(from..to).unwrap_or_default();
        let trimmed = between.trim_start();
        let from = from + between.len() - trimmed.len();
        let trimmed = trimmed.trim_end();
        if !trimmed.is_empty() {
            parts.push((Kind::Words, from..from + trimmed.len()));
        }
    };
    for (at, c) in text.char_indices() {
        let kind = match c {
            '"' => {
                quoted = !quoted;
                continue;
            }
            '{' if !quoted => Kind::Open,
            '}' if !quoted => Kind::Close,
            _ => continue,
        };
        words(start, at, &mut parts);
        parts.push((kind, at..at + 1));
        start = at + 1;
    }
    words(start, text.len(), &mut parts);
    parts
}
