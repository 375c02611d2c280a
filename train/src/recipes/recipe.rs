//! What an iteration of training is.

use rand_chacha::ChaCha8Rng;

use tch::Tensor;

use crate::losses::terms::zero;
use crate::rule::automaton::{Automaton, Gradients, Rule};
use crate::rule::rollout::Rollout;
use crate::training::pool::Pool;

/// What one iteration found.
pub struct Found {
    /// Losses by name, each times its weight; the first is their sum.
    pub losses: Losses,
    /// Gradients of the automaton's parameters.
    pub gradients: Gradients,
}

impl Found {
    /// What is learned from a rollout by making the sum of these losses, functions of its pictures and
    /// its end, smaller.
    pub fn of(rollout: &Rollout, rule: &Rule<'_>, terms: &[(&'static str, Tensor)]) -> Self {
        let zero = zero(rule.automaton().device());
        let sum = terms.iter().fold(zero, |sum, (_, term)| sum + term);
        let gradients = rollout.backward(rule, &sum);
        let losses = terms
            .iter()
            .map(|(name, term)| (*name, term.double_value(&[])));
        Self {
            losses: std::iter::once(("loss", sum.double_value(&[])))
                .chain(losses)
                .collect(),
            gradients,
        }
    }
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
