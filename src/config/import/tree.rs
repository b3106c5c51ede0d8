//! Statements and their blocks.
//!
//! Owns: which brace belongs to which statement, and the list of all statements by number, from which every remark
//! takes the line it is about. Fails: with diagnostics about braces without a partner.

use super::document::Fate;
use super::expand::{Kind, Piece};
use super::secret;
use super::text;
use crate::config::code::Code;
use crate::config::diagnostic::{Diagnostic, Place};

/// Deepest nesting of blocks; keepalived's own language has four levels.
const DEEPEST: usize = 32;

/// Number of a statement: its place in [`Tree::statements`].
pub(super) type Id = usize;

/// A statement and what stands in its braces.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: Id,
    pub(super) words: Vec<String>,
    /// The words as they were written.
    pub(super) text: String,
    /// What stands in the braces; `None` without any.
    pub(super) body: Option<Vec<Node>>,
    /// No statement but a line that has its fate already, and why.
    pub(super) aside: Option<(Fate, String)>,
}

impl Node {
    /// The keyword.
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The word number `at` after the keyword, from 1.
    pub(super) fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(String::as_str)
    }

    /// What stands in the braces.
    pub(super) fn body(&self) -> &[Node] {
        self.body.as_deref().unwrap_or_default()
    }

    /// The statement and all in it, by number.
    pub(super) fn ids(&self) -> Vec<Id> {
        let mut ids = vec![self.id];
        self.body().iter().for_each(|node| ids.extend(node.ids()));
        ids
    }
}

/// Where a statement stands and how it may be shown.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) source: usize,
    /// First and last line, from 1.
    pub(super) lines: (usize, usize),
    /// Source and line where the definition was used that it comes from.
    pub(super) via: Option<(usize, usize)>,
    /// The text, without secrets.
    pub(super) shown: String,
    /// Whether it is no statement but a line, or several, that have their fate already.
    pub(super) aside: bool,
}

/// All statements.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) statements: Vec<Statement>,
}

/// A block that has not ended yet: what is in it so far, and where its brace stands that needs a partner.
struct Unfinished {
    nodes: Vec<Node>,
    brace: Option<Place>,
    /// What stands in it may be a password.
    secret: bool,
}

/// Puts the pieces together.
pub(super) fn grow(pieces: Vec<Piece>, problems: &mut Vec<Diagnostic>) -> Tree {
    let mut statements: Vec<Statement> = Vec::new();
    let mut stack = vec![Unfinished { nodes: Vec::new(), brace: None, secret: false }];
    for piece in pieces {
        let depth = stack.len();
        let Some(current) = stack.last_mut() else { break };
        match piece.kind {
            Kind::Words => current.nodes.push(node(piece, None, current.secret, &mut statements)),
            Kind::Aside(fate, ref reason, last) => {
                let aside = Some((fate, reason.clone()));
                let node = node(piece, aside, current.secret, &mut statements);
                if let Some(statement) = statements.get_mut(node.id) {
                    statement.lines.1 = last;
                }
                current.nodes.push(node);
            }
            Kind::Open => {
                let owner = current.nodes.iter().rev().find(|node| node.aside.is_none());
                let alone = owner.is_none_or(|node| node.body.is_some());
                if alone {
                    problems.push(
                        Diagnostic::error(Code::Brace, &piece.place, "a block without a statement before it")
                            .label("belongs to nothing")
                            .hint("the `{` of a block follows its keyword, such as `vrrp_instance NAME {`"),
                    );
                } else if depth > DEEPEST {
                    let message = format!("more than {DEEPEST} blocks in one another");
                    problems.push(Diagnostic::error(Code::Brace, &piece.place, message).label("too deep"));
                    return Tree::default();
                }
                // Of one that belongs to nothing enough was said.
                let secret = owner.is_some_and(|node| node.keyword() == "authentication");
                stack.push(Unfinished { nodes: Vec::new(), brace: (!alone).then_some(piece.place), secret });
            }
            Kind::Close if depth == 1 => {
                let diagnostic = Diagnostic::error(Code::Brace, &piece.place, "a `}` too many")
                    .label("no block is open here")
                    .hint("look at the blocks above: one of them ends too early, or this line is left over");
                problems.push(diagnostic);
            }
            Kind::Close => {
                let line = piece.origin.line;
                close(&mut stack, Some((piece.origin.source, line)), &mut statements);
            }
        }
    }
    while stack.len() > 1 {
        if let Some(place) = stack.last().and_then(|open| open.brace.as_ref()) {
            let diagnostic = Diagnostic::error(Code::Brace, place, "a block does not end")
                .label("no `}` for this")
                .hint("put a `}` behind the last statement of the block");
            problems.push(diagnostic);
        }
        close(&mut stack, None, &mut statements);
    }
    let nodes = stack.pop().map(|root| root.nodes).unwrap_or_default();
    Tree { nodes, statements }
}

fn node(piece: Piece, aside: Option<(Fate, String)>, secret: bool, statements: &mut Vec<Statement>) -> Node {
    let id = statements.len();
    let words = if aside.is_some() { Vec::new() } else { text::words(&piece.text) };
    statements.push(Statement {
        source: piece.origin.source,
        lines: (piece.origin.line, piece.origin.line),
        via: piece.via.map(|via| (via.source, via.line)),
        shown: if secret {
            secret::masked_in_authentication(&piece.text)
        } else {
            secret::masked(&piece.text)
        },
        aside: aside.is_some(),
    });
    Node { id, words, text: piece.text, body: None, aside }
}

/// Gives what is in the innermost block to its statement.
fn close(stack: &mut Vec<Unfinished>, end: Option<(usize, usize)>, statements: &mut [Statement]) {
    let Some(done) = stack.pop() else { return };
    let Some(outer) = stack.last_mut() else { return };
    let owner = outer.nodes.iter_mut().rev().find(|node| node.aside.is_none());
    let Some(owner) = owner else { return };
    if let (Some(statement), Some((source, line))) = (statements.get_mut(owner.id), end)
        && statement.source == source
    {
        statement.lines.1 = statement.lines.1.max(line);
    }
    owner.body.get_or_insert_default().extend(done.nodes);
}
