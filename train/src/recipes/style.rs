//! Our own recipe: the style of a picture or of a sentence, for video.
//!
//! Rollouts go over frames of cameras whose motion is known. What is shown at the end must be made
//! of what the style picture is made of and lie where the source has it; from frame to frame it must
//! move with the source.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::data::content::Content;
use crate::losses::picture::PictureLoss;
use crate::losses::prompt::PromptLoss;
use crate::losses::terms::{astray, feature_distance, order_of_light, overflow};
use crate::networks::features::Features;
use crate::recipes::filming::Filming;
use crate::recipes::recipe::{Found, Recipe};
use crate::rule::automaton::{Automaton, Rule};
use crate::rule::rollout::Rollout;
use crate::training::pool::Pool;
use nca::model::Playback;

/// How often the states of a batch grow much older first, without being learned from: nothing may
/// grow over the picture however long it is looked at, and its colours may not drift.
const AGED: f64 = 0.3;
/// So many steps at least and at most, evenly spread over their logarithm: what drifts does so in the
/// first thousand steps, and then stays where it has come to.
const AGE: [f64; 2] = [16.0, 2000.0];
/// Part of the iterations over which the weight of steadiness grows to its full size: what stands still
/// from the beginning never becomes strokes.
const STYLE_FIRST: f64 = 0.4;

/// Weights of the losses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StyleWeights {
    /// Of the distribution of features, or of what the sentence asks for.
    pub style: f64,
    /// Of the Gram matrices of features; a sentence has none.
    #[serde(default)]
    pub gram: f64,
    /// Of the distribution of colours; a sentence says nothing of it.
    pub colour: f64,
    /// Of the order of light and dark places.
    #[serde(default)]
    pub light: f64,
    /// Of features where the source has them.
    pub content: f64,
    /// Of what changes from frame to frame though it only moved.
    pub temporal: f64,
    /// Of what looks otherwise than it does after the warm-up.
    pub age: f64,
    /// Of values out of bounds.
    pub overflow: f64,
}

/// Extent of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// Iterations in all; the learning rate falls over them.
    pub iterations: u64,
    /// Width and height of what is trained on, in pixels.
    pub size: usize,
    /// States an iteration.
    pub batch: usize,
    /// States in the pool.
    pub pool: usize,
    /// Learning rate at the beginning.
    pub rate: f64,
}

/// What pictures are to look like.
pub enum Look {
    /// Like a picture.
    Picture(PictureLoss),
    /// As sentences say.
    Prompt(Box<PromptLoss>),
}

/// Trains an automaton to show its source with another look.
pub struct MovingStyle {
    extent: Extent,
    weights: StyleWeights,
    filming: Filming,
    features: Features,
    look: Look,
}

impl MovingStyle {
    /// A recipe for a look.
    pub fn new(
        look: Look,
        content: Content,
        features: Features,
        playback: Playback,
        extent: Extent,
        weights: StyleWeights,
    ) -> Self {
        Self {
            look,
            filming: Filming::new(content, playback, extent),
            extent,
            weights,
            features,
        }
    }

    /// Factor on the weight of steadiness.
    fn steadiness(&self, iteration: u64) -> f64 {
        let until = STYLE_FIRST * self.extent.iterations as f64;
        (iteration as f64 / until).min(1.0).powi(2)
    }
}

impl Recipe for MovingStyle {
    fn iterate(&mut self, automaton: &Automaton, iteration: u64, rng: &mut ChaCha8Rng) -> Found {
        let rule = automaton.rule();
        let filming = &mut self.filming;
        let (start, batch, clean, wanted, segments, history, young) = {
            let _guard = tch::no_grad_guard();
            let mut batch = filming.batch(&rule, rng);
            let mut start = filming.looking(automaton, &batch);
            if rng.random_bool(AGED) {
                let [least, most] = AGE.map(f64::ln);
                let steps = rng.random_range(least..most).exp();
                start = aged(&rule, start, steps as u32);
            }
            let (segments, history) = filming.segments(automaton, &mut batch, rng);
            let clean = filming.clean(&batch);
            let wanted = self.features.content(&clean);
            let young = filming.young(&rule, &clean, &batch);
            (start, batch, clean, wanted, segments, history, young)
        };

        let rollout = Rollout::run(&rule, &start, segments);
        let pictures = rollout.pictures();
        let shown = &pictures[pictures.len() - 1];
        let weights = self.weights;
        let (content, mut terms) = match &self.look {
            Look::Picture(loss) => {
                let of = loss.terms(shown, &self.features);
                let terms = vec![
                    ("style", of.style * weights.style),
                    ("gram", of.gram * weights.gram),
                    ("colour", of.colour * weights.colour),
                ];
                (of.content, terms)
            }
            Look::Prompt(prompt) => {
                let loss = prompt.loss(shown, &clean, rng);
                let content = self.features.content(shown);
                (content, vec![("prompt", loss * weights.style)])
            }
        };
        let steadiness = self.steadiness(iteration);
        let unsteadiness = self.filming.unsteadiness(pictures, &history);
        terms.extend([
            (
                "content",
                feature_distance(&content, &wanted) * weights.content,
            ),
            ("light", order_of_light(shown, &clean) * weights.light),
            ("temporal", unsteadiness * weights.temporal * steadiness),
            ("age", astray(shown, &young) * weights.age * steadiness),
            ("overflow", overflow(rollout.end()) * weights.overflow),
        ]);
        let found = Found::of(&rollout, &rule, &terms);
        self.filming.put(batch, &rollout.end().detach(), rng);
        found
    }

    fn rate(&self, iteration: u64) -> f64 {
        let passed = iteration as f64 / self.extent.iterations.max(1) as f64;
        let cosine = 0.5 + 0.5 * (std::f64::consts::PI * passed.min(1.0)).cos();
        self.extent.rate * (0.03 + 0.97 * cosine)
    }

    fn pool(&mut self) -> &mut Pool {
        self.filming.pool()
    }
}

/// States so many steps later; or where they begin to leave their bounds, which is where there is
/// something to be learned.
fn aged(rule: &Rule<'_>, mut state: Tensor, steps: u32) -> Tensor {
    const BOUND: f64 = 1.5;
    /// Steps from one look at the bounds to the next.
    const LOOK: u32 = 8;
    for done in (0..steps).step_by(LOOK as usize) {
        let next = rule.steps(&state, LOOK.min(steps - done));
        if next.abs().max().double_value(&[]) > BOUND {
            break;
        }
        state = next;
    }
    state
}
