//! Word from other threads that something changed. It says that and nothing more: what is there by then is looked at.
//! So it never grows, and giving it costs the engine one write to a descriptor at most, and none while the last word was
//! not heard yet.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether something changed since the last look.
#[derive(Debug, Default)]
pub struct Changes {
    marked: AtomicBool,
    notify: Notify,
}

impl Changes {
    /// Something changed. Never blocks.
    pub fn mark(&self) {
        if !self.marked.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// Waits until something changed since this last returned.
    pub(super) async fn wait(&self) {
        while !self.marked.load(Ordering::Acquire) {
            self.notify.notified().await;
        }
    }

    /// What changes from now on is for the next look.
    pub(super) fn taken(&self) {
        self.marked.store(false, Ordering::Release);
    }
}
