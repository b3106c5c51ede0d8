//! The demo in words, as it happens: one line per fact, in the order of time.
//!
//! A line waits a moment before it is written, because the client knows only after a while that a question is lost,
//! and says then when it was. Fails when standard output cannot be written.

use std::fmt::Write;
use std::time::Duration;

use super::super::{Failure, output};
use super::client::{Outage, Sight};
use super::plan::{Host, Promise};
use crate::agent::snapshot::VrState;
use crate::time::Instant;

/// How long a line waits for an earlier one.
const HOLD: Duration = Duration::from_millis(40);

/// Who a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// One of the hosts.
    Host(Host),
    /// The client.
    Client,
    /// What the demo does to them.
    Demo,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Who::Host(host) => host.name(),
            Who::Client => "client",
            Who::Demo => "demo",
        }
    }
}

/// Lines that are written in the order of their time.
pub(super) struct Timeline {
    start: Instant,
    color: bool,
    waiting: Vec<(Instant, String)>,
}

impl Timeline {
    /// Lines in colour or without.
    pub(super) fn new(color: bool) -> Self {
        Timeline { start: Instant::ZERO, color, waiting: Vec::new() }
    }

    /// Counts time from `now`.
    pub(super) fn start(&mut self, now: Instant) {
        self.start = now;
    }

    /// Something happened `at` a time.
    pub(super) fn add(&mut self, at: Instant, who: Who, text: &str) {
        let milliseconds = at.since(self.start).as_millis();
        let name = if who == Who::Demo { self.paint(who.name(), "1") } else { who.name().to_owned() };
        // By hand, since colour would count as width.
        let gap = " ".repeat(8_usize.saturating_sub(who.name().len()));
        self.waiting.push((at, format!("{milliseconds:>7} ms  {name}{gap}{text}\n")));
        // Stable: what happened at the same time stays in the order in which it came.
        self.waiting.sort_by_key(|(at, _)| *at);
    }

    /// An instance entered a state.
    pub(super) fn transition(&mut self, at: Instant, host: Host, state: VrState, reason: &str) {
        let word = match state {
            VrState::Master => self.paint(state.word(), "1;32"),
            VrState::Fault => self.paint(state.word(), "1;31"),
            VrState::Init | VrState::Backup => state.word().to_owned(),
        };
        self.add(at, Who::Host(host), &format!("{word}: {reason}"));
    }

    /// The client saw something change.
    pub(super) fn sight(&mut self, at: Instant, sight: Sight) {
        let text = match sight {
            Sight::Answered(host) => format!("is answered by {}", self.paint(host.name(), "32")),
            Sight::Silence => self.paint("gets no answer any more", "31"),
        };
        self.add(at, Who::Client, &text);
    }

    /// Writes what is due at `now`.
    pub(super) fn write(&mut self, now: Instant) -> Result<(), Failure> {
        let due = self.waiting.partition_point(|(at, _)| at.after(HOLD) <= now);
        let text: String = self.waiting.drain(..due).map(|(_, line)| line).collect();
        if text.is_empty() { Ok(()) } else { output::answer(&text) }
    }

    /// Writes the rest.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let text: String = self.waiting.drain(..).map(|(_, line)| line).collect();
        output::answer(&text)
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Alpha, MASTER, lost its power.
    pub(super) crash: Outage,
    /// Alpha came back and took over from beta.
    pub(super) comeback: Outage,
    /// Alpha's agent was asked to stop.
    pub(super) handover: Outage,
}

/// The end of the story.
pub(super) fn summary(measured: &Measured) -> String {
    let beta = Promise::of(Host::Beta);
    let rows = [
        (
            "crash of the holder",
            measured.crash,
            format!(
                "{} to {}: beta waits {} after the last advert",
                milliseconds(beta.master_down.saturating_sub(beta.interval)),
                milliseconds(beta.master_down),
                milliseconds(beta.master_down)
            ),
        ),
        ("return of alpha", measured.comeback, "none: beta serves until alpha has taken over".to_owned()),
        (
            "graceful hand-over",
            measured.handover,
            format!(
                "none: alpha holds on until beta has taken over, {} (its skew) later",
                milliseconds(beta.skew)
            ),
        ),
    ];
    let mut text = format!(
        "\n{:<20}  {:>14}  {:>13}  {}\n",
        "", "longest outage", "requests lost", "what the protocol's timers say"
    );
    for (what, outage, promise) in rows {
        let lost = format!("{} of {}", outage.lost, outage.asked);
        let _ = writeln!(text, "{what:<20}  {:>14}  {lost:>13}  {promise}", milliseconds(outage.longest));
    }
    text
}

fn milliseconds(span: Duration) -> String {
    let tenths = span.as_micros().saturating_add(50) / 100;
    format!("{}.{} ms", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_nanos(milliseconds * 1_000_000)
    }

    #[test]
    fn lines_come_out_in_the_order_of_time() {
        let mut timeline = Timeline::new(false);
        timeline.start(at(1000));
        timeline.add(at(1030), Who::Host(Host::Beta), "late");
        timeline.sight(at(1010), Sight::Silence);
        timeline.transition(at(1010), Host::Alpha, VrState::Master, "why");
        let lines: Vec<&str> = timeline.waiting.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(
            lines,
            [
                "     10 ms  client  gets no answer any more\n",
                "     10 ms  alpha   MASTER: why\n",
                "     30 ms  beta    late\n",
            ]
        );
    }

    #[test]
    fn spans_are_rounded_to_a_tenth_of_a_millisecond() {
        assert_eq!(milliseconds(Duration::from_nanos(60_937_500)), "60.9 ms");
        assert_eq!(milliseconds(Duration::from_micros(999_960)), "1000.0 ms");
    }

    #[test]
    fn the_summary_sets_the_measured_beside_the_promised() {
        let outage = |ms, lost| Outage { longest: Duration::from_millis(ms), lost, asked: 1000 };
        let text =
            summary(&Measured { crash: outage(312, 311), comeback: outage(1, 0), handover: outage(7, 0) });
        assert!(text.contains("312.0 ms    311 of 1000  260.9 ms to 360.9 ms: beta"), "{text}");
        assert!(text.contains("7.0 ms      0 of 1000  none: alpha holds on"), "{text}");
        assert!(text.contains("60.9 ms (its skew) later"), "{text}");
    }
}
