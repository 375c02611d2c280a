//! What runs an automaton.

pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod resample;

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
    /// Where the flow is not to be trusted, the state stays where it is: it has grown already, and
    /// one that started anew would show for many frames.
    fn carry(&mut self, flow: &Flow) -> Result<(), EngineError>;

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

/// Kinds of engines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The fastest that this machine has.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// NVIDIA's graphics processors, through their driver.
    Cuda,
}

impl Backend {
    /// All of them, with the names that people use.
    pub const NAMES: [(Self, &str); 3] = [
        (Self::Auto, "auto"),
        (Self::Cpu, "cpu"),
        (Self::Cuda, "cuda"),
    ];

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
    /// The machine has nothing that the backend could run on.
    #[error("backend {backend} cannot run here: {why}")]
    Absent {
        /// Name of the backend.
        backend: &'static str,
        /// A clause.
        why: String,
    },
    /// The backend could not do what it was to do.
    #[error("backend {backend} failed: {why}")]
    Failed {
        /// Name of the backend.
        backend: &'static str,
        /// A clause.
        why: String,
    },
    /// The device does not answer any more, as when its driver was reset; another engine may be
    /// made on it.
    #[error("{device} was lost: {why}")]
    DeviceLost {
        /// What it is called.
        device: String,
        /// What the driver said.
        why: String,
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

/// Widest and highest state that is accepted.
const MAX_LENGTH: usize = 16384;

/// Checks that a state of `size` can be had.
fn check_length(size: Size) -> Result<(), EngineError> {
    let lengths = 1..=MAX_LENGTH;
    if lengths.contains(&size.width) && lengths.contains(&size.height) {
        return Ok(());
    }
    Err(EngineError::UnsupportedSize {
        size,
        why: format!("width and height can be 1 to {MAX_LENGTH}"),
    })
}

/// Checks the shape of a state that is given to an engine.
fn check_state(state: &State, channels: usize, size: Size) -> Result<(), EngineError> {
    if (state.channels, state.size) == (channels, size) {
        return Ok(());
    }
    let shape = |channels, size: Size| format!("{channels} x {} x {}", size.height, size.width);
    Err(EngineError::WrongState {
        found: shape(state.channels, state.size),
        needed: shape(channels, size),
    })
}

/// Makes the engine that `selection` asks for, for `model` at `size`. Its state is all zeros.
pub fn create(
    model: &Arc<Model>,
    size: Size,
    selection: &Selection,
) -> Result<Box<dyn Engine>, EngineError> {
    match selection.backend {
        Backend::Auto | Backend::Cpu => Ok(Box::new(cpu::CpuEngine::new(model, size, selection)?)),
        #[cfg(feature = "cuda")]
        Backend::Cuda => Ok(Box::new(cuda::CudaEngine::new(model, size, selection)?)),
        #[cfg(not(feature = "cuda"))]
        Backend::Cuda => Err(EngineError::Absent {
            backend: selection.backend.name(),
            why: "it was left out when this was built".into(),
        }),
    }
}
