//! keepalived's configuration to ours: the same meaning, with a remark for everything that changed or has no equivalent.
//!
//! | step | in |
//! |---|---|
//! | a line: comment, words, quotes | `text` |
//! | includes, conditions, definitions, sequences | `expand`, with `define` and `sequence` |
//! | statements and blocks, by number | `tree` |
//! | what must not be shown | `secret` |
//! | a first look over all of it: names, what is tracked, groups | `model`, `names` |
//! | what an instance amounts to in keepalived | `facts` |
//! | statements to settings and remarks | `globals`, `check`, `command`, `instance`, `addresses`, `transport`, `garp`, `track`, `notify`, `group`, `words` |
//! | settings and remarks, with the statements they come from | `document` |
//! | the text | `render`, `quote` |
//! | what our own reader would refuse | `verify` |
//!
//! Pure: includes are asked of the caller. Each significant line ends as a setting or in a remark: the settings and
//! remarks carry the numbers of their statements, and `document` adds a remark for every number that none carries.
//! Fails: with [`Diagnostics`] when the text cannot be read; what can be read can be written.

mod addresses;
mod check;
mod command;
mod define;
mod document;
mod expand;
mod facts;
mod garp;
pub mod glob;
mod globals;
mod group;
mod instance;
mod model;
mod names;
mod notify;
mod quote;
mod render;
mod secret;
mod sequence;
mod text;
mod track;
mod transport;
mod tree;
mod verify;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use document::Fate;

use super::diagnostic::{Diagnostics, Severity, Source};
use document::{Document, Note, Section};
use model::{Kind, Model};
use render::Rendered;
use tree::{Node, Tree};
use words::Block;

/// What the text does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What `@ID` is compared with; keepalived takes the host name up to its first dot.
    pub config_id: String,
    /// The directory of the file, as `${_PWD}` tells it and includes are relative to it.
    pub directory: String,
}

/// A file that an `include` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// What to call it.
    pub name: String,
    /// The directory that it is in.
    pub directory: String,
    /// What is in it, or why it was not read.
    pub text: Result<String, String>,
}

/// Brings the files that a pattern means, seen from a directory; what keeps all of them away is the error.
pub type BringIncludes<'a> = &'a mut dyn FnMut(&str, &str) -> Result<Vec<Included>, String>;

/// What became of a line of the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The file, as remarks call it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// What became of it.
    pub fate: Fate,
    /// The lines of the result that show it, from 1, ascending.
    pub shown: Vec<usize>,
}

/// A translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The configuration.
    pub text: String,
    /// One for each significant line, in the order of the files.
    pub accounts: Vec<Account>,
    /// What somebody should look at in the original; warnings only.
    pub warnings: Diagnostics,
}

impl Imported {
    /// How many lines there are of each fate, in words.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |fate| self.accounts.iter().filter(|account| account.fate == fate).count();
        let translated = count(Fate::Translated);
        let plural = if translated == 1 { "" } else { "s" };
        let mut summary = format!("{translated} line{plural} translated");
        for (fate, words) in [
            (Fate::Changed, "changed"),
            (Fate::Without, "without equivalent"),
            (Fate::Ignored, "that keepalived ignores too"),
        ] {
            let count = count(fate);
            if count > 0 || fate != Fate::Ignored {
                summary = format!("{summary}, {count} {words}");
            }
        }
        summary
    }
}

/// Translates `text`, which diagnostics call `name`.
pub fn import(
    text: &str,
    name: &str,
    options: &Options,
    bring: BringIncludes<'_>,
) -> Result<Imported, Diagnostics> {
    let expand::Read { pieces, sources, mut problems, conditional } =
        expand::read(text, name, options, bring);
    let tree = tree::grow(pieces, &mut problems);
    let names = short_names(&sources);
    let warnings = diagnostics(sources, problems);
    if warnings.errors() > 0 {
        return Err(warnings);
    }
    let mut document = translate(&tree);
    introduce(&mut document, &names, conditional.then_some(options.config_id.as_str()));
    document.sweep(&tree);
    let rendered = verify::settle(&mut document, &tree.statements, &names);
    let accounts = accounts(&tree, &rendered, &names);
    Ok(Imported { text: rendered.text, accounts, warnings })
}

fn diagnostics(sources: Vec<Source>, problems: Vec<super::diagnostic::Diagnostic>) -> Diagnostics {
    let hidden = secret::hidden(&sources);
    let mut all = Diagnostics::new(sources);
    for (source, secrets) in hidden.into_iter().enumerate() {
        all.hide(source, secrets);
    }
    for problem in problems {
        all.push(problem);
    }
    debug_assert!(all.list().iter().all(|one| one.severity == Severity::Warning) || all.errors() > 0);
    all.sort();
    all
}

/// Names as remarks use them: without the directory that all of them are in, if it is that of the first.
fn short_names(sources: &[Source]) -> Vec<String> {
    let directory =
        sources.first().and_then(|first| first.name.rsplit_once('/')).map(|(directory, _)| directory);
    let short = |name: &str| {
        let rest = directory.and_then(|directory| name.strip_prefix(directory)?.strip_prefix('/'));
        rest.unwrap_or(name).to_owned()
    };
    sources.iter().map(|source| short(&source.name)).collect()
}

/// Every statement, in the order of the original; the global ones come first.
fn translate(tree: &Tree) -> Document {
    let mut model = Model::survey(tree);
    let mut document = Document { sections: vec![Section::default()], ..Document::default() };
    globals::translate(tree, &model, &mut document);
    for node in &tree.nodes {
        match (node.keyword(), Kind::of_block(node.keyword())) {
            ("global_defs", _) => {}
            ("vrrp_instance", _) => instance::translate(node, &mut model, &mut document),
            ("vrrp_sync_group", _) => group::translate(node, &model, &mut document),
            (_, Some(kind)) => check::translate(kind, node, &model, &mut document),
            (_, None) => outside(node, &mut document),
        }
    }
    globals::who_runs_commands(&model, &mut document);
    document
}

/// What stands outside of any block and is none of those that have a table.
fn outside(node: &Node, document: &mut Document) {
    let remark = match &node.aside {
        Some((fate, reason)) => Note::of(node, *fate, reason.clone()),
        None => words::without(Block::Root, node)
            .unwrap_or_else(|| Note::whole(node, Fate::Without, document::NOT_UNDERSTOOD)),
    };
    preamble(document, remark);
}

/// A remark before the first table.
fn preamble(document: &mut Document, note: Note) {
    if let Some(first) = document.sections.first_mut() {
        first.say(note);
    }
}

/// The words at the top.
fn introduce(document: &mut Document, names: &[String], config_id: Option<&str>) {
    let Some(first) = document.sections.first_mut() else { return };
    let name = names.first().map_or("keepalived.conf", String::as_str);
    let mut words = vec![format!(
        "Written by `failover import` from {name}. A remark begins with the file and the line that it is about. A \
         setting with a # directly before it is left for somebody to decide."
    )];
    words.extend(config_id.map(|id| format!("Lines with @ were read for the config-id `{id}`.")));
    let notes = words.into_iter().map(|words| document::Item::Note(Note::plain(words)));
    first.items.splice(0..0, notes);
}

fn accounts(tree: &Tree, rendered: &Rendered, names: &[String]) -> Vec<Account> {
    let mut lines: BTreeMap<(usize, usize), (Fate, Vec<usize>)> = BTreeMap::new();
    for (id, statement) in tree.statements.iter().enumerate() {
        let Some((fate, shown)) = rendered.shown.get(&id) else { continue };
        let last = if statement.aside { statement.lines.1 } else { statement.lines.0 };
        let here = (statement.lines.0..=last).map(|line| (statement.source, line));
        for place in here.chain(statement.via) {
            let (so_far, at) = lines.entry(place).or_insert((*fate, Vec::new()));
            *so_far = (*so_far).max(*fate);
            at.extend(shown);
        }
    }
    let account = |((source, line), (fate, mut shown)): ((usize, usize), (Fate, Vec<usize>))| {
        shown.sort_unstable();
        shown.dedup();
        Account { file: names.get(source).cloned().unwrap_or_default(), line, fate, shown }
    };
    lines.into_iter().map(account).collect()
}
