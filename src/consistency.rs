//! How steady a style is on moving video, measured with motion that is known exactly.
//!
//! A still is moved by a [`Motion`], always resampled from the still, and restyled as a video. What
//! comes out is brought back by the same motion and compared: a style that sticks to things differs
//! little, one that flickers or slides over them a lot. Blur would look steady too, so the amount of
//! fine detail is measured beside it.

use std::f32::consts::TAU;
use std::sync::Arc;

use crate::Size;
use crate::engine::{EngineError, Selection};
use crate::frame::{FrameMut, Packing};
use crate::model::Model;
use crate::noise;
use crate::stylizer::{Options, Stylizer};

/// Width and height of the frames.
const SIDE: usize = 160;
/// Width and height of the still, which is wider than what is seen of it at any time.
pub const STILL_SIDE: usize = 480;
/// Frames of the video.
const FRAMES: usize = 30;
/// The first frame that is compared.
const FIRST: usize = 8;
/// Pixels along the edges that are not compared.
const MARGIN: f32 = 12.0;
/// Steps after which a state has converged.
const CONVERGED: u32 = 96;
/// Standard deviation of the noise of a camera, in samples of 0 to 255.
const NOISE: f32 = 5.0;

/// How the still is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// By (3, 1) pixels a frame.
    Pan,
    /// By (2.5, 0.75) pixels a frame.
    SubpixelPan,
    /// By half a degree a frame.
    Rotation,
    /// By one per cent a frame.
    Zoom,
    /// Waves, by up to 2 pixels a frame.
    Warp,
    /// Not at all.
    Still,
}

impl Motion {
    /// All of them, with the names that people use.
    pub const NAMES: [(Self, &str); 6] = [
        (Self::Pan, "pan"),
        (Self::SubpixelPan, "sub-pixel pan"),
        (Self::Rotation, "rotation"),
        (Self::Zoom, "zoom"),
        (Self::Warp, "warp"),
        (Self::Still, "still"),
    ];

    /// Where on the still the point `p` of frame `t` lies. All points are relative to the centres.
    fn on_still(self, [x, y]: [f32; 2], t: f32) -> [f32; 2] {
        match self {
            Self::Pan => [x + 3.0 * t - 60.0, y + t - 20.0],
            Self::SubpixelPan => [x + 2.5 * t - 50.0, y + 0.75 * t - 15.0],
            Self::Rotation => {
                let (sin, cos) = (0.5 * t).to_radians().sin_cos();
                [cos * x - sin * y, sin * x + cos * y]
            }
            Self::Zoom => [x, y].map(|v| v * 1.2 * 1.01_f32.powf(-t)),
            Self::Warp => {
                let [dx, dy] = waves([x, y], t);
                [x + dx, y + dy]
            }
            Self::Still => [x, y],
        }
    }

    /// Which point of frame `t` lies at `s` on the still.
    fn on_frame(self, s @ [x, y]: [f32; 2], t: f32) -> [f32; 2] {
        match self {
            Self::Pan => [x - 3.0 * t + 60.0, y - t + 20.0],
            Self::SubpixelPan => [x - 2.5 * t + 50.0, y - 0.75 * t + 15.0],
            Self::Rotation => self.on_still(s, -t),
            Self::Zoom => s.map(|v| v / (1.2 * 1.01_f32.powf(-t))),
            // The waves are flat enough for this to get closer by half with every round.
            Self::Warp => (0..24).fold(s, |p, _| {
                let [dx, dy] = waves(p, t);
                [x - dx, y - dy]
            }),
            Self::Still => s,
        }
    }
}

/// How far waves have moved a point at time `t`.
fn waves([x, y]: [f32; 2], t: f32) -> [f32; 2] {
    let wave = |along: f32, length: f32, phase: f32| (TAU * (along / length + phase)).sin();
    [
        7.0 * wave(y, 110.0, t / 40.0) + 5.0 * wave(x, 90.0, 0.3 - t / 50.0),
        7.0 * wave(x, 100.0, t / 45.0) + 5.0 * wave(y, 120.0, 0.7 + t / 35.0),
    ]
}

/// A picture of three planes, red, green and blue, in [0, 1].
#[derive(Clone, Debug)]
pub struct Picture {
    side: usize,
    planes: [Vec<f32>; 3],
}

impl Picture {
    /// A still of [`STILL_SIDE`] x [`STILL_SIDE`] packed RGB samples.
    pub fn still(samples: &[u8]) -> Self {
        Self::of(samples, STILL_SIDE)
    }

    /// A still that nobody has to supply: discs of all sizes and colours on top of each other,
    /// whose statistics are those of photographs (Lee, Mumford and Huang, "Occlusion Models for
    /// Natural Images", 2001).
    pub fn leaves(seed: u64) -> Self {
        let pixels = STILL_SIDE * STILL_SIDE;
        let mut planes = [0; 3].map(|_| vec![0.5; pixels]);
        const LEAVES: usize = 6000;
        for leaf in 0..LEAVES {
            let random = |what: usize| noise::uniform(seed, what, leaf, 0) + 0.5;
            let radius = 3.0 * (1.0 - random(0) * 0.998).powf(-0.5);
            let radius = radius.min(90.0);
            let centre = [random(1), random(2)].map(|v| v * STILL_SIDE as f32);
            let colour: [f32; 3] = std::array::from_fn(|c| 0.1 + 0.8 * random(3 + c));
            let rows = |v: f32| {
                (v - radius).max(0.0) as usize..((v + radius) as usize + 1).min(STILL_SIDE)
            };
            for y in rows(centre[1]) {
                for x in rows(centre[0]) {
                    let distance = (x as f32 - centre[0]).hypot(y as f32 - centre[1]);
                    let cover = (radius - distance + 0.5).clamp(0.0, 1.0);
                    for (plane, colour) in planes.iter_mut().zip(colour) {
                        let value = &mut plane[y * STILL_SIDE + x];
                        *value += cover * (colour - *value);
                    }
                }
            }
        }
        Self {
            side: STILL_SIDE,
            planes,
        }
    }

    fn of(samples: &[u8], side: usize) -> Self {
        assert_eq!(
            samples.len(),
            side * side * 3,
            "the picture has another size"
        );
        let plane = |c: usize| {
            let samples = samples.iter().skip(c).step_by(3);
            samples.map(|&sample| f32::from(sample) / 255.0).collect()
        };
        Self {
            side,
            planes: [plane(0), plane(1), plane(2)],
        }
    }

    /// The values of a point relative to the centre, weighing four (Catmull-Rom) or two pixels
    /// along each axis.
    fn sample(&self, [x, y]: [f32; 2], cubic: bool) -> [f32; 3] {
        let half = (self.side - 1) as f32 / 2.0;
        let axis = |v: f32| {
            let v = v + half;
            let floor = v.floor();
            let t = v - floor;
            let weights = if cubic {
                [
                    ((1.0 - 0.5 * t) * t - 0.5) * t,
                    (1.5 * t - 2.5) * t * t + 1.0,
                    ((2.0 - 1.5 * t) * t + 0.5) * t,
                    (0.5 * t - 0.5) * t * t,
                ]
            } else {
                [0.0, 1.0 - t, t, 0.0]
            };
            let at = |i: isize| (floor as isize + i).clamp(0, self.side as isize - 1) as usize;
            [0, 1, 2, 3].map(|i| (at(i - 1), weights[i as usize]))
        };
        let (columns, rows) = (axis(x), axis(y));
        self.planes.each_ref().map(|plane| {
            let row = |y: usize| {
                columns
                    .iter()
                    .map(move |(x, w)| w * plane[y * self.side + x])
            };
            rows.iter().map(|(y, w)| w * row(*y).sum::<f32>()).sum()
        })
    }

    /// Root mean square of what a mean of 5 x 5 pixels takes away, apart from the edges.
    fn detail(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for plane in &self.planes {
            for y in 2..self.side - 2 {
                for x in 2..self.side - 2 {
                    let rows = (y - 2..=y + 2).map(|y| &plane[y * self.side + x - 2..][..5]);
                    let mean = rows.flatten().sum::<f32>() / 25.0;
                    sum += f64::from(plane[y * self.side + x] - mean).powi(2);
                    count += 1;
                }
            }
        }
        (sum / f64::from(count)).sqrt()
    }
}

/// What was measured of one motion.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consistency {
    /// Root mean square difference of an output and the next one, brought back; samples in [0, 1].
    pub e1: f64,
    /// The same for the tenth after it.
    pub e10: f64,
    /// `e1` of the input: what resampling alone makes.
    pub input_e1: f64,
    /// Fine detail of the last output relative to that of a state that has converged on its frame.
    pub detail: f64,
}

/// How the state gets from frame to frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// As [`Options::motion`] says.
    Stylizer,
    /// It starts anew with every frame.
    Restart,
}

/// Measures a model on a still moved by `motion`.
pub fn measure(
    model: &Arc<Model>,
    selection: &Selection,
    options: &Options,
    carry: Carry,
    still: &Picture,
    motion: Motion,
) -> Result<Consistency, EngineError> {
    let inputs: Vec<Vec<u8>> = (0..FRAMES).map(|t| frame(still, motion, t)).collect();
    let mut stylizer = Stylizer::new(model.clone(), selection.clone(), options.clone());
    let mut outputs = Vec::with_capacity(FRAMES);
    for input in &inputs {
        if carry == Carry::Restart {
            stylizer.reset();
        }
        outputs.push(restyle(&mut stylizer, input)?);
    }
    let inputs: Vec<_> = inputs
        .iter()
        .map(|samples| Picture::of(samples, SIDE))
        .collect();
    Ok(Consistency {
        e1: error(&outputs, motion, 1),
        e10: error(&outputs, motion, 10),
        input_e1: error(&inputs, motion, 1),
        detail: {
            let last = frame(still, motion, FRAMES - 1);
            outputs[FRAMES - 1].detail() / converged(model, selection, options, &last)?.detail()
        },
    })
}

/// How much of a camera's noise is seen on a still scene: the standard deviation over time of the
/// output relative to that of the input.
pub fn noise_gain(
    model: &Arc<Model>,
    selection: &Selection,
    options: &Options,
    still: &Picture,
) -> Result<f64, EngineError> {
    let clean = frame(still, Motion::Still, 0);
    let mut stylizer = Stylizer::new(model.clone(), selection.clone(), options.clone());
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for t in 0..FRAMES {
        let noisy = noisy(&clean, t as u64);
        let output = restyle(&mut stylizer, &noisy)?;
        if t >= FIRST {
            inputs.push(Picture::of(&noisy, SIDE));
            outputs.push(output);
        }
    }
    Ok(deviation(&outputs) / deviation(&inputs))
}

/// How far the mean of a colour gets, over `frames` frames of a still scene, from what it is after
/// the first; samples in [0, 1]. With `noise`, the scene is seen by a camera that has some.
pub fn drift(
    model: &Arc<Model>,
    selection: &Selection,
    options: &Options,
    still: &Picture,
    frames: u64,
    noise: bool,
) -> Result<f64, EngineError> {
    let clean = frame(still, Motion::Still, 0);
    let mut stylizer = Stylizer::new(model.clone(), selection.clone(), options.clone());
    let means = |picture: &Picture| {
        let mean = |plane: &Vec<f32>| plane.iter().map(|&v| f64::from(v)).sum::<f64>();
        picture
            .planes
            .each_ref()
            .map(|plane| mean(plane) / plane.len() as f64)
    };
    let mut first = None;
    let mut farthest = 0.0_f64;
    for t in 0..frames {
        let output = if noise {
            restyle(&mut stylizer, &noisy(&clean, t))?
        } else {
            restyle(&mut stylizer, &clean)?
        };
        let now = means(&output);
        let then = *first.get_or_insert(now);
        for (now, then) in now.into_iter().zip(then) {
            farthest = farthest.max((now - then).abs());
        }
    }
    Ok(farthest)
}

/// A frame as a camera with noise sees it at time `t`.
fn noisy(clean: &[u8], t: u64) -> Vec<u8> {
    // The sum of twelve uniform variables is nearly normal, with a variance of one.
    let normal = |i: usize| (0..12).map(|k| noise::uniform(t, k, i, 0)).sum::<f32>();
    let samples = clean.iter().enumerate();
    samples
        .map(|(i, &sample)| (f32::from(sample) + NOISE * normal(i)).round() as u8)
        .collect()
}

/// Root of the mean variance over time.
fn deviation(pictures: &[Picture]) -> f64 {
    let n = pictures.len() as f64;
    let (mut sum, mut count) = (0.0, 0);
    for plane in 0..3 {
        for i in 0..SIDE * SIDE {
            let values = pictures.iter().map(|p| f64::from(p.planes[plane][i]));
            let mean = values.clone().sum::<f64>() / n;
            sum += values.map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            count += 1;
        }
    }
    (sum / f64::from(count)).sqrt()
}

/// Frame `t` of the video, packed RGB.
fn frame(still: &Picture, motion: Motion, t: usize) -> Vec<u8> {
    points()
        .flat_map(|p| still.sample(motion.on_still(p, t as f32), true))
        .map(|value| (value * 255.0).round() as u8)
        .collect()
}

/// The pixels of a frame, row by row, relative to its centre.
fn points() -> impl Iterator<Item = [f32; 2]> {
    let half = (SIDE - 1) as f32 / 2.0;
    (0..SIDE).flat_map(move |y| (0..SIDE).map(move |x| [x as f32 - half, y as f32 - half]))
}

fn restyle(stylizer: &mut Stylizer, input: &[u8]) -> Result<Picture, EngineError> {
    let mut samples = input.to_vec();
    let size = Size::new(SIDE, SIDE);
    let mut frame = FrameMut::packed(&mut samples, SIDE * 3, size, Packing::RGB)
        .expect("a frame has as many samples as its size says");
    stylizer.process(&mut frame)?;
    Ok(Picture::of(&samples, SIDE))
}

/// What the automaton shows when it is left alone with a frame.
fn converged(
    model: &Arc<Model>,
    selection: &Selection,
    options: &Options,
    frame: &[u8],
) -> Result<Picture, EngineError> {
    let options = Options {
        warmup: Some(CONVERGED),
        ..options.clone()
    };
    restyle(
        &mut Stylizer::new(model.clone(), selection.clone(), options),
        frame,
    )
}

/// Root mean square difference between every picture and the one `k` frames later, brought back.
fn error(pictures: &[Picture], motion: Motion, k: usize) -> f64 {
    let half = (SIDE - 1) as f32 / 2.0;
    let within = |p: [f32; 2]| p.iter().all(|v| v.abs() <= half - MARGIN);
    let (mut sum, mut count) = (0.0, 0);
    for t in FIRST..FRAMES - k {
        let (now, later) = (&pictures[t], &pictures[t + k]);
        for (i, p) in points().enumerate() {
            let q = motion.on_frame(motion.on_still(p, t as f32), (t + k) as f32);
            if within(p) && within(q) {
                let moved = later.sample(q, false);
                for (plane, moved) in now.planes.iter().zip(moved) {
                    sum += f64::from(moved - plane[i]).powi(2);
                    count += 1;
                }
            }
        }
    }
    (sum / f64::from(count.max(1))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_motion_leads_back() {
        for (motion, name) in Motion::NAMES {
            for t in [0.0, 1.0, 7.0, 29.0] {
                for p in [[0.0, 0.0], [-60.0, 31.5], [70.0, -79.5]] {
                    let back = motion.on_frame(motion.on_still(p, t), t);
                    let off = (back[0] - p[0]).hypot(back[1] - p[1]);
                    assert!(off < 1e-2, "{name} at {t}: {p:?} comes back to {back:?}");
                }
            }
        }
    }

    /// The input itself moves as it should: what is left is what resampling makes.
    #[test]
    fn the_input_is_consistent_and_noise_is_not() {
        let still = Picture::leaves(1);
        for (motion, name) in Motion::NAMES {
            let inputs: Vec<_> = (0..FRAMES)
                .map(|t| Picture::of(&frame(&still, motion, t), SIDE))
                .collect();
            let (near, far) = (error(&inputs, motion, 1), error(&inputs, motion, 10));
            assert!(near < 0.06 && far < 0.06, "{name}: {near}, {far}");
            if motion != Motion::Still {
                let wrong = error(&inputs, Motion::Still, 1);
                assert!(wrong > 2.0 * near, "{name}: {wrong} against {near}");
            }
        }
    }
}
