//! Our own recipe: the style of a picture or of a sentence, for video.
//!
//! Rollouts go over frames of cameras whose motion is known. What is shown at the end must be made
//! of what the style picture is made of and lie where the source has it; from frame to frame it must
//! move with the source.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::data::content::{Content, grid};
use crate::data::motion::Shot;
use crate::losses::prompt::PromptLoss;
use crate::losses::terms::{SlicedWasserstein, astray, feature_distance, overflow, temporal};
use crate::networks::features::Features;
use crate::recipes::recipe::{Found, Recipe};
use crate::rule::automaton::{Automaton, Rule};
use crate::rule::rollout::{Change, Rollout, Segment, sample};
use crate::training::pool::{Entry, Pool};
use nca::model::Playback;

/// Directions along which distributions are compared in each iteration.
const PROJECTIONS: i64 = 32;
/// How often a state of the batch is a new one; the others live for some twenty rollouts, which is longer
/// than it takes a rule to go astray.
const FRESH: f64 = 0.05;
/// How often the states of a batch grow much older first, without being learned from: nothing may
/// grow over the picture however long it is looked at, and its colours may not drift.
const AGED: f64 = 0.3;
/// So many steps at least and at most, evenly spread over their logarithm: what drifts does so in the
/// first thousand steps, and then stays where it has come to.
const AGE: [f64; 2] = [16.0, 2000.0];
/// How often a state is shown another picture, as at a cut. States start as the picture and are moved
/// along with it: without cuts a rule would keep the picture it has, instead of looking at its source.
const CUT: f64 = 0.25;
/// Part of the iterations over which the weight of steadiness grows to its full size: what stands still
/// from the beginning never becomes strokes.
const STYLE_FIRST: f64 = 0.4;
/// How often a state is moved along with the source, as the stylizer does when it follows motion.
const FOLLOWED: f64 = 0.5;

/// Weights of the losses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StyleWeights {
    /// Of the distribution of features, or of what the sentence asks for.
    pub style: f64,
    /// Of the distribution of colours; a sentence says nothing of it.
    pub colour: f64,
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
    Picture {
        /// What it is made of.
        style: SlicedWasserstein,
        /// Its colours.
        colour: SlicedWasserstein,
    },
    /// As sentences say.
    Prompt(Box<PromptLoss>),
}

impl Look {
    /// Like a picture, 1 x 3 x H x W in [0, 1].
    pub fn like(picture: &Tensor, features: &Features) -> Self {
        let _guard = tch::no_grad_guard();
        Self::Picture {
            style: SlicedWasserstein::new(&features.extract(picture).style, PROJECTIONS),
            colour: SlicedWasserstein::new(&[picture.shallow_clone()], PROJECTIONS),
        }
    }
}

/// Trains an automaton to show its source with another look.
pub struct MovingStyle {
    extent: Extent,
    weights: StyleWeights,
    playback: Playback,
    content: Content,
    features: Features,
    look: Look,
    pool: Pool,
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
            pool: Pool::new(extent.pool),
            extent,
            weights,
            playback,
            content,
            features,
        }
    }

    /// The batch of an iteration: states, the shots they look at, and how many of them, the first
    /// ones, are new.
    fn batch(&mut self, rule: &Rule<'_>, rng: &mut ChaCha8Rng) -> (Tensor, Vec<Shot>) {
        let size = self.extent.size;
        let fresh = if self.pool.entries().len() < self.extent.batch {
            self.extent.batch
        } else {
            (0..self.extent.batch)
                .filter(|_| rng.random_bool(FRESH))
                .count()
        };
        let mut shots: Vec<_> = (0..fresh).map(|_| self.content.shot(rng, size)).collect();
        let mut states = Vec::new();
        if fresh > 0 {
            let frames: Vec<_> = shots
                .iter()
                .map(|shot| self.content.frame(shot, size, size))
                .collect();
            let start = rule.automaton().start(&Tensor::cat(&frames, 0));
            // Part of the warm-up, so that training sees all ages.
            let steps = rng.random_range(0..=self.playback.warmup * 2 / 3);
            states.push(rule.steps(&start, steps));
        }
        for entry in self.pool.take(self.extent.batch - fresh, rng) {
            states.push(entry.state.unsqueeze(0));
            shots.push(match entry.shot {
                Some(shot) if !rng.random_bool(CUT) => shot,
                _ => self.content.shot(rng, size),
            });
        }
        (Tensor::cat(&states, 0), shots)
    }

    /// The segments of a rollout over frames of the shots, which become those of the last frame.
    fn segments(
        &self,
        automaton: &Automaton,
        shots: &mut Vec<Shot>,
        rng: &mut ChaCha8Rng,
    ) -> (Vec<Segment>, History) {
        let size = self.extent.size;
        let device = automaton.device();
        let frozen = automaton.architecture().frozen() as i64;
        let updated = automaton.architecture().updated() as i64;
        let still = Shot::still_grid(size, size);
        let followed: Vec<bool> = shots.iter().map(|_| rng.random_bool(FOLLOWED)).collect();
        let steady = shots.iter().zip(&followed);
        let mut history = History {
            steady: steady
                .map(|(shot, followed)| *followed || shot.is_still())
                .collect(),
            shots: vec![shots.clone()],
        };
        let mut segments = vec![Segment {
            change: None,
            steps: rng.random_range(4..=14),
        }];
        for _ in 0..rng.random_range(3..=5) {
            let previous = shots.clone();
            *shots = shots.iter().map(|shot| shot.next(size)).collect();
            history.shots.push(shots.clone());
            let mut grids = Vec::new();
            let mut covered = Vec::new();
            let mut frames = Vec::new();
            for ((shot, previous), followed) in shots.iter().zip(&previous).zip(&followed) {
                let (flow, inside) = if *followed {
                    shot.flow(previous, size, size)
                } else {
                    (still.clone(), vec![1.0; size * size])
                };
                grids.push(grid(&flow, size, size, device));
                covered.push(mask(&inside, size, device));
                frames.push(self.content.frame(shot, size, size));
            }
            let start = automaton.start(&Tensor::cat(&frames, 0));
            let most = self.playback.steps.max(1) as usize;
            segments.push(Segment {
                change: Some(Change {
                    source: start.narrow(1, 0, frozen),
                    grid: Tensor::cat(&grids, 0),
                    covered: Tensor::cat(&covered, 0),
                    fresh: start.narrow(1, frozen, updated),
                }),
                steps: rng.random_range(most.div_ceil(2)..=most + 1),
            });
        }
        (segments, history)
    }

    /// What is shown of frames after the warm-up: B x 3 x H x W.
    fn young(&self, rule: &Rule<'_>, frames: &Tensor) -> Tensor {
        let automaton = rule.automaton();
        let state = rule.steps(&automaton.start(frames), self.playback.warmup);
        state.narrow(1, automaton.architecture().frozen() as i64, 3) + 0.5
    }

    /// Factor on the weight of steadiness.
    fn steadiness(&self, iteration: u64) -> f64 {
        let until = STYLE_FIRST * self.extent.iterations as f64;
        (iteration as f64 / until).min(1.0).powi(2)
    }

    /// How much the pictures change from frame to frame beyond what moves: from each to the next,
    /// and from the first to the last.
    fn unsteadiness(&self, pictures: &[Tensor], history: &History) -> Tensor {
        let size = self.extent.size;
        let last = pictures.len() - 1;
        // The first picture may still be growing.
        let pairs: Vec<_> = (1..last)
            .map(|i| (i, i + 1))
            .chain((last > 2).then_some((1, last)))
            .collect();
        let terms = pairs.iter().map(|&(from, to)| {
            let device = pictures[to].device();
            let (grids, covered): (Vec<_>, Vec<_>) = history.shots[to]
                .iter()
                .zip(&history.shots[from])
                .zip(&history.steady)
                .map(|((now, then), steady)| {
                    let (flow, mut inside) = now.flow(then, size, size);
                    if !steady {
                        inside.fill(0.0);
                    }
                    (grid(&flow, size, size, device), mask(&inside, size, device))
                })
                .unzip();
            let moved = sample(&pictures[from], &Tensor::cat(&grids, 0));
            temporal(&pictures[to], &moved, &Tensor::cat(&covered, 0))
        });
        terms.sum::<Tensor>() / pairs.len().max(1) as f64
    }
}

/// What the frames of a rollout were.
struct History {
    /// The shots, frame by frame.
    shots: Vec<Vec<Shot>>,
    /// Which of them can be asked to be steady: not those that move while their states stay, for which
    /// it is work enough to keep up.
    steady: Vec<bool>,
}

impl Recipe for MovingStyle {
    fn iterate(&mut self, automaton: &Automaton, iteration: u64, rng: &mut ChaCha8Rng) -> Found {
        let size = self.extent.size;
        let rule = automaton.rule();
        let (start, segments, shots, history, clean, wanted, young) = {
            let _guard = tch::no_grad_guard();
            let (mut start, mut shots) = self.batch(&rule, rng);
            // What the states look at may have been cut to another picture.
            let frames: Vec<_> = shots
                .iter()
                .map(|shot| self.content.frame(shot, size, size))
                .collect();
            let source = automaton.source(&Tensor::cat(&frames, 0));
            let updated = automaton.architecture().updated() as i64;
            let unfrozen = start.narrow(1, source.size()[1], updated);
            start = Tensor::cat(&[&source, &unfrozen], 1);
            if rng.random_bool(AGED) {
                let [least, most] = AGE.map(f64::ln);
                let steps = rng.random_range(least..most).exp();
                start = aged(&rule, start, steps as u32);
            }
            let (segments, history) = self.segments(automaton, &mut shots, rng);
            // Noise is nothing to be kept.
            let clean: Vec<_> = shots
                .iter()
                .map(|shot| {
                    let mut shot = shot.clone();
                    shot.noise = 0.0;
                    self.content.frame(&shot, size, size)
                })
                .collect();
            let clean = Tensor::cat(&clean, 0);
            let wanted = self.features.content(&clean);
            let young = self.young(&rule, &clean);
            (start, segments, shots, history, clean, wanted, young)
        };

        let rollout = Rollout::run(&rule, &start, segments);
        let pictures = rollout.pictures();
        let shown = &pictures[pictures.len() - 1];
        let weights = self.weights;
        let (content, mut terms) = match &self.look {
            Look::Picture { style, colour } => {
                let extracted = self.features.extract(shown);
                let terms = vec![
                    ("style", style.loss(&extracted.style) * weights.style),
                    (
                        "colour",
                        colour.loss(&[shown.shallow_clone()]) * weights.colour,
                    ),
                ];
                (extracted.content, terms)
            }
            Look::Prompt(prompt) => {
                let loss = prompt.loss(shown, &clean, rng);
                let content = self.features.content(shown);
                (content, vec![("prompt", loss * weights.style)])
            }
        };
        terms.extend([
            (
                "content",
                feature_distance(&content, &wanted) * weights.content,
            ),
            (
                "temporal",
                self.unsteadiness(pictures, &history)
                    * weights.temporal
                    * self.steadiness(iteration),
            ),
            (
                "age",
                astray(shown, &young) * weights.age * self.steadiness(iteration),
            ),
            ("overflow", overflow(rollout.end()) * weights.overflow),
        ]);
        let found = Found::of(&rollout, &rule, &terms);

        let end = rollout.end().detach();
        let entries = shots.into_iter().enumerate().map(|(i, shot)| Entry {
            state: end.get(i as i64).copy(),
            shot: Some(shot),
        });
        self.pool.put(entries, rng);
        found
    }

    fn rate(&self, iteration: u64) -> f64 {
        let passed = iteration as f64 / self.extent.iterations.max(1) as f64;
        let cosine = 0.5 + 0.5 * (std::f64::consts::PI * passed.min(1.0)).cos();
        self.extent.rate * (0.03 + 0.97 * cosine)
    }

    fn pool(&mut self) -> &mut Pool {
        &mut self.pool
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

fn mask(inside: &[f32], size: usize, device: tch::Device) -> Tensor {
    Tensor::from_slice(inside)
        .to_kind(Kind::Float)
        .reshape([1, 1, size as i64, size as i64])
        .to(device)
}
