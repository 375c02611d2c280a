//! A model, an engine and the state that lives from frame to frame.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::cut::{CutDetector, FLASH, TRUSTED, Thumbnail, UNRELATED};
use crate::engine::{self, Engine, EngineError, Growth, Selection};
use crate::frame::{Frame, FrameMut};
use crate::model::Model;
use crate::motion::{Estimator, Flow, Quality};
use crate::reseeding::{Budget, Reseeding};
use crate::{Cancel, OutOfRange, Size, State, pool};

pub use crate::builder::StylizerBuilder;

/// The [`Options::cut_threshold`] that suits most films.
pub const DEFAULT_CUT_THRESHOLD: f64 = 0.3;

/// How frames are restyled. All of it may change between any two frames.
///
/// Whoever takes options checks them: what is out of its range is an error there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Steps a frame, 0 to 1024; `None`: what the model says. 0 shows the state unchanged.
    pub steps: Option<u32>,
    /// Steps on the first frame and after every reset, 0 to 1024; `None`: what the model says.
    pub warmup: Option<u32>,
    /// Mix with the source, 0 to 1: 0 is the source, 1 the automaton's picture.
    pub strength: f32,
    /// Size of the automaton relative to the frame, 0.1 to 1.
    pub scale: f32,
    /// Size of the strokes, in multiples of the model's, within
    /// [`STROKES`](crate::engine::STROKES); only for models with a painter.
    pub stroke: f32,
    /// Steps are taken on every `interval`th frame; at least 1. On those between, the state is moved
    /// along, or shown again if motion is not followed; a painter paints it on the new frame.
    pub interval: u32,
    /// How well the motion between frames is looked for, along which the state is moved; `None`:
    /// it stays where it is on the screen.
    pub motion: Option<Quality>,
    /// A hard cut starts the state anew: how different two frames must be, from 0 (any change is
    /// a cut) to 1 (nothing is); `None`: cuts are not looked for.
    pub cut_threshold: Option<f64>,
    /// Of the noise that the hidden channels start from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            steps: None,
            warmup: None,
            strength: 1.0,
            scale: 1.0,
            stroke: 1.0,
            interval: 1,
            motion: Some(Quality::default()),
            cut_threshold: None,
            seed: 0,
        }
    }
}

/// What happened to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The state lived on.
    Continued,
    /// The state was started anew, as it is for a first frame, a new size and after a reset.
    Started,
    /// The state had gone non-finite and was started anew.
    Reseeded,
    /// The state went non-finite even when started anew: the frame is shown as it came.
    GaveUp,
}

/// Restyles the frames of a video, one after the other.
///
/// The same model, options and frames give the same pictures, bit for bit on the cpu engine,
/// whatever the number of threads.
///
/// ```
/// use nca::frame::{FrameMut, Packing};
/// use nca::stylizer::Outcome;
/// use nca::{Backend, Model, Size, Stylizer};
///
/// let mut stylizer = Stylizer::builder(Model::bundled_default())
///     .backend(Backend::Cpu)
///     .scale(0.5)
///     .build()?;
/// let size = Size::new(64, 48);
/// let mut pixels = vec![128; size.pixels() * 3];
/// for expected in [Outcome::Started, Outcome::Continued] {
///     let mut frame = FrameMut::packed(&mut pixels, size.width * 3, size, Packing::RGB)?;
///     assert_eq!(stylizer.process(&mut frame)?, expected);
/// }
///
/// // Between any two frames:
/// let mut options = stylizer.options().clone();
/// options.strength = 0.5;
/// stylizer.set_options(options)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stylizer {
    model: Arc<Model>,
    selection: Selection,
    options: Options,
    engine: Option<Box<dyn Engine>>,
    cuts: CutDetector,
    motion: Option<Motion>,
    reseeding: Reseeding,
    /// The state before a flash or black frames, and how many of these there were.
    before_flash: Option<(State, usize)>,
    /// Whether the last frame showed something.
    showed: bool,
    /// Steps since all that was new took its warm-up at once, while much is new in every frame.
    waited: Option<u32>,
    motion_time: Duration,
    /// Frames since the state was started; `None`: it is to be started.
    frames: Option<u64>,
    cancel: Cancel,
}

impl fmt::Debug for Stylizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stylizer")
            .field("selection", &self.selection)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Stylizer {
    /// Makes one that has not seen a frame yet; the engine is made when the first one comes.
    pub fn builder(model: impl Into<Arc<Model>>) -> StylizerBuilder {
        StylizerBuilder::new(model.into())
    }

    /// All must have been checked.
    pub(crate) fn new(
        model: Arc<Model>,
        selection: Selection,
        options: Options,
        cancel: Cancel,
    ) -> Self {
        Self {
            model,
            selection,
            options,
            engine: None,
            cuts: CutDetector::default(),
            motion: None,
            reseeding: Reseeding::default(),
            before_flash: None,
            showed: false,
            waited: None,
            motion_time: Duration::ZERO,
            frames: None,
            cancel,
        }
    }

    /// How long finding the motion of the last frame and moving the state took.
    pub fn motion_time(&self) -> Duration {
        self.motion_time
    }

    /// How frames are restyled.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The engine in use; none before the first frame.
    pub fn engine(&self) -> Option<&dyn Engine> {
        self.engine.as_deref()
    }

    /// Takes another model from the next frame on, which starts the state anew.
    pub fn set_model(&mut self, model: impl Into<Arc<Model>>) {
        self.model = model.into();
        self.engine = None;
    }

    /// Changes the options from the next frame on. The state lives on, unless its size changes.
    ///
    /// # Errors
    /// When one of them is out of its range; then nothing changes.
    pub fn set_options(&mut self, options: Options) -> Result<(), OutOfRange> {
        // Often set for every frame, and mostly to what they are.
        if self.options == options {
            return Ok(());
        }
        options.check()?;
        if self.options.motion != options.motion {
            self.motion = None;
        }
        self.options = options;
        Ok(())
    }

    /// Starts the state anew with the next frame.
    pub fn reset(&mut self) {
        self.frames = None;
    }

    /// Restyles the next frame of the video in place.
    ///
    /// A frame of another size than the last starts the state anew. After an error the next frame
    /// does so too, and has an engine made for it, unless it was only cancelled.
    pub fn process(&mut self, frame: &mut FrameMut<'_>) -> Result<Outcome, EngineError> {
        let outcome = self.restyle(frame);
        match outcome {
            Ok(_) => {}
            Err(EngineError::Cancelled) => self.reset(),
            Err(_) => self.engine = None,
        }
        outcome
    }

    fn restyle(&mut self, frame: &mut FrameMut<'_>) -> Result<Outcome, EngineError> {
        if frame.size().pixels() == 0 {
            return Err(OutOfRange::new("size", frame.size(), "at least 1x1").into());
        }
        let size = scaled(frame.size(), self.options.scale);
        let engine = match &mut self.engine {
            Some(engine) if engine.size() == size => engine,
            slot => {
                self.frames = None;
                self.motion = None;
                let mut engine = engine::create(&self.model, size, &self.selection)?;
                engine.set_cancel(self.cancel.clone());
                slot.insert(engine)
            }
        };
        engine.set_stroke(self.options.stroke)?;
        let playback = self.model.playback;
        let warmup = self.options.warmup.unwrap_or(playback.warmup);
        let steps = self.options.steps.unwrap_or(playback.steps);

        let interval = u64::from(self.options.interval);
        let updated = self
            .frames
            .is_none_or(|frames| frames.is_multiple_of(interval));
        if let (None, Some(quality)) = (&self.motion, self.options.motion) {
            self.motion = Some(Motion::new(frame.size(), quality, &self.selection)?);
        }
        // Whether or not the frame is to be restyled: what is not looked at cannot be followed.
        if self.frames.is_none() {
            self.cuts.reset();
        }
        let thumbnail = Thumbnail::of(&frame.as_frame());
        let shows = thumbnail.shows;
        // After more than a flash, and nothing can be matched with what was before it.
        let reappears =
            shows && self.motion.as_ref().and_then(|motion| motion.shown) == Some(false);
        let before = Instant::now();
        let flow = match &mut self.motion {
            Some(motion) => {
                if self.frames.is_none() {
                    motion.reset();
                }
                motion.estimate(&frame.as_frame(), shows)
            }
            None => None,
        };
        self.motion_time = before.elapsed();
        let confidence = flow.as_deref().map(Flow::mean_confidence);
        // Motion may seem to explain a few patches, which would keep the state of what is gone.
        let is_unlike = confidence.is_some_and(|confidence| {
            confidence <= UNRELATED
                || confidence <= TRUSTED[1]
                    && self.options.cut_threshold.is_some_and(|threshold| {
                        f64::from(self.cuts.unlikeness(&thumbnail)) > threshold
                    })
        });
        match self.options.cut_threshold {
            Some(threshold) => {
                let difference = self.cuts.difference(thumbnail, confidence);
                if difference.is_some_and(|difference| f64::from(difference) > threshold) {
                    self.frames = None;
                }
            }
            None => self.cuts.reset(),
        }
        let is_urgent = steps > 0
            && self.frames.is_some()
            && is_urgent(&mut self.waited, confidence, steps, warmup);
        let regrows = steps > 0 && reappears || is_urgent && is_unlike;
        // A state that is not to change is not moved, either.
        let quality = self.options.motion.filter(|_| steps > 0);
        let steps = if updated { steps } else { 0 };
        let mut outcome = Outcome::Continued;
        let mut finite = true;
        match (self.frames, self.before_flash.take()) {
            (None, _) => {}
            // What a flash has done to the state is taken back.
            (Some(_), Some((state, _))) if shows => engine.set_state(&state)?,
            (Some(_), Some((state, frames))) => {
                let goes_on = frames < FLASH;
                self.before_flash = goes_on.then_some((state, frames + 1));
            }
            (Some(_), None) if self.showed && !shows => {
                self.before_flash = Some((engine.state()?, 1));
            }
            (Some(_), None) => {}
        }
        self.showed = shows;
        match self.frames {
            Some(_) if regrows => {
                engine.set_source(&frame.as_frame())?;
                self.reseeding.reset();
                engine.seed(self.options.seed)?;
                finite = engine.step(warmup)?;
                if !finite {
                    outcome = Outcome::Reseeded;
                }
            }
            Some(age) => {
                let paints = self.model.architecture.painter.is_some();
                if updated || flow.is_some() || paints {
                    engine.set_source(&frame.as_frame())?;
                }
                if let (Some(flow), Some(quality)) = (flow, quality) {
                    let before = Instant::now();
                    // Another one in every frame, and the same in every run.
                    let seed = self.options.seed.wrapping_add(age).wrapping_add(1);
                    let budget = Budget {
                        warmup,
                        work: if is_urgent {
                            warmup as f32
                        } else {
                            share(quality) * steps as f32
                        },
                        steps,
                        seed,
                    };
                    let is_new = |confidence| engine::trust(confidence) < 1.0;
                    self.reseeding.plan(flow, is_new, budget);
                    let growth = Growth {
                        seed,
                        steps: warmup,
                    };
                    engine.carry(flow, growth)?;
                    self.motion_time += before.elapsed();
                }
                if updated {
                    finite = engine.step(steps)?;
                }
                if !finite {
                    outcome = Outcome::Reseeded;
                }
            }
            None => {
                engine.set_source(&frame.as_frame())?;
                outcome = Outcome::Started;
            }
        }
        if outcome != Outcome::Continued {
            self.frames = Some(0);
            self.reseeding.reset();
            engine.seed(self.options.seed)?;
            finite = engine.step(warmup)?;
        }
        self.frames = self.frames.map(|frames| frames + 1);
        if !finite {
            self.frames = None;
            return Ok(Outcome::GaveUp);
        }
        if !engine.render(frame, self.options.strength)? {
            self.frames = None;
            return Ok(Outcome::GaveUp);
        }
        Ok(outcome)
    }
}

/// Whether all that is new is to take its warm-up at once, whatever the work, because so much of the
/// picture is: after a cut that is not looked for or not found. `waited` is for the next frame.
///
/// While that lasts, which it does in noise, no more than twice the usual steps are taken in the mean.
fn is_urgent(waited: &mut Option<u32>, confidence: Option<f32>, steps: u32, warmup: u32) -> bool {
    if confidence.is_none_or(|confidence| confidence > TRUSTED[1]) {
        *waited = None;
        return false;
    }
    let is_urgent = waited.is_none_or(|waited| waited >= warmup);
    *waited = Some(if is_urgent {
        0
    } else {
        waited.unwrap_or(0).saturating_add(steps)
    });
    is_urgent
}

/// What reseeding may cost in a frame, as a share of the steps that it takes anyway.
fn share(quality: Quality) -> f32 {
    match quality {
        Quality::Fast => 0.16,
        Quality::Balanced | Quality::Fine => 1.0,
    }
}

/// The motion estimator, and the threads that it runs on.
struct Motion {
    estimator: Estimator,
    pool: Arc<ThreadPool>,
    /// Whether the frame that the estimator has seen last shows something; none if it has seen none.
    shown: Option<bool>,
    /// Frames since then that show nothing, and that it has not seen.
    blank: usize,
}

impl Motion {
    fn new(size: Size, quality: Quality, selection: &Selection) -> Result<Self, EngineError> {
        Ok(Self {
            estimator: Estimator::new(size, quality),
            pool: pool::shared(selection.threads)?,
            shown: None,
            blank: 0,
        })
    }

    /// Forgets the last frame.
    fn reset(&mut self) {
        self.estimator.reset();
        self.shown = None;
        self.blank = 0;
    }

    /// Where everything in `frame` was in the last frame that shows something; none where that is
    /// too long ago, and for a frame that shows nothing itself: what was there before a flash is there
    /// after it.
    fn estimate(&mut self, frame: &Frame<'_>, shows: bool) -> Option<&mut Flow> {
        if !shows && self.shown == Some(true) && self.blank < FLASH {
            self.blank += 1;
            return None;
        }
        if self.shown != Some(shows) {
            self.reset();
            self.shown = Some(shows);
        }
        self.blank = 0;
        let Self {
            estimator, pool, ..
        } = self;
        pool.install(|| estimator.estimate(frame).is_some())
            .then(|| self.estimator.flow_mut())
    }
}

/// The automaton's size for a frame; at least one pixel.
fn scaled(size: Size, scale: f32) -> Size {
    let scaled = |length: usize| ((length as f64 * f64::from(scale)).round() as usize).max(1);
    Size::new(scaled(size.width), scaled(size.height))
}
