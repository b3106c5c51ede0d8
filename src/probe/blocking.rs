//! Work that can block, on the runtime's threads for that; one at a time for each who has such work.
//!
//! Who gives up waiting leaves the work to its end; the next waits for that first, and so a file system that does not
//! answer costs one thread and not one more each interval.

use tokio::task::JoinHandle;

/// The work of one probe.
#[derive(Debug)]
pub(super) struct Blocking<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> Blocking<T> {
    pub(super) fn new() -> Self {
        Blocking(None)
    }

    /// Does it; none when it panicked.
    pub(super) async fn run(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        if let Some(before) = &mut self.0 {
            let _ = before.await;
            self.0 = None;
        }
        let result = self.0.insert(tokio::task::spawn_blocking(work)).await.ok();
        self.0 = None;
        result
    }
}
