//! Lookups of names by the system's resolver, which blocks: each on a thread, bounded in number.
//!
//! Owns: which names are being looked up and who waits for each. One lookup of a name is under way at a time, however many
//! ask, so that a stuck name holds one thread. Never: remembers an answer. Fails: with a [`Trouble`] that names the name.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use super::{Trouble, shown, words};

/// Most lookups at once. Beyond, names wait for a thread.
const MOST_THREADS: usize = 64;
/// Most names that wait for a thread. Beyond, a lookup is refused.
const MOST_WAITING: usize = 1024;
/// Most addresses of a name that count; the rest is left out.
pub(in crate::probe) const MOST_ADDRESSES: usize = 16;
/// What the standard library puts before the resolver's own words.
const PREFIX: &str = "failed to lookup address information: ";

/// Addresses of a name, or why there are none.
type Answer = Result<Vec<IpAddr>, String>;

/// Looks a name up; may take as long as it likes.
type Resolve = fn(&str) -> Answer;

/// The lookups of this process.
#[derive(Debug)]
pub(in crate::probe) struct Lookups {
    state: Arc<Mutex<State>>,
    resolve: Resolve,
}

#[derive(Debug, Default)]
struct State {
    threads: usize,
    /// Names without a thread yet, each also in `asked`.
    waiting: VecDeque<String>,
    /// Who waits for which name.
    asked: BTreeMap<String, Vec<oneshot::Sender<Answer>>>,
}

impl Default for Lookups {
    fn default() -> Self {
        Lookups { state: Arc::default(), resolve: by_the_system }
    }
}

impl Lookups {
    /// The addresses of `name`, in the order in which the system wants them used; at least one. To give up waiting does
    /// not end the lookup.
    pub(in crate::probe) async fn find(&self, name: &str) -> Result<Vec<IpAddr>, Trouble> {
        let answer = self.ask(name)?;
        let answer = answer.await.unwrap_or_else(|_| Err("the lookup was given up".to_owned()));
        answer.map_err(|why| Trouble::failed(format!("cannot look up {name}: {why}")))
    }

    fn ask(&self, name: &str) -> Result<oneshot::Receiver<Answer>, Trouble> {
        let (sender, receiver) = oneshot::channel();
        let mut state = lock(&self.state);
        if let Some(asking) = state.asked.get_mut(name) {
            // Those who gave up: a name that is stuck is asked for again and again.
            asking.retain(|sender| !sender.is_closed());
            asking.push(sender);
            return Ok(receiver);
        }
        if state.threads < MOST_THREADS {
            let (shared, resolve, first) = (Arc::clone(&self.state), self.resolve, name.to_owned());
            let work = move || serve(&shared, resolve, first);
            if let Err(error) = thread::Builder::new().name("lookup".to_owned()).spawn(work) {
                let text = format!("cannot start a thread to look up {name}: {}", words(&error));
                return Err(Trouble::unknown(text));
            }
            state.threads += 1;
        } else if state.waiting.len() < MOST_WAITING {
            state.waiting.push_back(name.to_owned());
        } else {
            return Err(Trouble::unknown(format!("cannot look up {name}: too many lookups are stuck")));
        }
        state.asked.insert(name.to_owned(), vec![sender]);
        Ok(receiver)
    }
}

/// A thread: looks up the first name, then those that wait, and ends.
fn serve(state: &Mutex<State>, resolve: Resolve, first: String) {
    let mut next = Some(first);
    while let Some(name) = next {
        let answer = resolve(&name);
        let mut held = lock(state);
        let asking = held.asked.remove(&name).unwrap_or_default();
        next = wanted(&mut held);
        if next.is_none() {
            held.threads = held.threads.saturating_sub(1);
        }
        drop(held);
        for sender in asking {
            // Who gave up needs no answer.
            let _ = sender.send(answer.clone());
        }
    }
}

/// The next name that somebody still waits for.
fn wanted(state: &mut State) -> Option<String> {
    while let Some(name) = state.waiting.pop_front() {
        if state.asked.get(&name).is_some_and(|asking| asking.iter().any(|sender| !sender.is_closed())) {
            return Some(name);
        }
        state.asked.remove(&name);
    }
    None
}

/// Nothing panics while it holds the lock; if something did, the state would still be whole.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn by_the_system(name: &str) -> Answer {
    let found = (name, 0_u16).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        shown(text.strip_prefix(PREFIX).unwrap_or(&text))
    })?;
    let mut addresses = Vec::new();
    for address in found.map(|found| found.ip()) {
        if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    static BEGUN: AtomicUsize = AtomicUsize::new(0);

    /// Names that begin with "stuck" take very long.
    fn slow(name: &str) -> Answer {
        if name.starts_with("stuck") {
            BEGUN.fetch_add(1, Ordering::SeqCst);
            loop {
                thread::park();
            }
        }
        if name.starts_with("fast") {
            Ok(vec![IpAddr::from([192, 0, 2, 1])])
        } else {
            Err("no such name".to_owned())
        }
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn a_stuck_name_holds_one_thread_and_delays_no_other() {
        let lookups = Lookups { state: Arc::default(), resolve: slow };
        block_on(async {
            for _ in 0..20 {
                let stuck =
                    tokio::time::timeout(Duration::from_millis(2), lookups.find("stuck.example")).await;
                assert!(stuck.is_err());
            }
            let none = lookups.find("none.example").await.unwrap_err();
            assert_eq!(none.text, "cannot look up none.example: no such name");
            assert_eq!(lookups.find("fast.example").await.unwrap(), [IpAddr::from([192, 0, 2, 1])]);
        });
        assert_eq!(BEGUN.load(Ordering::SeqCst), 1);
        let state = lock(&lookups.state);
        assert!(state.asked["stuck.example"].len() <= 2, "those who gave up are forgotten");
    }

    #[test]
    fn beyond_the_threads_names_wait_and_beyond_that_are_refused() {
        fn held(_: &str) -> Answer {
            loop {
                thread::park();
            }
        }
        let lookups = Lookups { state: Arc::default(), resolve: held };
        let most = MOST_THREADS + MOST_WAITING;
        let receivers: Vec<_> = (0..most).map(|n| lookups.ask(&format!("{n}.example")).unwrap()).collect();
        let refused = lookups.ask("last.example").unwrap_err();
        assert_eq!(refused.text, "cannot look up last.example: too many lookups are stuck");
        let mut state = lock(&lookups.state);
        assert_eq!((state.threads, state.waiting.len()), (MOST_THREADS, MOST_WAITING));
        drop(receivers);
        assert_eq!(wanted(&mut state), None, "nobody waits for them any more");
        assert_eq!((state.waiting.len(), state.asked.len()), (0, MOST_THREADS));
    }

    #[test]
    fn the_systems_own_words_are_told() {
        let text = block_on(Lookups::default().find("no-such-name.invalid")).unwrap_err().text;
        assert!(
            text.starts_with("cannot look up no-such-name.invalid: ") && !text.contains(PREFIX),
            "{text}"
        );
        assert!(block_on(Lookups::default().find("localhost")).is_ok());
    }
}
