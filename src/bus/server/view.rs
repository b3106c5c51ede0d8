//! The objects as they were last seen: looked at again when something changed, when somebody asks, and now and then.
//!
//! One look at a time, and a bounded number a second however often there is news or a question. Where nobody is to be told,
//! nobody looks, and nothing is kept but the stamps: a thousand instances are megabytes of objects.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use zbus::Message;

use super::news;
use super::objects::Tree;
use super::stamps::{Stamps, Taken};
use super::{Agent, Changes, Word};
use crate::os::clock;

/// At most so many looks …
const LOOKS: usize = 10;
/// … within this time.
const WITHIN: Duration = Duration::from_millis(500);
/// A look without a reason, for what changes and nobody tells of, such as the priority that a master has.
const NOW_AND_THEN: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The number of the look.
    pub(super) number: u64,
    /// Somebody has been told since: if not, the rest says nothing.
    kept: bool,
    /// The objects.
    pub(super) tree: Arc<Tree>,
    /// Whether the agent answered this time; if not, the objects are those of an earlier look.
    pub(super) answered: bool,
    /// What leads here from the look before, by whose number it is known.
    pub(super) before: u64,
    pub(super) news: Arc<Vec<Message>>,
}

/// The last look, and those to come.
#[derive(Debug)]
pub(super) struct View {
    changes: Arc<Changes>,
    seen: watch::Sender<Seen>,
    /// Somebody more is to be told.
    joined: Notify,
    /// Looks that were begun.
    begun: AtomicU64,
}

impl View {
    /// Nothing was seen yet.
    pub(super) fn new(changes: Arc<Changes>) -> Self {
        let seen = watch::Sender::new(Seen::default());
        View { changes, seen, joined: Notify::new(), begun: AtomicU64::new(0) }
    }

    /// To be told of what is seen, as long as the receiver lives; there is a first sight of it by then.
    pub(super) async fn watch(&self) -> watch::Receiver<Seen> {
        let mut seen = self.seen.subscribe();
        self.joined.notify_one();
        // Fails only when nobody is left who looks.
        let _ = seen.wait_for(|seen| seen.kept).await;
        seen
    }

    /// Has somebody look; the number of the look that begins after this.
    pub(super) fn want(&self) -> u64 {
        self.changes.mark();
        self.begun.load(Ordering::Relaxed) + 1
    }

    /// Something was done.
    pub(super) fn mark(&self) {
        self.changes.mark();
    }

    /// Looks, for good.
    pub(super) async fn keep(&self, agent: &Arc<dyn Agent>) {
        let mut stamps = Stamps::default();
        let mut last = VecDeque::new();
        loop {
            self.somebody().await;
            if last.len() >= LOOKS
                && let Some(first) = last.pop_front()
            {
                sleep(WITHIN.saturating_sub(clock::now().since(first))).await;
            }
            last.push_back(clock::now());
            self.changes.taken();
            let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
            let tree = look(agent, &mut stamps).await;
            self.tell(number, tree, agent);
            // A look now and then needs nobody to have changed anything.
            let _ = timeout(NOW_AND_THEN, self.changes.wait()).await;
        }
    }

    /// Waits until there is somebody to be told. What the last one was told is no use to the next.
    async fn somebody(&self) {
        while self.seen.receiver_count() == 0 {
            self.seen.send_replace(Seen::default());
            self.joined.notified().await;
        }
    }

    fn tell(&self, number: u64, tree: Option<Tree>, agent: &Arc<dyn Agent>) {
        let last = self.seen.borrow().clone();
        let answered = tree.is_some();
        let tree = tree.map_or_else(|| Arc::clone(&last.tree), Arc::new);
        let news = if last.kept { news::between(&last.tree, &tree) } else { Ok(Vec::new()) };
        let news = Arc::new(news.unwrap_or_else(|error| {
            agent.tell(Word::Unserved { why: format!("what changed cannot be told: {error}") });
            Vec::new()
        }));
        self.seen.send_replace(Seen { number, kept: true, tree, answered, before: last.number, news });
    }
}

async fn look(agent: &Arc<dyn Agent>, stamps: &mut Stamps) -> Option<Tree> {
    let from = clock::now();
    let asked = Arc::clone(agent);
    let snapshot = tokio::task::spawn_blocking(move || asked.snapshot()).await.ok()??;
    let wall = clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wall = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
    let taken = Taken { from, until: clock::now(), wall };
    Some(Tree::new(&snapshot, taken, stamps))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::bus::server::{Action, Done, Refusal};

    /// One that is looked at; how often.
    #[derive(Default)]
    struct Watched(AtomicU64);

    impl Agent for Watched {
        fn snapshot(&self) -> Option<crate::agent::snapshot::Snapshot> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Some(crate::agent::Agent::new("a".to_owned()).snapshot(clock::now()))
        }

        fn act(&self, _: Action) -> Result<Done, Refusal> {
            Err(Refusal::Failed("a test".to_owned()))
        }

        fn tell(&self, word: Word) {
            panic!("{word:?}");
        }
    }

    #[test]
    fn nobody_looks_while_nobody_is_to_be_told() {
        let watched = Arc::new(Watched::default());
        let agent: Arc<dyn Agent> = Arc::<Watched>::clone(&watched);
        let looks = || watched.0.load(Ordering::Relaxed);
        let (changes, turns) = (Arc::<Changes>::default(), 1_000);
        let view = View::new(Arc::clone(&changes));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let test = async {
            for _ in 0..turns {
                changes.mark();
                tokio::task::yield_now().await;
            }
            assert_eq!(looks(), 0);
            for times in 1..=2 {
                let mut seen = view.watch().await;
                assert!(looks() >= times, "who comes is told what is there");
                let first = seen.borrow_and_update().clone();
                assert!(first.answered && first.news.is_empty() && !first.tree.0.is_empty());
                let wanted = view.want();
                assert!(seen.wait_for(|seen| seen.number >= wanted).await.is_ok());
                drop(seen);
                // What it was told is let go of once there is news, and that is not looked at.
                changes.mark();
                while view.seen.borrow().kept {
                    tokio::task::yield_now().await;
                }
                let before = looks();
                for _ in 0..turns {
                    changes.mark();
                    tokio::task::yield_now().await;
                }
                assert_eq!(looks(), before);
            }
        };
        runtime.block_on(async {
            tokio::select! { () = view.keep(&agent) => {}, () = test => {} }
        });
    }
}
