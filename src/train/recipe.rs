//! What an iteration of training is.

use rand_chacha::ChaCha8Rng;

use super::automaton::{Automaton, Gradients};
use super::pool::Pool;

/// What one iteration found.
pub struct Found {
    /// Losses by name, each times its weight; the first is their sum.
    pub losses: Losses,
    /// Gradients of the automaton's parameters.
    pub gradients: Gradients,
}

/// Losses by name.
pub type Losses = Vec<(&'static str, f64)>;

/// How an automaton is trained.
pub trait Recipe {
    /// One iteration, counted from 0: picks states, runs the automaton, says what was lost. All
    /// chance comes from `rng` and from torch's generator.
    fn iterate(&mut self, automaton: &Automaton, iteration: u64, rng: &mut ChaCha8Rng) -> Found;

    /// The learning rate of an iteration, counted from 0.
    fn rate(&self, iteration: u64) -> f64;

    /// The states that live on.
    fn pool(&mut self) -> &mut Pool;
}
