//! Diagnostics as text, in the manner of rustc, and as a JSON document. Pure: makes strings.
//!
//! Secrets are replaced by asterisks of a fixed number before anything else sees the text. Only the lines around a place
//! are laid out, so the work does not grow with the file.

use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::diagnostic::{Diagnostic, Diagnostics, Place, Severity, Source};

/// What stands in place of a secret, whatever its length.
pub(super) const MASK: &str = "********";

/// Places at most this many lines apart are shown as one piece of text.
const NEAR: usize = 12;

/// Longest line of a configuration that is laid out, in bytes; of a longer one only the position is told.
const LONGEST_LINE: usize = 4096;

/// Longest message that is shown, in characters: it may quote a key of any length.
const LONGEST_MESSAGE: usize = 600;

impl Diagnostics {
    /// All of them as text, in order, and how many there are; empty when there are none.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let shown: Vec<Shown> = self.sources().iter().map(Shown::new).collect();
        let mut text = String::new();
        for diagnostic in self.list() {
            text.push_str(&renderer.render(&[group(diagnostic, &shown)]));
            text.push_str("\n\n");
        }
        if let Some(summary) = self.summary() {
            text.push_str(&summary);
            text.push('\n');
        }
        text
    }

    /// How many there are, in words; `None` when there are none.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let count = |number: usize, word: &str| match number {
            0 => None,
            1 => Some(format!("1 {word}")),
            _ => Some(format!("{number} {word}s")),
        };
        let parts: Vec<String> = [count(self.errors(), "error"), count(self.warnings(), "warning")]
            .into_iter()
            .flatten()
            .collect();
        if parts.is_empty() {
            return None;
        }
        let name = self.sources().first().map_or("configuration", |source| source.name.as_str());
        let mut summary = format!("{name}: {}", parts.join(" and "));
        let kept = self.list().len();
        if kept < self.errors() + self.warnings() {
            let _ = write!(summary, "; only the first {kept} are shown");
        }
        Some(summary)
    }

    /// The first one in a line: `PATH:LINE:COLUMN: MESSAGE`.
    #[must_use]
    pub fn first_line(&self) -> Option<String> {
        let first = self.list().first()?;
        let message = harmless(&first.message);
        let at = first.place.as_ref().and_then(|place| self.position(place, ""));
        Some(match at {
            Some(at) => format!("{}:{}:{}: {message}", at.file, at.line, at.column),
            None => message,
        })
    }

    /// All of them as a document for programs. `valid` is the verdict.
    #[must_use]
    pub fn to_document(&self, valid: bool) -> Document {
        Document {
            valid,
            files: self.sources().iter().map(|source| source.name.clone()).collect(),
            errors: self.errors(),
            warnings: self.warnings(),
            diagnostics: self.list().iter().map(|diagnostic| self.entry(diagnostic)).collect(),
        }
    }

    fn entry(&self, diagnostic: &Diagnostic) -> Entry {
        Entry {
            code: diagnostic.code.number(),
            severity: diagnostic.severity.word(),
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
            at: diagnostic.place.as_ref().and_then(|place| self.position(place, &diagnostic.label)),
            related: diagnostic
                .related
                .iter()
                .filter_map(|(place, label)| self.position(place, label))
                .collect(),
        }
    }

    fn position(&self, place: &Place, label: &str) -> Option<Position> {
        let source = self.sources().get(place.source)?;
        let before = source.text.get(..place.span.start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some(Position {
            file: source.name.clone(),
            start: place.span.start,
            end: place.span.end,
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..)?.chars().count() + 1,
            label: label.to_owned(),
        })
    }
}

/// What `validate --format json` prints. Keys are added, never renamed.
#[derive(Debug, Serialize)]
pub struct Document {
    valid: bool,
    files: Vec<String>,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    code: &'static str,
    severity: &'static str,
    message: String,
    hint: Option<String>,
    #[serde(flatten)]
    at: Option<Position>,
    related: Vec<Position>,
}

/// Bytes `start..end` of the file; line and column, in characters, count from 1.
#[derive(Debug, Serialize)]
struct Position {
    file: String,
    start: usize,
    end: usize,
    line: usize,
    column: usize,
    label: String,
}

/// A source as it may be shown: secrets masked, lines found.
struct Shown {
    name: String,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    /// The secrets in the original, each with how many bytes everything after it moved by.
    masked: Vec<(Range<usize>, isize)>,
}

impl Shown {
    fn new(source: &Source) -> Self {
        let mut text = String::with_capacity(source.text.len());
        let mut masked = Vec::new();
        let mut from = 0;
        let mut moved = 0isize;
        for secret in &source.secrets {
            // One that begins inside another is hidden with it.
            let Some(plain) = source.text.get(from..secret.start) else { continue };
            if source.text.get(secret.clone()).is_none() {
                continue;
            }
            text.push_str(plain);
            text.push_str(MASK);
            moved = moved.saturating_add_unsigned(MASK.len()).saturating_sub_unsigned(secret.len());
            masked.push((secret.clone(), moved));
            from = secret.end;
        }
        text.push_str(source.text.get(from..).unwrap_or_default());
        let text = without_c1(&text);
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Shown { name: harmless(&source.name), text, lines, masked }
    }

    /// Where `span` of the original is in the shown text; what lies in a secret becomes all of its mask.
    fn span(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.offset(span.start, false);
        let end = self.offset(span.end, true);
        start..end.clamp(start, self.text.len().max(start))
    }

    fn offset(&self, at: usize, is_end: bool) -> usize {
        let mut moved = 0isize;
        for (secret, after) in &self.masked {
            if at <= secret.start {
                break;
            }
            if at < secret.end {
                let mask = secret.start.saturating_add_signed(moved);
                return if is_end { mask + MASK.len() } else { mask };
            }
            moved = *after;
        }
        at.saturating_add_signed(moved).min(self.text.len())
    }

    /// Index of the line that byte `at` is on.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The text of the lines `first..=last`, and where it begins.
    fn excerpt(&self, first: usize, last: usize) -> (usize, &str) {
        let start = self.lines.get(first).copied().unwrap_or(0);
        let end = self.lines.get(last + 1).copied().unwrap_or(self.text.len());
        (start, self.text.get(start..end).unwrap_or_default())
    }
}

/// `text` with the control characters of two bytes (U+0080 to U+009F, some of which a terminal acts on like on an escape)
/// replaced by one of as many bytes, so that places stay what they are. Those of one byte are the renderer's to replace.
fn without_c1(text: &str) -> String {
    let shown = |c: char| if ('\u{80}'..='\u{9f}').contains(&c) { '¿' } else { c };
    text.chars().map(shown).collect()
}

/// `text` without what a terminal would act on, and not longer than a person reads.
fn harmless(text: &str) -> String {
    let mut safe: String = text
        .chars()
        .take(LONGEST_MESSAGE)
        .map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(LONGEST_MESSAGE).is_some() {
        safe.push('…');
    }
    safe
}

/// One place to point at.
struct Mark<'a> {
    source: usize,
    span: Range<usize>,
    lines: (usize, usize),
    kind: AnnotationKind,
    label: &'a str,
}

fn group<'a>(diagnostic: &'a Diagnostic, shown: &'a [Shown]) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(harmless(&diagnostic.message)).id(diagnostic.code.number());
    let mut elements: Vec<Element<'a>> = snippets(diagnostic, shown);
    if let (true, Some(source)) = (elements.is_empty(), shown.first()) {
        elements.push(annotate_snippets::Origin::path(source.name.as_str()).into());
    }
    if let Some(hint) = &diagnostic.hint {
        elements.push(Level::HELP.message(harmless(hint)).into());
    }
    title.elements(elements)
}

fn snippets<'a>(diagnostic: &'a Diagnostic, shown: &'a [Shown]) -> Vec<Element<'a>> {
    let mut pieces: Vec<Vec<Mark<'a>>> = Vec::new();
    for mark in marks(diagnostic, shown) {
        match pieces.iter_mut().find(|piece| piece.iter().any(|other| near(other, &mark))) {
            Some(piece) => piece.push(mark),
            None => pieces.push(vec![mark]),
        }
    }
    pieces.iter().filter_map(|piece| snippet(piece, shown)).collect()
}

fn marks<'a>(diagnostic: &'a Diagnostic, shown: &'a [Shown]) -> Vec<Mark<'a>> {
    let primary =
        diagnostic.place.as_ref().map(|place| (AnnotationKind::Primary, place, diagnostic.label.as_str()));
    let others =
        diagnostic.related.iter().map(|(place, label)| (AnnotationKind::Context, place, label.as_str()));
    let mark = |(kind, place, label): (AnnotationKind, &Place, &'a str)| {
        let source = shown.get(place.source)?;
        let span = source.span(&place.span);
        let lines = (source.line(span.start), source.line(span.end.saturating_sub(1).max(span.start)));
        Some(Mark { source: place.source, span, lines, kind, label })
    };
    primary.into_iter().chain(others).filter_map(mark).collect()
}

fn near(a: &Mark<'_>, b: &Mark<'_>) -> bool {
    a.source == b.source && a.lines.0.abs_diff(b.lines.0) <= NEAR
}

fn snippet<'a>(piece: &[Mark<'a>], shown: &'a [Shown]) -> Option<Element<'a>> {
    let source = shown.get(piece.first()?.source)?;
    if source.text.is_empty() {
        return Some(annotate_snippets::Origin::path(source.name.as_str()).into());
    }
    let first = piece.iter().map(|mark| mark.lines.0).min()?;
    let last = piece.iter().map(|mark| mark.lines.1).max()?;
    let (start, text) = source.excerpt(first, last);
    if text.lines().any(|line| line.len() > LONGEST_LINE) {
        let origin = annotate_snippets::Origin::path(source.name.as_str()).line(first + 1);
        return Some(origin.into());
    }
    let snippet = Snippet::source(text).path(source.name.as_str()).line_start(first + 1);
    let annotations = piece.iter().map(|mark| {
        let span = mark.span.start.saturating_sub(start)..mark.span.end.saturating_sub(start);
        let annotation = mark.kind.span(span);
        if mark.label.is_empty() { annotation } else { annotation.label(mark.label) }
    });
    Some(snippet.annotations(annotations).into())
}
