//! States that live in films: frames of cameras whose motion is known.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use crate::data::content::{Content, grid};
use crate::data::motion::Shot;
use crate::losses::terms::temporal;
use crate::recipes::style::Extent;
use crate::rule::automaton::{Automaton, Canvas, Rule, unfrozen};
use crate::rule::rollout::{Change, Growth, Segment, sample};
use crate::rule::warp::Warp;
use crate::training::pool::{Entry, Pool};
use nca::model::Playback;

/// How often a state of the batch is a new one; the others live for some twenty rollouts, which is longer
/// than it takes a rule to go astray.
const FRESH: f64 = 0.05;
/// How often a state is shown another picture, as at a cut. States start as the picture and are moved
/// along with it: without cuts a rule would keep the picture it has, instead of looking at its source.
const CUT: f64 = 0.25;
/// How often a state is moved along with the source, as the stylizer does when it follows motion.
const FOLLOWED: f64 = 0.5;
/// How often a frame is moved and painted without a step, where there is a painter.
const SKIPPED: f64 = 0.2;
/// Sizes of strokes that are trained where there is a painter, the usual one as often as all others.
const STROKES: [f32; 4] = [0.5, 0.7, 1.4, 2.0];

/// Films over pictures, and the states that look at them from iteration to iteration.
pub struct Filming {
    extent: Extent,
    playback: Playback,
    content: Content,
    pool: Pool,
}

/// The states of an iteration and what they look at.
pub struct Batch {
    /// B x C x h x w, without what they see of the frames.
    states: Tensor,
    shots: Vec<Shot>,
    stroke: f32,
}

/// What the frames of a rollout were.
pub struct History {
    /// The shots, frame by frame.
    shots: Vec<Vec<Shot>>,
    /// Which of them can be asked to be steady: not those that move while their states stay, for which
    /// it is work enough to keep up.
    steady: Vec<bool>,
    /// Pictures that are compared.
    pairs: Vec<(usize, usize)>,
}

impl History {
    fn looks_at(&self, frame: usize) -> bool {
        let pairs = self.pairs.iter();
        pairs
            .into_iter()
            .any(|(from, to)| [*from, *to].contains(&frame))
    }
}

/// Which of the pictures up to the last are compared: from each to the next, and from the first to the last;
/// those that are painted, which takes time, only at the end. The first but one may still be growing.
fn pairs(last: usize, are_painted: bool) -> Vec<(usize, usize)> {
    let first = if are_painted { last - 1 } else { 1 };
    let next = (first..last).map(|i| (i, i + 1));
    next.chain((last > 2).then_some((1, last))).collect()
}

impl Filming {
    /// With an empty pool.
    pub fn new(content: Content, playback: Playback, extent: Extent) -> Self {
        Self {
            pool: Pool::new(extent.pool),
            extent,
            playback,
            content,
        }
    }

    /// The states that live on.
    pub fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    /// Takes the batch of an iteration out of the pool, and makes new ones.
    pub fn batch(&mut self, rule: &Rule<'_>, rng: &mut ChaCha8Rng) -> Batch {
        let has_painter = rule.automaton().architecture().painter.is_some();
        let stroke = if has_painter && rng.random_bool(0.5) {
            STROKES[rng.random_range(0..STROKES.len())]
        } else {
            1.0
        };
        let wanted = self.extent.batch;
        let fresh = if self.pool.entries().len() < wanted {
            wanted
        } else {
            (0..wanted).filter(|_| rng.random_bool(FRESH)).count()
        };
        let old = self.pool.take(wanted - fresh, stroke, rng);
        let fresh = wanted - old.len();
        let size = self.extent.size;
        let mut shots: Vec<_> = (0..fresh).map(|_| self.content.shot(rng, size)).collect();
        let mut states = Vec::new();
        if fresh > 0 {
            let start = rule.automaton().start(&self.frames(&shots), stroke);
            // Part of the warm-up, so that training sees all ages.
            let steps = rng.random_range(0..=self.playback.warmup * 2 / 3);
            states.push(rule.steps(&start, steps));
        }
        for entry in old {
            states.push(entry.state.unsqueeze(0));
            shots.push(match entry.shot {
                Some(shot) if !rng.random_bool(CUT) => shot,
                _ => self.content.shot(rng, size),
            });
        }
        Batch {
            states: Tensor::cat(&states, 0),
            shots,
            stroke,
        }
    }

    /// The states of a batch, which look at its frames.
    pub fn looking(&self, automaton: &Automaton, batch: &Batch) -> Tensor {
        // What they look at may have been cut to another picture.
        let source = automaton.source(&self.frames(&batch.shots), batch.stroke);
        let updated = automaton.architecture().updated() as i64;
        let unfrozen = batch.states.narrow(1, source.size()[1], updated);
        Tensor::cat(&[&source, &unfrozen], 1)
    }

    /// The segments of a rollout over frames of the batch's shots, which become those of the last frame.
    pub fn segments(
        &self,
        automaton: &Automaton,
        batch: &mut Batch,
        rng: &mut ChaCha8Rng,
    ) -> (Vec<Segment>, History) {
        let size = self.extent.size;
        let cells = automaton.cells([size; 2], batch.stroke);
        let frozen = automaton.architecture().frozen() as i64;
        let updated = automaton.architecture().updated() as i64;
        let shots = &batch.shots;
        let followed: Vec<bool> = shots.iter().map(|_| rng.random_bool(FOLLOWED)).collect();
        let steady = shots.iter().zip(&followed);
        let mut history = History {
            steady: steady
                .map(|(shot, followed)| *followed || shot.is_still())
                .collect(),
            shots: vec![shots.clone()],
            pairs: Vec::new(),
        };
        let mut segments = vec![Segment {
            change: None,
            steps: rng.random_range(4..=14),
            canvas: None,
        }];
        let most = self.playback.steps.max(1) as usize;
        let last = rng.random_range(3..=5);
        history.pairs = pairs(last, cells.is_some());
        for frame in 1..=last {
            let previous = batch.shots.clone();
            batch.shots = previous.iter().map(|shot| shot.next(size)).collect();
            history.shots.push(batch.shots.clone());
            let frames = self.frames(&batch.shots);
            let start = automaton.start(&frames, batch.stroke);
            let mut grids = Vec::new();
            let mut covered = Vec::new();
            let mut uncovered = Vec::new();
            for (i, followed) in followed.iter().enumerate() {
                let flow = followed.then(|| batch.shots[i].flow(&previous[i], size, size));
                let warp = Warp::along(flow, [size; 2], cells.as_deref());
                uncovered.extend(warp.is_uncovered.then_some(i as i64));
                grids.push(warp.grid.to(automaton.device()));
                covered.push(warp.covered.to(automaton.device()));
            }
            let is_skipped = cells.is_some() && rng.random_bool(SKIPPED);
            segments.push(Segment {
                change: Some(Change {
                    source: start.narrow(1, 0, frozen),
                    grid: Tensor::cat(&grids, 0),
                    border: automaton.architecture().border,
                    covered: Tensor::cat(&covered, 0),
                    fresh: start.narrow(1, frozen, updated),
                    growth: Growth::of(automaton, uncovered, self.playback.warmup),
                }),
                steps: match is_skipped {
                    true => 0,
                    false => rng.random_range(most.div_ceil(2)..=most + 1),
                },
                canvas: match history.looks_at(frame) {
                    true => canvas(automaton, batch, frames),
                    false => None,
                },
            });
        }
        (segments, history)
    }

    /// The frames of a batch without noise, which is nothing to be kept.
    pub fn clean(&self, batch: &Batch) -> Tensor {
        let shots = batch.shots.iter().map(|shot| {
            let mut shot = shot.clone();
            shot.noise = 0.0;
            shot
        });
        self.frames(&shots.collect::<Vec<_>>())
    }

    /// What is shown of frames after the warm-up, with the strokes of the batch: B x 3 x H x W.
    pub fn young(&self, rule: &Rule<'_>, frames: &Tensor, batch: &Batch) -> Tensor {
        let automaton = rule.automaton();
        let state = rule.steps(&automaton.start(frames, batch.stroke), self.playback.warmup);
        let canvas = Canvas {
            frames: frames.shallow_clone(),
            stroke: batch.stroke,
        };
        rule.picture(&unfrozen(automaton, &state), Some(&canvas))
    }

    /// Puts the states back as they have become.
    pub fn put(&mut self, batch: Batch, end: &Tensor, rng: &mut ChaCha8Rng) {
        let Batch { shots, stroke, .. } = batch;
        let entries = shots.into_iter().enumerate();
        let entries = entries.map(|(i, shot)| Entry {
            state: end.get(i as i64).copy(),
            shot: Some(shot),
            stroke,
        });
        self.pool.put(entries.collect::<Vec<_>>(), rng);
    }

    /// How much the pictures change from frame to frame beyond what moves.
    pub fn unsteadiness(&self, pictures: &[Tensor], history: &History) -> Tensor {
        let size = self.extent.size;
        let pairs = &history.pairs;
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
                    (
                        grid(&flow, size, size, device),
                        mask(&inside, size).to(device),
                    )
                })
                .unzip();
            let moved = sample(&pictures[from], &Tensor::cat(&grids, 0));
            temporal(&pictures[to], &moved, &Tensor::cat(&covered, 0))
        });
        terms.sum::<Tensor>() / pairs.len().max(1) as f64
    }

    fn frames(&self, shots: &[Shot]) -> Tensor {
        let size = self.extent.size;
        let frames = shots
            .iter()
            .map(|shot| self.content.frame(shot, size, size));
        Tensor::cat(&frames.collect::<Vec<_>>(), 0)
    }
}

/// What is painted on, where there is a painter.
fn canvas(automaton: &Automaton, batch: &Batch, frames: Tensor) -> Option<Canvas> {
    let has_painter = automaton.architecture().painter.is_some();
    has_painter.then_some(Canvas {
        frames,
        stroke: batch.stroke,
    })
}

fn mask(inside: &[f32], size: usize) -> Tensor {
    Tensor::from_slice(inside)
        .to_kind(Kind::Float)
        .reshape([1, 1, size as i64, size as i64])
}
