//! The first lines of what a program writes. Pure; holds a bounded number of bytes, whatever comes.

/// Lines that are kept.
const LINES: usize = 5;
/// Bytes of a line that are kept.
const WIDTH: usize = 200;

/// Takes bytes as they come and keeps the first lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    kept: Vec<String>,
    /// The line that has not ended yet, as far as it is kept.
    open: Vec<u8>,
}

impl Lines {
    /// More of the output.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.kept.len() == LINES {
                return;
            }
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            // One byte more than is shown, so that a character that is cut is seen to be.
            let room = (WIDTH + 1).saturating_sub(self.open.len());
            self.open.extend(text.iter().take(room));
            if ended {
                self.close();
            }
        }
    }

    /// The lines; what has no line end is one, too. Empty lines are left out, and so are control characters.
    pub(super) fn finish(mut self) -> Vec<String> {
        if self.kept.len() < LINES {
            self.close();
        }
        self.kept
    }

    fn close(&mut self) {
        let line = String::from_utf8_lossy(&self.open);
        let mut text = String::new();
        for character in line.chars().map(|c| if c == '\t' { ' ' } else { c }) {
            if text.len() + character.len_utf8() > WIDTH {
                break;
            }
            if !hidden(character) {
                text.push(character);
            }
        }
        self.open.clear();
        let text = text.trim();
        if !text.is_empty() {
            self.kept.push(text.to_owned());
        }
    }
}

/// Control characters, and those that turn the direction of what follows.
fn hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        for piece in pieces {
            lines.push(piece);
        }
        lines.finish()
    }

    #[test]
    fn the_first_lines_are_kept_however_they_come() {
        assert_eq!(lines(&[]), Vec::<String>::new());
        assert_eq!(lines(&[b"one\ntwo"]), ["one", "two"]);
        assert_eq!(lines(&[b"o", b"ne\n", b"\n\n  two  \n"]), ["one", "two"]);
        assert_eq!(lines(&[b"1\n2\n3\n4\n5\n6\n", b"7"]), ["1", "2", "3", "4", "5"]);
    }

    #[test]
    fn what_could_fool_a_terminal_is_taken_out() {
        assert_eq!(lines(&[b"a\x1b[31mred\x07\tb\r\n"]), ["a[31mred b"]);
        assert_eq!(lines(&["x\u{202e}y\u{85}z".as_bytes()]), ["xyz"]);
        assert_eq!(lines(&[b"\xff\xfe!"]), ["\u{fffd}\u{fffd}!"]);
    }

    #[test]
    fn a_huge_line_costs_no_memory_and_is_cut_between_characters() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            lines.push(&[b'x'; 1000]);
            assert!(lines.open.len() <= WIDTH + 1);
        }
        lines.push(b"\nnext");
        assert_eq!(lines.finish(), ["x".repeat(WIDTH), "next".into()]);
        let umlauts = "\u{e4}".repeat(150);
        let mut lines = Lines::default();
        lines.push(format!("{umlauts}\n").as_bytes());
        assert_eq!(lines.finish(), ["\u{e4}".repeat(100)]);
    }
}
