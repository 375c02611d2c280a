//! What runs an automaton.

pub mod cpu;

use std::sync::Arc;

use crate::frame::{Frame, FrameMut};
use crate::model::Model;
use crate::motion::Flow;
use crate::{Size, State};

/// Holds the state of one automaton and updates it.
///
/// All engines agree: the same model, seed and frames give the same pictures, up to rounding.
pub trait Engine: Send {
    /// Which backend this is.
    fn backend(&self) -> Backend;

    /// What it runs on, for people: "4 threads, AVX-512".
    fn device(&self) -> String;

    /// Width and height of the state.
    fn size(&self) -> Size;

    /// Replaces the frozen channels by the source made of `frame`, which may have any size: it is
    /// resampled to the state's.
    fn set_source(&mut self, frame: &Frame<'_>) -> Result<(), EngineError>;

    /// Sets the unfrozen channels to the start state: the output picture is the source's RGB, the
    /// hidden channels are noise of this `seed`.
    fn seed(&mut self, seed: u64) -> Result<(), EngineError>;

    /// Moves the unfrozen channels along with the picture: every pixel takes over the state of the
    /// place where `flow` says that it was, which is left as it is to the bit where nothing moves.
    ///
    /// Where the flow is not to be trusted ([`trust`] is below 1) the state starts anew, and then
    /// takes the steps of `growth` there alone; both are weighted by the distrust.
    fn carry(&mut self, flow: &Flow, growth: Growth) -> Result<(), EngineError>;

    /// Runs `steps` steps. Says whether all values that the last of them computed are finite.
    fn step(&mut self, steps: u32) -> Result<bool, EngineError>;

    /// Shows the output picture: mixes it into `frame`, resampled to its size where that differs.
    /// A `strength` of 1 replaces the frame's colours, 0 leaves them.
    fn render(&mut self, frame: &mut FrameMut<'_>, strength: f32) -> Result<(), EngineError>;

    /// The whole state, for tests and files.
    fn state(&mut self) -> Result<State, EngineError>;

    /// Replaces the whole state, frozen channels included.
    fn set_state(&mut self, state: &State) -> Result<(), EngineError>;
}

/// What becomes of the state where it cannot be moved along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Of the noise that it starts from. Not to be the same in every frame: a pan would show the
    /// pattern again and again.
    pub seed: u64,
    /// Steps that it takes at once.
    pub steps: u32,
}

/// How far the state is moved along motion of some `confidence` ([`Flow::write_row`]), from 0, not
/// at all, to 1; between them, what is moved and what starts anew are mixed.
pub fn trust(confidence: f32) -> f32 {
    const NONE: f32 = 0.2;
    const FULL: f32 = 0.5;
    ((confidence - NONE) / (FULL - NONE)).clamp(0.0, 1.0)
}

/// Slope of the cubic convolution kernel by which the state is moved, at a distance of one pixel.
///
/// At Catmull and Rom's -0.5 what is moved by half a pixel many times over loses its fine detail;
/// below, slow waves are amplified: at -0.6 by half a percent at most, which the automaton levels.
pub(crate) const SHARPNESS: f32 = -0.6;

/// Kinds of engines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The fastest that this machine has.
    #[default]
    Auto,
    /// The processor.
    Cpu,
}

impl Backend {
    /// All of them, with the names that people use.
    pub const NAMES: [(Self, &str); 2] = [(Self::Auto, "auto"), (Self::Cpu, "cpu")];

    /// The name that people use.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(backend, _)| *backend == self)
            .map_or("auto", |(_, name)| name)
    }
}

/// What values and weights are rounded to where they are multiplied. The state and all sums are f32
/// in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: nothing is rounded, and all engines agree.
    #[default]
    Full,
    /// 16 bits: faster where the device multiplies them faster, as bf16 on some processors.
    Half,
}

/// Which engine to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The kind.
    pub backend: Backend,
    /// Which of several devices; what it means depends on the backend. None: the first.
    pub device: Option<String>,
    /// Threads of the cpu backend; 0: one for each core.
    pub threads: usize,
    /// How exactly it multiplies.
    pub precision: Precision,
}

/// Why an engine cannot be had or failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The device that was asked for is not there.
    #[error("backend {backend} has no device {device:?}; {available}")]
    NoDevice {
        /// Name of the backend.
        backend: &'static str,
        /// What was asked for.
        device: String,
        /// What there is, as a clause.
        available: String,
    },
    /// The device does not multiply with the precision that was asked for.
    #[error("backend {backend} has no half precision here: {why}; precision full is there")]
    NoHalfPrecision {
        /// Name of the backend.
        backend: &'static str,
        /// A clause.
        why: String,
    },
    /// The size cannot be run.
    #[error("cannot run at {size}: {why}")]
    UnsupportedSize {
        /// What was asked for.
        size: Size,
        /// A clause.
        why: String,
    },
    /// The given state is not of the engine's shape.
    #[error("the state is {found}; this model at this size needs {needed}")]
    WrongState {
        /// C x H x W, as text.
        found: String,
        /// C x H x W, as text.
        needed: String,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {why}")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system said.
        why: String,
    },
}

/// Makes the engine that `selection` asks for, for `model` at `size`. Its state is all zeros.
pub fn create(
    model: &Arc<Model>,
    size: Size,
    selection: &Selection,
) -> Result<Box<dyn Engine>, EngineError> {
    match selection.backend {
        Backend::Auto | Backend::Cpu => Ok(Box::new(cpu::CpuEngine::new(model, size, selection)?)),
    }
}
