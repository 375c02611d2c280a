//! What the reading of a model file may cost.

use std::sync::atomic::{AtomicBool, Ordering};

use super::FormatError;

/// Steps that a byte is worth. An honest pickle takes less than one: most of its opcodes are longer
/// than a byte, and what they make is looked at once or twice.
const STEPS_PER_BYTE: u64 = 4;

/// Steps that a reader may take, in proportion to what it reads, and whether it is still wanted.
///
/// A step is one value looked at or made: an opcode, an entry of a dictionary that is copied or
/// searched, a byte of a name that is put together.
pub(super) struct Budget<'c> {
    limit: u64,
    spent: u64,
    cancelled: &'c AtomicBool,
}

impl<'c> Budget<'c> {
    /// For something of this many bytes.
    pub(super) fn of(bytes: usize, cancelled: &'c AtomicBool) -> Self {
        Self {
            limit: bytes as u64 * STEPS_PER_BYTE,
            spent: 0,
            cancelled,
        }
    }

    /// Takes this many steps, if there are as many left and nobody has cancelled.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), FormatError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(FormatError::Cancelled);
        }
        let spent = self.spent.saturating_add(steps as u64);
        if spent > self.limit {
            return Err(FormatError::TooMuchWork { limit: self.limit });
        }
        self.spent = spent;
        Ok(())
    }

    /// Steps taken so far.
    #[cfg(test)]
    pub(super) fn spent(&self) -> u64 {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_spent_than_the_size_is_worth() {
        let cancelled = AtomicBool::new(false);
        let mut budget = Budget::of(10, &cancelled);
        budget.spend(30).unwrap();
        budget.spend(10).unwrap();
        let error = FormatError::TooMuchWork { limit: 40 };
        assert_eq!(budget.spend(1), Err(error.clone()));
        assert_eq!(budget.spend(usize::MAX), Err(error));
        assert_eq!(budget.spent(), 40);
    }

    #[test]
    fn nothing_is_spent_once_cancelled() {
        let cancelled = AtomicBool::new(false);
        let mut budget = Budget::of(10, &cancelled);
        budget.spend(1).unwrap();
        cancelled.store(true, Ordering::Relaxed);
        assert_eq!(budget.spend(1), Err(FormatError::Cancelled));
    }
}
