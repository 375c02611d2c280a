//! Giving up work that nobody waits for any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Tells work that is under way to stop. Clones are one and the same.
///
/// Whoever works asks often, between the steps of an automaton or the rows of a large one, and gives
/// up with an error once it is cancelled.
///
/// ```
/// let cancel = nca::Cancel::default();
/// let worker = cancel.clone();
/// cancel.cancel();
/// assert!(worker.is_cancelled());
/// cancel.clear();
/// assert!(!worker.is_cancelled());
/// ```
#[derive(Clone, Debug)]
pub struct Cancel(Arc<AtomicI64>);

impl Default for Cancel {
    /// One that nobody has cancelled.
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MAX)))
    }
}

impl Cancel {
    /// One that cancels itself when it has been asked `times` times, so that a test can count.
    pub(crate) fn after(times: u32) -> Self {
        Self(Arc::new(AtomicI64::new(times.into())))
    }

    /// Stops what is under way, and what is begun before [`Cancel::clear`].
    pub fn cancel(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Work may be done again.
    pub fn clear(&self) {
        self.0.store(i64::MAX, Ordering::Relaxed);
    }

    /// Whether to give up.
    pub fn is_cancelled(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) <= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_how_often_it_is_asked() {
        let cancel = Cancel::after(2);
        let asked = [(); 4].map(|()| cancel.is_cancelled());
        assert_eq!(asked, [false, false, true, true]);
        cancel.clear();
        assert!(!cancel.is_cancelled());
    }
}
