//! The recipe of the published notebooks of image-conditioned automata: Gram matrices of VGG-19, a
//! histogram of colours, stills.
//!
//! After "StyleTransfer NCA" of MagnusPetersen/Neural-Cellular-Automata-Image-Manipulation.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::automaton::{Automaton, Gradients};
use super::content::Content;
use super::losses::{colour_histogram, gram, hellinger};
use super::motion::Shot;
use super::pool::{Entry, Pool};
use super::recipe::{Found, Losses, Recipe};
use super::rollout::{Rollout, Segment};
use super::style::Extent;
use super::vgg::Vgg;

/// Layers whose Gram matrices are the style, with their weights.
const STYLE: [(usize, f64); 5] = [(1, 256.0), (6, 64.0), (11, 16.0), (20, 4.0), (29, 1.0)];
/// The layer whose Gram matrix is the content.
const CONTENT: usize = 22;
const STYLE_WEIGHT: f64 = 0.4;
const COLOUR_WEIGHT: f64 = 2.0;
/// Iterations after which the learning rate falls, and to which part.
const MILESTONES: [u64; 3] = [1500, 3000, 4500];
const FALL: f64 = 0.3;
/// Every so many iterations a state of the batch is a new one.
const RESEEDED: u64 = 5;

/// Trains an automaton as the notebooks do.
pub struct Notebook {
    extent: Extent,
    content: Content,
    network: Vgg,
    /// Gram matrix of each layer of [`STYLE`] that the network has.
    style: Vec<Tensor>,
    histogram: Tensor,
    pool: Pool,
}

/// What a rollout cost.
pub struct Cost {
    /// Losses by name, each times its weight; the first is their sum.
    pub losses: Losses,
    /// Gradients of the automaton's parameters.
    pub gradients: Gradients,
    /// The states that the rollout ended with.
    pub end: Tensor,
}

impl Notebook {
    /// A recipe for the style of a picture, 1 x 3 x H x W in [0, 1].
    pub fn new(style: &Tensor, content: Content, network: Vgg, extent: Extent) -> Self {
        let _guard = tch::no_grad_guard();
        let layers = network.features(style, &STYLE.map(|(layer, _)| layer));
        Self {
            style: layers.iter().map(|(_, values)| gram(values)).collect(),
            histogram: colour_histogram(style),
            pool: Pool::new(extent.pool),
            extent,
            content,
            network,
        }
    }

    /// Runs the automaton and looks at what it shows.
    pub fn run(&self, automaton: &Automaton, start: &Tensor, steps: usize) -> Cost {
        let wanted = tch::no_grad(|| {
            let source = start.narrow(1, 0, 3) + 0.5;
            let content = self.network.features(&source, &[CONTENT]);
            content.first().map(|(_, values)| gram(values))
        });
        let rule = automaton.rule();
        let change = None;
        let rollout = Rollout::run(&rule, start, vec![Segment { change, steps }]);
        let picture = &rollout.pictures()[0];
        let mut layers = STYLE.map(|(layer, _)| layer).to_vec();
        layers.push(CONTENT);
        let mut style = Vec::new();
        let mut content = None;
        for (layer, values) in self.network.features(picture, &layers) {
            match layer {
                CONTENT => content = Some(gram(&values)),
                _ => style.push(gram(&values)),
            }
        }
        let sum: f64 = STYLE.iter().map(|(_, weight)| weight).sum();
        let style = style.iter().zip(&self.style).zip(STYLE);
        let style = style.map(|((gram, wanted), (_, weight))| {
            (gram - wanted).square().mean(Kind::Float) * (weight / sum)
        });
        let zero = || Tensor::zeros([], (Kind::Float, automaton.device()));
        let content = content.zip(wanted).map(|(gram, wanted)| {
            // The first picture of the batch is held against what every one of them should be:
            // that is what the notebook computes.
            (gram.get(0) - wanted).square().mean(Kind::Float)
        });
        let end = rollout.end();
        let terms = [
            (
                "style",
                style.fold(zero(), |sum, term| sum + term) * STYLE_WEIGHT,
            ),
            ("content", content.unwrap_or_else(zero)),
            (
                "colour",
                hellinger(&colour_histogram(picture), &self.histogram) * COLOUR_WEIGHT,
            ),
            (
                "overflow",
                (end - end.clamp(-1.0, 1.0)).abs().sum(Kind::Float),
            ),
        ];
        let sum = terms.iter().fold(zero(), |sum, (_, term)| sum + term);
        let gradients = rollout.backward(&rule, &sum);
        let mut losses = vec![("loss", sum.double_value(&[]))];
        losses.extend(terms.map(|(name, term)| (name, term.double_value(&[]))));
        Cost {
            losses,
            gradients,
            end: end.detach(),
        }
    }

    /// A new start state, C x H x W.
    fn seed(&self, automaton: &Automaton, rng: &mut ChaCha8Rng) -> Entry {
        let size = self.extent.size;
        let picture = rng.random_range(0..self.content.len());
        let shot = Shot::square(picture, self.content.extent(picture), size);
        let frame = self.content.frame(&shot, size, size);
        Entry {
            state: automaton.start(&frame).squeeze_dim(0),
            shot: None,
        }
    }
}

impl Recipe for Notebook {
    fn iterate(&mut self, automaton: &Automaton, iteration: u64, rng: &mut ChaCha8Rng) -> Found {
        let start = tch::no_grad(|| {
            while self.pool.entries().len() < self.extent.pool {
                let seed = self.seed(automaton, rng);
                self.pool.put([seed], rng);
            }
            let mut batch = self.pool.take(self.extent.batch, rng);
            if iteration.is_multiple_of(RESEEDED) {
                batch[0] = self.seed(automaton, rng);
            }
            let states: Vec<_> = batch.into_iter().map(|entry| entry.state).collect();
            Tensor::stack(&states, 0)
        });
        let cost = self.run(automaton, &start, rng.random_range(32..96));
        let entries = (0..self.extent.batch as i64).map(|i| Entry {
            state: cost.end.get(i).copy(),
            shot: None,
        });
        self.pool.put(entries.collect::<Vec<_>>(), rng);
        Found {
            losses: cost.losses,
            gradients: cost.gradients,
        }
    }

    fn rate(&self, iteration: u64) -> f64 {
        let passed = MILESTONES.iter().filter(|at| iteration >= **at).count();
        self.extent.rate * FALL.powi(passed as i32)
    }

    fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }
}
