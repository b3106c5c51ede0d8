//! How answers are laid out for people: colour, columns that fit the page, spans of time. Pure text.

use crate::agent::outlook::Marks;
use crate::agent::snapshot::VrState;

/// Colour, or none.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Paint {
    color: bool,
}

impl Paint {
    /// No colour.
    #[cfg(test)]
    pub(super) const PLAIN: Paint = Paint { color: false };

    pub(in crate::cli) fn new(color: bool) -> Self {
        Paint { color }
    }

    pub(in crate::cli) fn state(self, state: VrState, text: &str) -> String {
        self.wrap(
            text,
            match state {
                VrState::Master => "1;32",
                VrState::Backup => "36",
                VrState::Init => "33",
                VrState::Fault => "1;31",
            },
        )
    }

    pub(in crate::cli) fn bad(self, text: &str) -> String {
        self.wrap(text, "31")
    }

    /// What is not to be overlooked.
    pub(super) fn loud(self, text: &str) -> String {
        self.wrap(text, "1;33")
    }

    pub(super) fn trouble(self, text: &str) -> String {
        self.wrap(text, "33")
    }

    pub(in crate::cli) fn heading(self, text: &str) -> String {
        self.wrap(text, "1")
    }

    fn wrap(self, text: &str, code: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What answers are laid out for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) paint: Paint,
    /// Characters in a line; nothing where lines may be as long as they like.
    pub(super) width: Option<usize>,
}

impl Marks for Paint {
    fn name(&self, text: &str) -> String {
        self.heading(text)
    }

    fn state(&self, state: VrState) -> String {
        Paint::state(*self, state, state.word())
    }

    fn bad(&self, text: &str) -> String {
        Paint::bad(*self, text)
    }
}

impl Page {
    /// Lines of `text` that fit, each after the first `indent` further in; the first begins where something is already.
    pub(super) fn wrap(self, text: &str, indent: usize) -> String {
        let room = self.width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(LEAST));
        wrap(text, room).join(&format!("\n{:indent$}", ""))
    }

    /// A paragraph that is `indent` in.
    pub(super) fn paragraph(self, text: &str, indent: usize) -> String {
        format!("{:indent$}{}\n", "", self.wrap(text, indent))
    }
}

/// Where there is less room than that, lines are longer than the page.
const LEAST: usize = 20;
/// Room for the last column beside the others: with less it goes below them.
const BESIDE: usize = 24;
/// How far in lines below a row are.
const BELOW: usize = 4;
/// Columns that stay side by side on the narrowest page.
const KEPT: usize = 3;

/// Where the cells of a row go.
enum Shape {
    /// All side by side; the last is broken into lines.
    Beside,
    /// The last below the others.
    Below,
    /// All but the first few below those, each with its heading.
    Stacked,
}

/// Rows under their headings.
pub(super) struct Table<'t, const N: usize> {
    pub(super) headings: [&'t str; N],
    pub(super) rows: Vec<[String; N]>,
    /// Paints the padded cell of a row and a column.
    pub(super) finish: &'t dyn Fn(usize, usize, String) -> String,
    /// What follows a row, a paragraph each.
    pub(super) below: &'t dyn Fn(usize) -> Vec<String>,
}

impl<const N: usize> Table<'_, N> {
    /// Whether all columns have room side by side on this page.
    pub(super) fn fits(&self, page: Page) -> bool {
        matches!(Self::shape(&self.widths(), page), Shape::Beside)
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self.headings.map(str::len);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }

    fn shape(widths: &[usize; N], page: Page) -> Shape {
        let start = starts(widths, N - 1);
        let last = widths.last().copied().unwrap_or_default();
        match page.width {
            Some(width) if start + last.min(BESIDE) <= width => Shape::Beside,
            Some(width) if start <= width + 2 => Shape::Below,
            Some(_) => Shape::Stacked,
            None => Shape::Beside,
        }
    }

    /// Laid out for this page.
    pub(super) fn render(&self, page: Page) -> String {
        let widths = self.widths();
        let shape = Self::shape(&widths, page);
        let start = starts(&widths, N - 1);
        let fit = |count: &usize| page.width.is_some_and(|width| starts(&widths, *count) <= width + 2);
        let side_by_side = match shape {
            Shape::Beside => N,
            Shape::Below => N - 1,
            Shape::Stacked => (1..=KEPT.min(N - 1)).rev().find(fit).unwrap_or(1),
        };
        let headings = self.headings.map(str::to_owned);
        let mut text = page.paint.heading(&line(&headings, &widths, side_by_side, |_, padded| padded));
        text.push('\n');
        for (number, row) in self.rows.iter().enumerate() {
            let finish = |column, padded| (self.finish)(number, column, padded);
            let mut row = row.clone();
            if let (Shape::Beside, Some(cell)) = (&shape, row.last_mut()) {
                *cell = page.wrap(cell, start);
            }
            text.push_str(&line(&row, &widths, side_by_side, finish));
            text.push('\n');
            text.push_str(&self.rest(&row, side_by_side, page));
            for paragraph in (self.below)(number) {
                text.push_str(&page.paragraph(&paragraph, BELOW / 2));
            }
        }
        text
    }

    /// The cells that are not side by side.
    fn rest(&self, row: &[String; N], side_by_side: usize, page: Page) -> String {
        let mut text = String::new();
        let named: Vec<String> = row
            .iter()
            .zip(self.headings)
            .take(N - 1)
            .skip(side_by_side)
            .map(|(cell, heading)| format!("{} {cell}", heading.to_lowercase()))
            .collect();
        if !named.is_empty() {
            text.push_str(&page.paragraph(&named.join(", "), BELOW));
        }
        if let Some(last) = row.last().filter(|_| side_by_side < N) {
            text.push_str(&page.paragraph(last, BELOW));
        }
        text
    }
}

/// Where the column of this number begins.
fn starts<const N: usize>(widths: &[usize; N], column: usize) -> usize {
    widths.iter().take(column).map(|width| width + 2).sum()
}

/// The first `count` cells, padded but for the last of them.
fn line<const N: usize>(
    cells: &[String; N],
    widths: &[usize; N],
    count: usize,
    finish: impl Fn(usize, String) -> String,
) -> String {
    let shown = cells.iter().zip(widths).take(count).enumerate().map(|(column, (cell, width))| {
        finish(column, if column + 1 == count { cell.clone() } else { format!("{cell:<width$}") })
    });
    shown.collect::<Vec<_>>().join("  ")
}

/// Breaks `text` between words into lines of `room` characters at most; a longer word has a line of its own. Colours take
/// no room. A unit stays with its number.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut taken = 0;
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let mut word = word.to_owned();
        while let Some(unit) = words.next_if(|next| is_unit(next)) {
            word.push(' ');
            word.push_str(unit);
        }
        let length = visible(&word);
        match lines.last_mut() {
            Some(line) if taken + 1 + length <= room => {
                line.push(' ');
                line.push_str(&word);
                taken += 1 + length;
            }
            Some(_) | None => {
                lines.push(word);
                taken = length;
            }
        }
    }
    lines
}

fn is_unit(word: &str) -> bool {
    matches!(word.trim_end_matches([',', ';', ':', ')']), "s" | "ms" | "min" | "h" | "d")
}

/// Characters of a word that take room.
fn visible(word: &str) -> usize {
    let mut parts = word.split('\x1b');
    let before = parts.next().map_or(0, |part| part.chars().count());
    // After an escape up to its `m` is colour.
    before
        + parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest).chars().count()).sum::<usize>()
}

/// Seconds as people say them, two units at most.
pub(super) fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let whole = std::time::Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |span| span.as_secs());
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{whole} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", whole % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_colours_take_no_room() {
        assert_eq!(wrap("one two three", usize::MAX), ["one two three"]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("for 1 min 15 s: why", 12), ["for 1 min", "15 s: why"]);
        assert_eq!(wrap("a incomprehensibilities b", 5), ["a", "incomprehensibilities", "b"]);
        assert_eq!(wrap("\x1b[1;31mone\x1b[0m two", 7), ["\x1b[1;31mone\x1b[0m two"]);
    }

    #[test]
    fn spans_are_said_in_two_units_at_most() {
        for (seconds, said) in [
            (0.04, "0.0 s"),
            (9.96, "10.0 s"),
            (59.9, "59 s"),
            (61.0, "1 min 1 s"),
            (3_600.0, "1 h 0 min"),
            (200_000.0, "2 d 7 h"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(span(seconds), said);
        }
    }
}
