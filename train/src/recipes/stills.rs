//! Still pictures and a pool of states that grow over them: what the recipes of the published notebooks
//! share.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use crate::data::content::Content;
use crate::data::motion::Shot;
use crate::recipes::style::Extent;
use crate::rule::automaton::Automaton;
use crate::training::pool::{Entry, Pool};

/// Every so many iterations a state of the batch is a new one.
const RESEEDED: u64 = 5;
/// Part of the learning rate that is left after each milestone.
const FALL: f64 = 0.3;

/// Squares in the middle of pictures, and states that live from iteration to iteration.
pub struct Stills {
    extent: Extent,
    content: Content,
    pool: Pool,
}

impl Stills {
    /// With an empty pool.
    pub fn new(content: Content, extent: Extent) -> Self {
        Self {
            pool: Pool::new(extent.pool),
            extent,
            content,
        }
    }

    /// Takes the states of an iteration, counted from 0, out of the pool: B x C x H x W.
    pub fn batch(&mut self, automaton: &Automaton, iteration: u64, rng: &mut ChaCha8Rng) -> Tensor {
        let _guard = tch::no_grad_guard();
        while self.pool.entries().len() < self.extent.pool {
            let seed = self.seed(automaton, rng);
            self.pool.put([seed], rng);
        }
        let mut batch = self.pool.take(self.extent.batch, 1.0, rng);
        if iteration.is_multiple_of(RESEEDED) {
            batch[0] = self.seed(automaton, rng);
        }
        let states: Vec<_> = batch.into_iter().map(|entry| entry.state).collect();
        Tensor::stack(&states, 0)
    }

    /// Puts them back as they have become.
    pub fn put(&mut self, states: &Tensor, rng: &mut ChaCha8Rng) {
        let entries = (0..self.extent.batch as i64).map(|i| Entry {
            state: states.get(i).copy(),
            shot: None,
            stroke: 1.0,
        });
        self.pool.put(entries.collect::<Vec<_>>(), rng);
    }

    /// The learning rate of an iteration that has passed some of these milestones.
    pub fn rate(&self, iteration: u64, milestones: &[u64]) -> f64 {
        let passed = milestones.iter().filter(|at| iteration >= **at).count();
        self.extent.rate * FALL.powi(passed as i32)
    }

    /// The states that live on.
    pub fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    /// A new start state, C x H x W.
    fn seed(&self, automaton: &Automaton, rng: &mut ChaCha8Rng) -> Entry {
        let size = self.extent.size;
        let picture = rng.random_range(0..self.content.len());
        let shot = Shot::square(picture, self.content.extent(picture), size);
        let frame = self.content.frame(&shot, size, size);
        Entry {
            state: automaton.start(&frame, 1.0).squeeze_dim(0),
            shot: None,
            stroke: 1.0,
        }
    }
}
