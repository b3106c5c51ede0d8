//! How answers are laid out for people: colour, columns, spans of time. Pure text.

use crate::agent::outlook::Marks;
use crate::agent::snapshot::VrState;

/// Colour, or none.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Paint {
    color: bool,
}

impl Paint {
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

/// Rows under their headings; `finish` paints the padded cell of a row and a column, `below` says what follows a row.
pub(super) fn columns<const N: usize>(
    headings: &[&str; N],
    rows: &[[String; N]],
    paint: Paint,
    finish: impl Fn(usize, usize, String) -> String,
    below: impl Fn(usize) -> String,
) -> String {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = paint.heading(&line(&headings.map(str::to_owned), &widths, |_, padded| padded));
    text.push('\n');
    for (number, row) in rows.iter().enumerate() {
        text.push_str(&line(row, &widths, |column, padded| finish(number, column, padded)));
        text.push('\n');
        text.push_str(&below(number));
    }
    text
}

fn line<const N: usize>(
    cells: &[String; N],
    widths: &[usize; N],
    finish: impl Fn(usize, String) -> String,
) -> String {
    let last = cells.len() - 1;
    let mut text = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padded = if column == last { cell.clone() } else { format!("{cell:<width$}") };
        text.push_str(&finish(column, padded));
        if column != last {
            text.push_str("  ");
        }
    }
    text
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
