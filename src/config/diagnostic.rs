//! What is wrong with a configuration, at the exact text, as values.
//!
//! Owns: the sources that were read, the places in them, and which parts of them are secret. Never: reads a file, prints.
//! `render` turns a [`Diagnostics`] into text or JSON.

use std::collections::BTreeSet;
use std::ops::Range;

use super::code::Code;

/// Most diagnostics that are kept; what comes after is counted only.
pub const MOST: usize = 500;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but somebody should look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A stretch of one source's text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Index of the source in [`Diagnostics::sources`].
    pub source: usize,
    /// Bytes of its text.
    pub span: Range<usize>,
}

impl Place {
    fn key(&self) -> (usize, usize, usize) {
        (self.source, self.span.start, self.span.end)
    }
}

/// A text that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What to call it: the path as given.
    pub name: String,
    /// All of it.
    pub text: String,
    /// Bytes that must never be shown, ascending and apart.
    pub secrets: Vec<Range<usize>>,
}

impl Source {
    /// A source without known secrets.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Source { name: name.into(), text: text.into(), secrets: Vec::new() }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where; `None` when it is about the source as a whole.
    pub place: Option<Place>,
    /// What to write beside the place.
    pub label: String,
    /// Other places that belong to it, each with what to write beside it.
    pub related: Vec<(Place, String)>,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at `place`.
    #[must_use]
    pub fn error(code: Code, place: &Place, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, Some(place.clone()), message.into())
    }

    /// A warning at `place`.
    #[must_use]
    pub fn warning(code: Code, place: &Place, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, Some(place.clone()), message.into())
    }

    /// About the source as a whole.
    #[must_use]
    pub fn whole(code: Code, severity: Severity, message: impl Into<String>) -> Self {
        Self::new(code, severity, None, message.into())
    }

    fn new(code: Code, severity: Severity, place: Option<Place>, message: String) -> Self {
        Diagnostic { code, severity, message, place, label: String::new(), related: Vec::new(), hint: None }
    }

    /// With words beside the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With another place that belongs to it.
    #[must_use]
    pub fn related(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.related.push((place.clone(), label.into()));
        self
    }

    /// With how to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Everything that is wrong, and the texts that it is wrong in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    sources: Vec<Source>,
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// Places that several readers read: the same thing is told of them only once.
    once: BTreeSet<(usize, usize, usize)>,
    /// Whether all are kept, however many.
    all: bool,
}

impl Diagnostics {
    /// None so far, in `sources`.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        Diagnostics { sources, ..Diagnostics::default() }
    }

    /// Keeps all of them, however many: for programs, no person reads so many.
    #[must_use]
    pub(super) fn keep_all(mut self) -> Self {
        self.all = true;
        self
    }

    /// A single one about `source` as a whole, which could not be read at all.
    #[must_use]
    pub fn unreadable(source: &str, diagnostic: Diagnostic) -> Self {
        let mut all = Diagnostics::new(vec![Source::new(source, "")]);
        all.push(diagnostic);
        all
    }

    /// One more; beyond [`MOST`] it is counted and forgotten.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.is_told(&diagnostic) {
            return;
        }
        match diagnostic.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        if self.all || self.list.len() < MOST {
            self.list.push(diagnostic);
        }
    }

    /// From now on the same kind of thing is told only once of each of these places.
    pub(super) fn tell_once(&mut self, places: &[Place]) {
        self.once.extend(places.iter().map(Place::key));
    }

    fn is_told(&self, diagnostic: &Diagnostic) -> bool {
        let Some(place) = diagnostic.place.as_ref().filter(|place| self.once.contains(&place.key())) else {
            return false;
        };
        self.list.iter().any(|told| told.code == diagnostic.code && told.place.as_ref() == Some(place))
    }

    /// What must not be shown of source number `source`.
    pub fn hide(&mut self, source: usize, mut secrets: Vec<Range<usize>>) {
        secrets.sort_by_key(|span| (span.start, span.end));
        secrets.dedup();
        if let Some(source) = self.sources.get_mut(source) {
            source.secrets = secrets;
        }
    }

    /// Puts them in the order of the text; those about a whole source come first.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|one| one.place.as_ref().map(Place::key));
    }

    /// The texts.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Those that were kept.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// How many errors there are, kept or not.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings there are, kept or not.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.warnings
    }
}
