//! Busy loops: two for each core, at ordinary priority.

use std::process::{Child, Stdio};

use super::space::Space;

/// Runs until dropped.
#[derive(Debug)]
pub(crate) struct Load(Vec<Child>);

impl Load {
    /// Starts the loops.
    pub(crate) fn start(space: &Space) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |_| {
            let mut command = space.command(&["sh", "-c", "while :; do :; done"]);
            command.stdin(Stdio::null()).spawn().expect("`sh`")
        };
        Load((0..cores * 2).map(start).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
