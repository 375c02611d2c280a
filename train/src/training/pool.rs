//! States that live from iteration to iteration, so that training sees what long runs lead to.

use rand::{Rng, RngExt};
use tch::Tensor;

use crate::data::motion::Shot;

/// Largest value of a state that is kept.
const BOUND: f64 = 20.0;

/// A state and what it looks at.
pub struct Entry {
    /// C x H x W, frozen channels included.
    pub state: Tensor,
    /// The frame that the frozen channels are of; `None` where nothing moves.
    pub shot: Option<Shot>,
    /// Size of its strokes.
    pub stroke: f32,
}

/// A pool of states, after Mordvintsev et al., "Growing Neural Cellular Automata" (Distill 2020).
pub struct Pool {
    entries: Vec<Entry>,
    capacity: usize,
}

impl Pool {
    /// An empty pool for so many states.
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: Vec::new(),
            capacity,
        }
    }

    /// The states in it.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Replaces all that is in it.
    pub fn set_entries(&mut self, entries: Vec<Entry>) {
        self.entries = entries;
    }

    /// Takes out `n` random states with strokes of this size; fewer, if there are not so many.
    pub fn take(&mut self, n: usize, stroke: f32, rng: &mut impl Rng) -> Vec<Entry> {
        let mut taken = Vec::new();
        while taken.len() < n {
            let fitting = |(i, entry): (usize, &Entry)| (entry.stroke == stroke).then_some(i);
            let fitting: Vec<_> = self
                .entries
                .iter()
                .enumerate()
                .filter_map(fitting)
                .collect();
            if fitting.is_empty() {
                break;
            }
            let i = fitting[rng.random_range(0..fitting.len())];
            taken.push(self.entries.swap_remove(i));
        }
        taken
    }

    /// Puts states back, except those that have gone out of bounds. Where the pool is full, a
    /// random state makes room.
    pub fn put(&mut self, entries: impl IntoIterator<Item = Entry>, rng: &mut impl Rng) {
        for entry in entries {
            let most = entry.state.abs().max().double_value(&[]);
            // Also false for NaN.
            if most < BOUND {
                if self.entries.len() >= self.capacity {
                    let i = rng.random_range(0..self.entries.len());
                    self.entries.swap_remove(i);
                }
                self.entries.push(entry);
            }
        }
    }
}
