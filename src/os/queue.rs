//! A bounded queue between threads.
//!
//! Takes next to no memory for what is not in it (a channel of the standard library takes all of it at once). Full is an answer
//! for the caller to deal with, never a wait: the engine must not wait for anybody.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Room for so many things stays when the queue is empty again.
const KEPT: usize = 64;

/// Things on their way from one thread to another, in order.
#[derive(Debug)]
pub struct Queue<T> {
    limit: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
    /// Whether the reader is done with everything that it took.
    idle: bool,
}

impl<T> State<T> {
    /// Moves the first `count` things to the end of `taken`.
    fn give(&mut self, count: usize, taken: &mut Vec<T>) {
        taken.extend(self.items.drain(..count));
        if self.items.is_empty() {
            self.items.shrink_to(KEPT);
        }
    }
}

impl<T> Queue<T> {
    /// An empty queue that takes at most `limit` things.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let state = State { items: VecDeque::new(), closed: false, idle: true };
        Queue { limit, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Puts `item` at the end; gives it back when the queue is full or closed.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.lock();
        if state.closed || state.items.len() >= self.limit {
            return Err(item);
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for something and moves up to `most` things to the end of `taken`. `false` when the queue is closed and
    /// nothing is left in it.
    pub fn wait(&self, most: usize, taken: &mut Vec<T>) -> bool {
        self.wait_at_most(None, most, taken)
    }

    /// The same, but after `limit` with nothing.
    pub fn wait_at_most(&self, limit: Option<Duration>, most: usize, taken: &mut Vec<T>) -> bool {
        let mut state = self.lock();
        state.idle = true;
        self.changed.notify_all();
        let nothing = |state: &mut State<T>| state.items.is_empty() && !state.closed;
        state = match limit {
            None => self.changed.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                self.changed
                    .wait_timeout_while(state, limit, nothing)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        if state.items.is_empty() && state.closed {
            return false;
        }
        state.idle = false;
        let count = state.items.len().min(most);
        state.give(count, taken);
        true
    }

    /// Moves everything that is there to the end of `taken`, without waiting.
    pub fn take(&self, taken: &mut Vec<T>) {
        let mut state = self.lock();
        let count = state.items.len();
        state.give(count, taken);
    }

    /// Takes no more; what is in it can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until everything has been taken and dealt with, at most `limit`. Whether it has.
    pub fn drained(&self, limit: Duration) -> bool {
        let busy = |state: &mut State<T>| !(state.items.is_empty() && state.idle);
        let waited = self.changed.wait_timeout_while(self.lock(), limit, busy);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        !timeout.timed_out()
    }

    /// A thread that panicked while it held the lock left the queue itself whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn full_and_closed_give_the_thing_back() {
        let queue = Queue::new(2);
        assert_eq!([queue.push(1), queue.push(2), queue.push(3)], [Ok(()), Ok(()), Err(3)]);
        let mut taken = Vec::new();
        assert!(queue.wait(1, &mut taken));
        assert_eq!(queue.push(4), Ok(()));
        queue.close();
        assert_eq!(queue.push(5), Err(5));
        queue.take(&mut taken);
        assert_eq!(taken, [1, 2, 4]);
        assert!(!queue.wait(9, &mut taken));
    }

    #[test]
    fn a_rush_leaves_no_room_behind() {
        let (queue, mut taken) = (Queue::new(10_000), Vec::new());
        (0..5_000).for_each(|item| queue.push(item).unwrap());
        assert!(queue.wait(4_990, &mut taken));
        assert!(queue.lock().items.capacity() >= 5_000, "moved once only");
        queue.take(&mut taken);
        assert!(queue.lock().items.capacity() <= KEPT);
        assert_eq!(taken, (0..5_000).collect::<Vec<_>>());
    }

    #[test]
    fn what_one_thread_puts_another_takes_in_order() {
        let queue = Arc::new(Queue::new(10_000));
        let reader = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut taken = Vec::new();
                while queue.wait(7, &mut taken) {}
                taken
            })
        };
        for item in 0..5_000 {
            assert_eq!(queue.push(item), Ok(()));
        }
        assert!(queue.drained(Duration::from_secs(10)));
        queue.close();
        assert_eq!(reader.join().unwrap(), (0..5_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_wait_with_a_limit_ends_with_nothing() {
        let queue: Queue<u8> = Queue::new(1);
        let mut taken = Vec::new();
        assert!(queue.wait_at_most(Some(Duration::from_millis(1)), 1, &mut taken));
        assert!(taken.is_empty());
        queue.close();
        assert!(!queue.wait_at_most(Some(Duration::from_mins(1)), 1, &mut taken));
    }

    #[test]
    fn a_reader_that_hangs_does_not_hold_up_the_end() {
        let queue = Queue::new(10);
        queue.push(1).unwrap();
        assert!(!queue.drained(Duration::from_millis(10)));
    }
}
