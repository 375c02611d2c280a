use std::sync::Arc;

use serde::Serialize;

use super::known::KnownMotion;
use super::mean::{Mean, squared_difference};
use super::picture::{FRAME, Picture, Still};
use nca::Size;
use nca::engine::{EngineError, Selection};
use nca::frame::{FrameMut, Packing};
use nca::model::Model;
use nca::motion::Quality;
use nca::stylizer::{Options, Stylizer};

/// Frames of a motion that are compared.
const FRAMES: usize = 30;

/// The frame at which it is seen what is left of the strokes.
const LATE: usize = 60;

/// The first frame that is compared.
const FIRST: usize = 8;

/// Pixels along the edges that are not compared.
const MARGIN: f32 = 12.0;

/// Steps after which a still has converged.
const CONVERGED: u32 = 96;

/// Standard deviation of the noise of which the gain is measured.
const NOISE: f32 = 5.0 / 255.0;

/// What becomes of the state from one frame to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// It stays where it is.
    Off,
    /// It starts anew on every frame, with the steps of the warm-up.
    Restart,
    /// It moves along a flow that is found as well as this.
    Flow(Quality),
}

impl Carry {
    /// All of them, with their names.
    pub const NAMES: [(Self, &str); 5] = [
        (Self::Off, "off"),
        (Self::Restart, "restart"),
        (Self::Flow(Quality::Fast), "fast"),
        (Self::Flow(Quality::Balanced), "balanced"),
        (Self::Flow(Quality::Fine), "fine"),
    ];
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Run {
    /// The automaton.
    pub model: Arc<Model>,
    /// The engine that runs it.
    pub selection: Selection,
    /// What becomes of its state.
    pub carry: Carry,
    /// Steps a frame; `None`: what the model says.
    pub steps: Option<u32>,
    /// Steps of the first frame.
    pub warmup: u32,
}

/// How consistent an automaton is under a motion, over some stills.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Consistency {
    /// Root mean square of the difference of outputs one frame apart, in [0, 1].
    pub e1: f64,
    /// The same for ten frames.
    pub e10: f64,
    /// The same of what a perfect sticker would show: the still, restyled and converged as a whole, moved
    /// exactly.
    pub floor_e1: f64,
    /// The same ten apart.
    pub floor_e10: f64,
    /// The same for the frames themselves, one apart.
    pub input_e1: f64,
    /// The same for the frames themselves, ten apart.
    pub input_e10: f64,
    /// Fine detail of the last output, relative to that of a still that has converged.
    pub detail: f64,
    /// How strong strokes are 60 frames after the first, relative to such a still of that frame.
    pub strokes: f64,
    /// How far the last output is from that still: root mean square of the difference of the mean
    /// colours of 16 x 16 pixels, in [0, 1].
    pub astray: f64,
}

/// What becomes of noise when nothing else moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NoiseGain {
    /// Standard deviation over time of the frames, about 5/255.
    pub input: f64,
    /// The same of the outputs.
    pub output: f64,
    /// One over the other.
    pub gain: f64,
}

impl Run {
    /// What a perfect sticker would show of each still, whatever becomes of the state from frame to frame: the
    /// whole of it, converged.
    pub fn stickers(&self, stills: &[Still]) -> Result<Vec<Still>, EngineError> {
        let restyle = |still: &Picture| restyle_picture(&mut self.converging()?, still);
        stills.iter().map(|still| still.restyled(restyle)).collect()
    }

    /// Measures the consistency under a motion of all `stills` together, with the [`Run::stickers`] of them.
    pub fn consistency(
        &self,
        motion: KnownMotion,
        stills: &[Still],
        stickers: &[Still],
    ) -> Result<Consistency, EngineError> {
        let mut errors = [Mean::default(); 6];
        let [mut detail, mut astray, mut strokes] = [Mean::default(); 3];
        for (still, sticker) in stills.iter().zip(stickers) {
            let frames = |still: &Still, count: usize| -> Vec<_> {
                let frames = (0..count).map(|t| quantised(&still.frame(motion, t)));
                frames.collect()
            };
            let all = frames(still, LATE + 1);
            let restyled = self.restyle(&all)?;
            let sticker = frames(sticker, FRAMES);
            let late = restyle_picture(&mut self.converging()?, &all[LATE])?;
            let contrast = late.stroke_contrast().max(f64::MIN_POSITIVE);
            strokes.add(restyled[LATE].stroke_contrast() / contrast);

            let (frames, outputs) = (&all[..FRAMES], &restyled[..FRAMES]);
            let [e1, e10, input_e1, input_e10, floor_e1, floor_e10] = &mut errors;
            compare(motion, 1, &sticker, floor_e1);
            compare(motion, 10, &sticker, floor_e10);
            compare(motion, 1, outputs, e1);
            compare(motion, 10, outputs, e10);
            compare(motion, 1, frames, input_e1);
            compare(motion, 10, frames, input_e10);
            let converged = restyle_picture(&mut self.converging()?, &frames[FRAMES - 1])?;
            let reference = converged.fine_detail().max(f64::MIN_POSITIVE);
            detail.add(outputs[FRAMES - 1].fine_detail() / reference);
            outputs[FRAMES - 1].compare_coarsely(&converged, &mut astray);
        }
        let [e1, e10, input_e1, input_e10, floor_e1, floor_e10] =
            errors.map(|error| error.value().sqrt());
        Ok(Consistency {
            e1,
            e10,
            floor_e1,
            floor_e10,
            input_e1,
            input_e10,
            detail: detail.value(),
            strokes: strokes.value(),
            astray: astray.value().sqrt(),
        })
    }

    /// Measures what becomes of noise with a standard deviation of 5/255 in all `stills` together.
    pub fn noise_gain(&self, stills: &[Still]) -> Result<NoiseGain, EngineError> {
        let [mut input, mut output] = [Mean::default(); 2];
        let mut noise = Noise::default();
        for still in stills {
            let still = still.frame(KnownMotion::Still, 0);
            let frames: Vec<_> = (0..FRAMES).map(|_| noise.add_to(&still)).collect();
            add_variance(&frames, &mut input);
            add_variance(&self.restyle(&frames)?, &mut output);
        }
        let [input, output] = [input, output].map(|variance| variance.value().sqrt());
        Ok(NoiseGain {
            input,
            output,
            gain: output / input,
        })
    }

    /// Restyles frames as this run says.
    pub(super) fn stylizer(&self) -> Result<Stylizer, EngineError> {
        let mut options = Options::default();
        options.steps = self.steps;
        options.warmup = Some(self.warmup);
        options.motion = match self.carry {
            Carry::Flow(quality) => Some(quality),
            Carry::Off | Carry::Restart => None,
        };
        let stylizer = Stylizer::builder(self.model.clone()).options(options);
        Ok(stylizer.selection(self.selection.clone()).build()?)
    }

    /// One that gives the first frame the time to converge.
    pub(super) fn converging(&self) -> Result<Stylizer, EngineError> {
        let run = Self {
            warmup: CONVERGED,
            ..self.clone()
        };
        run.stylizer()
    }

    /// Does what this run does before every frame.
    pub(super) fn prepare(&self, stylizer: &mut Stylizer) {
        if self.carry == Carry::Restart {
            stylizer.reset();
        }
    }

    /// Restyles frames one after the other.
    fn restyle(&self, frames: &[Picture]) -> Result<Vec<Picture>, EngineError> {
        let mut stylizer = self.stylizer()?;
        let mut outputs = Vec::with_capacity(frames.len());
        for frame in frames {
            self.prepare(&mut stylizer);
            outputs.push(restyle_picture(&mut stylizer, frame)?);
        }
        Ok(outputs)
    }

    /// How far the mean of red, green or blue in [0, 1] gets, over `frames` frames of a still
    /// scene, from what it is in the first; with `noise`, of a scene that a camera sees with noise
    /// of 5/255.
    pub fn drift(&self, still: &Still, frames: usize, noise: bool) -> Result<f64, EngineError> {
        let still = still.frame(KnownMotion::Still, 0);
        let mut random = Noise::default();
        let mut stylizer = self.stylizer()?;
        let mut first = None;
        let mut farthest = 0.0_f64;
        for _ in 0..frames {
            let frame = if noise {
                random.add_to(&still)
            } else {
                still.clone()
            };
            let mut means = [Mean::default(); 3];
            for pixel in &restyle_picture(&mut stylizer, &frame)?.pixels {
                for (mean, &sample) in means.iter_mut().zip(pixel) {
                    mean.add(f64::from(sample));
                }
            }
            let means = means.map(Mean::value);
            for (mean, first) in means.iter().zip(first.get_or_insert(means)) {
                farthest = farthest.max((mean - *first).abs());
            }
        }
        Ok(farthest)
    }
}

/// Restyles the next frame of `size`: packed RGB, of which there must be enough.
pub(super) fn restyle(
    stylizer: &mut Stylizer,
    size: Size,
    frame: &[u8],
) -> Result<Vec<u8>, EngineError> {
    let mut pixels = frame.to_vec();
    let mut output = FrameMut::packed(&mut pixels, size.width * 3, size, Packing::RGB)
        .expect("the pixels are as many as the size says");
    stylizer.process(&mut output)?;
    Ok(pixels)
}

fn restyle_picture(stylizer: &mut Stylizer, frame: &Picture) -> Result<Picture, EngineError> {
    let pixels = restyle(stylizer, frame.size, &frame.to_rgb8())?;
    Ok(Picture::from_rgb8(frame.size, &pixels))
}

/// A frame as 8 bits hold it.
fn quantised(frame: &Picture) -> Picture {
    Picture::from_rgb8(frame.size, &frame.to_rgb8())
}

/// Adds the squared differences of pictures some frames apart, brought together by the motion.
fn compare(motion: KnownMotion, apart: usize, pictures: &[Picture], error: &mut Mean) {
    let centre = (FRAME as f32 - 1.0) / 2.0;
    let inside = |place: [f32; 2]| place.iter().all(|at| at.abs() <= centre - MARGIN);
    for t in FIRST..pictures.len().saturating_sub(apart) {
        let Size { width, .. } = pictures[t].size;
        for (i, pixel) in pictures[t].pixels.iter().enumerate() {
            let place = [i % width, i / width].map(|at| at as f32 - centre);
            let later = motion.between(t, t + apart, place);
            if inside(place) && inside(later) {
                let later = pictures[t + apart].bilinear(later.map(|at| at + centre));
                error.add(squared_difference(&later, pixel));
            }
        }
    }
}

/// Adds the variance over time of every sample.
fn add_variance(pictures: &[Picture], variance: &mut Mean) {
    let pictures = &pictures[FIRST..];
    let count = pictures.len() as f64;
    for i in 0..pictures[0].pixels.as_flattened().len() {
        let samples = pictures
            .iter()
            .map(|picture| f64::from(picture.pixels.as_flattened()[i]));
        let mean = samples.clone().sum::<f64>() / count;
        let squares = samples.map(|sample| (sample - mean).powi(2)).sum::<f64>();
        variance.add(squares / (count - 1.0));
    }
}

/// A stream of random numbers (xorshift64*).
struct Noise(u64);

impl Default for Noise {
    fn default() -> Self {
        Self(0x1234_5678_9abc_def1)
    }
}

impl Noise {
    /// The picture as a camera sees it at some moment.
    fn add_to(&mut self, picture: &Picture) -> Picture {
        let mut frame = picture.clone();
        for sample in frame.pixels.as_flattened_mut() {
            *sample += NOISE * self.normal();
        }
        quantised(&frame)
    }

    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1 << 24) as f32
    }

    /// Normally distributed (Box and Muller).
    fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.uniform()).cos()
    }
}
