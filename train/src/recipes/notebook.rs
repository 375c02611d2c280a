//! The recipe of the published notebooks of image-conditioned automata: Gram matrices of VGG-19, a
//! histogram of colours, stills.
//!
//! After "StyleTransfer NCA" of MagnusPetersen/Neural-Cellular-Automata-Image-Manipulation.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use crate::data::content::Content;
use crate::losses::terms::{colour_distance, colour_histogram, gram};
use crate::networks::vgg::Vgg;
use crate::recipes::recipe::{Found, Recipe};
use crate::recipes::stills::Stills;
use crate::recipes::style::Extent;
use crate::rule::automaton::Automaton;
use crate::rule::rollout::{Rollout, Segment};
use crate::training::pool::Pool;

/// Layers whose Gram matrices are the style, with their weights.
const STYLE: [(usize, f64); 5] = [(1, 256.0), (6, 64.0), (11, 16.0), (20, 4.0), (29, 1.0)];
/// The layer whose Gram matrix is the content.
const CONTENT: usize = 22;
const STYLE_WEIGHT: f64 = 0.4;
const COLOUR_WEIGHT: f64 = 2.0;
/// Iterations after which the learning rate falls.
const MILESTONES: [u64; 3] = [1500, 3000, 4500];
/// Steps of a rollout.
pub(crate) const STEPS: Range<usize> = 32..96;

/// Trains an automaton as the notebooks do.
pub struct Notebook {
    stills: Stills,
    network: Vgg,
    /// Gram matrix of each layer of [`STYLE`] that the network has.
    style: Vec<Tensor>,
    histogram: Tensor,
}

/// What a rollout cost.
pub struct Cost {
    /// Losses and gradients.
    pub found: Found,
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
            stills: Stills::new(content, extent),
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
        let rollout = Rollout::run(
            &rule,
            start,
            vec![Segment {
                change,
                steps,
                canvas: None,
            }],
        );
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
                colour_distance(picture, &self.histogram) * COLOUR_WEIGHT,
            ),
            (
                "overflow",
                (end - end.clamp(-1.0, 1.0)).abs().sum(Kind::Float),
            ),
        ];
        Cost {
            found: Found::of(&rollout, &rule, &terms),
            end: end.detach(),
        }
    }
}

impl Recipe for Notebook {
    fn iterate(&mut self, automaton: &Automaton, iteration: u64, rng: &mut ChaCha8Rng) -> Found {
        let start = self.stills.batch(automaton, iteration, rng);
        let cost = self.run(automaton, &start, rng.random_range(STEPS));
        self.stills.put(&cost.end, rng);
        cost.found
    }

    fn rate(&self, iteration: u64) -> f64 {
        self.stills.rate(iteration, &MILESTONES)
    }

    fn pool(&mut self) -> &mut Pool {
        self.stills.pool()
    }
}
