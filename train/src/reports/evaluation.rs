//! How good an automaton is, on pictures that it was not trained on.

use tch::{Device, Kind, Tensor};

use crate::data::content::{Content, grid};
use crate::data::motion::Shot;
use crate::losses::terms::fine_detail;
use crate::rule::automaton::{Automaton, Canvas, Rule, unfrozen};
use crate::rule::rollout::{Change, Growth, sample};
use crate::rule::warp::Warp;
use nca::model::Playback;

/// Frames of the clip that steadiness is measured on.
const FRAMES: usize = 24;
/// Frames at its beginning that do not count.
const SETTLING: usize = 8;
/// Frames that a still is looked at.
const LONG: usize = 150;
/// Pixels that the clip moves a frame: a whole and a broken number.
const DRIFT: [f32; 2] = [2.0, 0.75];
/// Pixels at the edge that do not count.
const MARGIN: f32 = 12.0;

/// What is measured. All are roots of mean squares of pictures' values, which lie in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Evaluation {
    /// How much a still changes from one frame to the next.
    pub still: f64,
    /// How much a still has changed from frame 8 to frame 150.
    pub drift: f64,
    /// What changes from frame to frame of a pan beyond the pan itself, while the state is moved
    /// along.
    pub followed: f64,
    /// The same while the state stays where it is.
    pub unfollowed: f64,
    /// The same for the source: what resampling costs.
    pub source: f64,
    /// Fine detail (what a 5x5 mean takes away) at the end of the pan that was followed, against
    /// that of a still: blur would be steady, too.
    pub detail: f64,
}

impl Evaluation {
    /// Measures an automaton on the pictures, in windows of `size` x `size`, and takes the mean.
    pub fn of(automaton: &Automaton, playback: Playback, content: &Content, size: usize) -> Self {
        let _guard = tch::no_grad_guard();
        // Of the noise in start states: the same every time.
        tch::manual_seed(0);
        let rule = automaton.rule();
        let n = content.len() as f64;
        (0..content.len())
            .map(|picture| Self::of_picture(&rule, playback, content, picture, size))
            .fold(Self::default(), |sum, one| Self {
                still: sum.still + one.still / n,
                drift: sum.drift + one.drift / n,
                followed: sum.followed + one.followed / n,
                unfollowed: sum.unfollowed + one.unfollowed / n,
                source: sum.source + one.source / n,
                detail: sum.detail + one.detail / n,
            })
    }

    fn of_picture(
        rule: &Rule<'_>,
        playback: Playback,
        content: &Content,
        picture: usize,
        size: usize,
    ) -> Self {
        let still = Shot::pan(picture, content.extent(picture), [0.0; 2]);
        let frame = content.frame(&still, size, size);
        let mut clip = Clip::start(rule, playback, still, &frame);
        let mut pictures = Vec::new();
        for _ in 0..=LONG {
            pictures.push(clip.picture());
            clip.run();
        }
        let pan = Shot::pan(picture, content.extent(picture), DRIFT);
        let [followed, unfollowed] =
            [true, false].map(|follow| pan_of(rule, playback, content, &pan, size, follow));
        Self {
            still: root_mean_square(&(&pictures[SETTLING + 1] - &pictures[SETTLING])),
            drift: root_mean_square(&(&pictures[LONG] - &pictures[SETTLING])),
            followed: followed.unsteadiness,
            unfollowed: unfollowed.unsteadiness,
            source: followed.source,
            detail: detail(&followed.last) / detail(&pictures[FRAMES]).max(1e-6),
        }
    }

    /// The measurements by name.
    pub fn values(&self) -> [(&'static str, f64); 6] {
        [
            ("eval/still", self.still),
            ("eval/drift", self.drift),
            ("eval/followed", self.followed),
            ("eval/unfollowed", self.unfollowed),
            ("eval/source", self.source),
            ("eval/detail", self.detail),
        ]
    }
}

struct Pan {
    unsteadiness: f64,
    source: f64,
    last: Tensor,
}

fn pan_of(
    rule: &Rule<'_>,
    playback: Playback,
    content: &Content,
    pan: &Shot,
    size: usize,
    follow: bool,
) -> Pan {
    let mut clip = Clip::start(rule, playback, pan.clone(), &content.frame(pan, size, size));
    let (mut sum, mut of_source, mut count) = (0.0, 0.0, 0.0);
    for i in 0..FRAMES {
        let (before, shot) = (clip.picture(), clip.shot.clone());
        clip.next(content, shot.next(size), follow);
        if i < SETTLING {
            continue;
        }
        let (flow, covered) = clip.shot.flow(&shot, size, size);
        let half = size as f32 / 2.0;
        let inner = flow.chunks(2).zip(covered).map(|(at, covered)| {
            let inside = at.iter().all(|at| at.abs() * half <= half - MARGIN);
            if inside { covered } else { 0.0 }
        });
        let inner: Vec<f32> = inner.collect();
        let device = rule.automaton().device();
        let inner = Tensor::from_slice(&inner)
            .reshape([1, 1, size as i64, size as i64])
            .to(device);
        let flow = grid(&flow, size, size, device);
        let error = |now: &Tensor, then: &Tensor| {
            let difference = now - sample(then, &flow);
            let square = (difference.square() * &inner).sum(Kind::Float);
            square.double_value(&[])
        };
        sum += error(&clip.picture(), &before);
        of_source += error(
            &content.frame(&clip.shot, size, size),
            &content.frame(&shot, size, size),
        );
        count += inner.sum(Kind::Float).double_value(&[]) * 3.0;
    }
    let count = f64::max(count, 1.0);
    Pan {
        unsteadiness: (sum / count).sqrt(),
        source: (of_source / count).sqrt(),
        last: clip.picture(),
    }
}

/// A state that lives from frame to frame of a shot, as the stylizer runs it.
pub struct Clip<'a> {
    rule: &'a Rule<'a>,
    playback: Playback,
    state: Tensor,
    frame: Tensor,
    /// The frame that is shown.
    pub shot: Shot,
}

impl<'a> Clip<'a> {
    /// The first frame of a shot, 1 x 3 x H x W, warmed up.
    pub fn start(rule: &'a Rule<'a>, playback: Playback, shot: Shot, frame: &Tensor) -> Self {
        let start = rule.automaton().start(frame, 1.0);
        let state = rule.steps(&start, playback.warmup);
        Self {
            rule,
            playback,
            state,
            frame: frame.shallow_clone(),
            shot,
        }
    }

    /// What is shown: 1 x 3 x H x W in [0, 1].
    pub fn picture(&self) -> Tensor {
        let canvas = Canvas {
            frames: self.frame.shallow_clone(),
            stroke: 1.0,
        };
        let unfrozen = unfrozen(self.rule.automaton(), &self.state);
        self.rule.picture(&unfrozen, Some(&canvas)).clamp(0.0, 1.0)
    }

    /// Goes on to another frame, with the state moved along or left where it is.
    pub fn next(&mut self, content: &Content, shot: Shot, follow: bool) {
        let automaton = self.rule.automaton();
        let (height, width) = (self.frame.size()[2] as usize, self.frame.size()[3] as usize);
        self.frame = content.frame(&shot, width, height);
        let start = automaton.start(&self.frame, 1.0);
        let frozen = automaton.architecture().frozen() as i64;
        let flow = follow.then(|| shot.flow(&self.shot, width, height));
        let cells = automaton.cells([height, width], 1.0);
        let warp = Warp::along(flow, [height, width], cells.as_deref());
        let change = Change {
            source: start.narrow(1, 0, frozen),
            grid: warp.grid.to(automaton.device()),
            border: automaton.architecture().border,
            covered: warp.covered.to(automaton.device()),
            fresh: unfrozen(automaton, &start),
            growth: Growth::of(
                automaton,
                warp.is_uncovered.then_some(0).into_iter().collect(),
                self.playback.warmup,
            ),
        };
        self.state = change.follow(self.rule, &self.state);
        self.shot = shot;
        self.run();
    }

    /// The steps of a frame.
    fn run(&mut self) {
        self.state = self.rule.steps(&self.state, self.playback.steps);
    }
}

fn root_mean_square(values: &Tensor) -> f64 {
    values.square().mean(Kind::Float).double_value(&[]).sqrt()
}

fn detail(picture: &Tensor) -> f64 {
    root_mean_square(&fine_detail(picture).to(Device::Cpu))
}
