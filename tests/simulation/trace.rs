//! What happened in a run: always as a hash, on demand as lines for people.

/// The record of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty record; without `lines` nothing is formatted.
    pub(crate) fn new(lines: bool) -> Self {
        Trace { hash: 0, lines: lines.then(Vec::new) }
    }

    /// Takes numbers that identify what happened into the hash.
    pub(crate) fn mix(&mut self, words: &[u64]) {
        for word in words {
            self.hash = (self.hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
    }

    /// Takes bytes into the hash.
    pub(crate) fn mix_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(&[u64::from_le_bytes(word)]);
        }
    }

    /// Writes a line, if lines are kept.
    pub(crate) fn line(&mut self, now: u64, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let (seconds, rest) = (now / 1_000_000_000, now % 1_000_000_000);
            lines.push(format!("{seconds:>4}.{:06} {}", rest / 1000, text()));
        }
    }

    /// The hash of everything so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
