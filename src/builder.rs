use std::sync::Arc;

#[cfg(doc)]
use crate::engine::EngineError;
use crate::engine::{Backend, Precision, Selection};
use crate::model::Model;
use crate::motion::Quality;
use crate::settings::Settings;
use crate::stylizer::{Options, Stylizer};
use crate::{Cancel, OutOfRange};

/// Makes a [`Stylizer`]: what is not said is as [`Options`] and [`Selection`] have it by default.
///
/// ```
/// use nca::{Backend, Model, Stylizer};
///
/// let sketch = Model::bundled_default();
/// let builder = Stylizer::builder(sketch).backend(Backend::Cpu);
/// let stylizer = builder.clone().strength(0.7).warmup(64).build()?;
/// assert_eq!(stylizer.options().strength, 0.7);
///
/// let error = builder.strength(1.5).build().unwrap_err();
/// assert_eq!(error.to_string(), "strength is 1.5; a number from 0 to 1 is needed");
/// # Ok::<(), nca::OutOfRange>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct StylizerBuilder {
    model: Arc<Model>,
    selection: Selection,
    options: Options,
    cancel: Cancel,
}

impl StylizerBuilder {
    pub(crate) fn new(model: Arc<Model>) -> Self {
        Self {
            model,
            selection: Selection::default(),
            options: Options::default(),
            cancel: Cancel::default(),
        }
    }

    /// Takes the stylizer, if everything is within its range.
    ///
    /// # Errors
    /// Says what is not, its value and its range.
    pub fn build(self) -> Result<Stylizer, OutOfRange> {
        let Self {
            model,
            selection,
            options,
            cancel,
        } = self;
        selection.check()?;
        options.check()?;
        Ok(Stylizer::new(model, selection, options, cancel))
    }

    /// All that a set of settings says of how frames are restyled, and of what runs the automaton.
    pub fn settings(self, settings: &Settings) -> Self {
        self.options(settings.options())
            .selection(settings.selection())
    }

    /// How frames are restyled.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// What runs the automaton.
    pub fn selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// A token that stops [`Stylizer::process`]: it returns [`EngineError::Cancelled`], the frame is as it
    /// came, and the state is started anew with the next one.
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Steps a frame, 0 to 1024; 0 shows the state unchanged. Without it, what the model says.
    pub fn steps(mut self, steps: u32) -> Self {
        self.options.steps = Some(steps);
        self
    }

    /// Steps on the first frame and after every reset, 0 to 1024. Without it, what the model says.
    pub fn warmup(mut self, steps: u32) -> Self {
        self.options.warmup = Some(steps);
        self
    }

    /// Mix with the source, from 0, the source, to 1, the automaton's picture, which is the default.
    pub fn strength(mut self, strength: f32) -> Self {
        self.options.strength = strength;
        self
    }

    /// Size of the automaton relative to the frame, 0.1 to 1, which is the default. Smaller is faster.
    pub fn scale(mut self, scale: f32) -> Self {
        self.options.scale = scale;
        self
    }

    /// Size of the strokes, in multiples of the model's, 0.5 to 4; only for models with a painter.
    pub fn stroke(mut self, stroke: f32) -> Self {
        self.options.stroke = stroke;
        self
    }

    /// Steps are taken on every `interval`th frame, from 1 on.
    pub fn interval(mut self, interval: u32) -> Self {
        self.options.interval = interval;
        self
    }

    /// How well the motion between frames is looked for, along which the state is moved; `None`: it
    /// stays where it is on the screen, as suits single pictures.
    pub fn motion(mut self, quality: impl Into<Option<Quality>>) -> Self {
        self.options.motion = quality.into();
        self
    }

    /// Starts the state anew on hard cuts: how different two frames must be, from 0, any change is
    /// a cut, to 1, nothing is. Without it, cuts are not looked for.
    pub fn cut_threshold(mut self, threshold: impl Into<Option<f64>>) -> Self {
        self.options.cut_threshold = threshold.into();
        self
    }

    /// Seed of the noise that the hidden channels start from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// The kind of engine.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.selection.backend = backend;
        self
    }

    /// Which of several devices of the backend, by index or part of the name.
    pub fn device(mut self, device: impl Into<String>) -> Self {
        self.selection.device = Some(device.into());
        self
    }

    /// Threads of the cpu backend, and of what else is done on the processor, 1 to 1024; 0: one for
    /// each core.
    pub fn threads(mut self, threads: usize) -> Self {
        self.selection.threads = threads;
        self
    }

    /// How exactly it multiplies.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.selection.precision = precision;
        self
    }
}
