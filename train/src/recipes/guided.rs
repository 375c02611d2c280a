//! The recipe of the published notebooks for sentences: CLIP, stills.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::Kind;

use crate::data::content::Content;
use crate::losses::guide::Guide;
use crate::recipes::notebook::STEPS;
use crate::recipes::recipe::{Found, Recipe};
use crate::recipes::stills::Stills;
use crate::recipes::style::Extent;
use crate::rule::automaton::Automaton;
use crate::rule::rollout::{Rollout, Segment};
use crate::training::pool::Pool;

/// Iterations after which the learning rate falls.
const MILESTONES: [u64; 2] = [1000, 2000];

/// Trains an automaton as the notebooks do for sentences.
pub struct Guided {
    stills: Stills,
    guide: Guide,
}

impl Guided {
    /// A recipe for what a guide says.
    pub fn new(guide: Guide, content: Content, extent: Extent) -> Self {
        Self {
            stills: Stills::new(content, extent),
            guide,
        }
    }
}

impl Recipe for Guided {
    fn iterate(&mut self, automaton: &Automaton, iteration: u64, rng: &mut ChaCha8Rng) -> Found {
        let start = self.stills.batch(automaton, iteration, rng);
        let rule = automaton.rule();
        let steps = rng.random_range(STEPS);
        let change = None;
        let rollout = Rollout::run(
            &rule,
            &start,
            vec![Segment {
                change,
                steps,
                canvas: None,
            }],
        );
        let mut terms = self.guide.losses(&rollout.pictures()[0], rng);
        let end = rollout.end();
        let outside = (end - end.clamp(-1.0, 1.0)).abs().sum(Kind::Float);
        terms.push(("overflow", outside));
        let found = Found::of(&rollout, &rule, &terms);
        self.stills.put(&end.detach(), rng);
        found
    }

    fn rate(&self, iteration: u64) -> f64 {
        self.stills.rate(iteration, &MILESTONES)
    }

    fn pool(&mut self) -> &mut Pool {
        self.stills.pool()
    }
}
