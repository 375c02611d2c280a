//! What runs an automaton.

pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod resample;
mod weights;
#[cfg(feature = "wgpu")]
pub mod wgpu;

use std::sync::Arc;

use crate::frame::{Frame, FrameMut};
use crate::model::Model;
use crate::motion::Flow;
use crate::{Cancel, Size, State};

/// Keeps Mesa's Vulkan drivers from looking for a Wayland session where nobody has logged in, that is,
/// where `XDG_RUNTIME_DIR` is not set: they would complain of it on stderr. For programs, at their start;
/// devices are found all the same.
///
/// # Safety
///
/// It sets an environment variable: no other thread may run yet.
pub unsafe fn look_for_no_session() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the caller has seen to it that nobody reads the environment meanwhile.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

/// Holds the state of one automaton and updates it.
///
/// All engines agree: the same model, seed and frames give the same pictures, up to rounding.
pub trait Engine: Send {
    /// Which backend this is.
    fn backend(&self) -> Backend;

    /// What it runs on, for people: "4 threads, AVX-512".
    fn device(&self) -> String;

    /// Width and height of the picture in pixels, which are those of the state where cells are pixels.
    fn size(&self) -> Size;

    /// Takes strokes of `stroke` times their usual size, limited to [`STROKES`], by making cells so
    /// many times as large: the state is resampled. Without a painter nothing changes.
    fn set_stroke(&mut self, stroke: f32) -> Result<(), EngineError> {
        let _ = stroke;
        Ok(())
    }

    /// Replaces the frozen channels by the source made of `frame`, which may have any size: it is
    /// resampled to the picture's. A painter looks at this frame too.
    fn set_source(&mut self, frame: &Frame<'_>) -> Result<(), EngineError>;

    /// Sets the unfrozen channels to the start state: the output picture is the source's RGB, the
    /// hidden channels are noise of this `seed`.
    fn seed(&mut self, seed: u64) -> Result<(), EngineError>;

    /// Takes a token that stops [`Engine::carry`] and [`Engine::step`], which return
    /// [`EngineError::Cancelled`] soon after it was cancelled. After a step the state is then that
    /// after some of the steps; elsewhere it may be any, and is to be started anew.
    fn set_cancel(&mut self, cancel: Cancel);

    /// Moves the unfrozen channels along with the picture: every pixel takes over the state of the
    /// place where `flow` says that it was, which is left as it is to the bit where nothing moves.
    /// Where there is a painter, whole cells are moved, and how far they should have moved besides is
    /// kept for it: to sample the state between cells again and again would melt what is painted.
    ///
    /// Where the flow is not to be trusted ([`trust`] is below 1) the state starts anew, and then
    /// takes the steps of `growth` there alone; both are weighted by the distrust.
    fn carry(&mut self, flow: &Flow, growth: Growth) -> Result<(), EngineError>;

    /// Runs `steps` steps. Says whether all values that the last of them computed are finite.
    fn step(&mut self, steps: u32) -> Result<bool, EngineError>;

    /// Shows the output picture: mixes it into `frame`, resampled to its size where that differs.
    /// A `strength` of 1 replaces the frame's colours, 0 leaves them.
    ///
    /// Says whether what a painter made is finite. Rows that are not are left as they came.
    fn render(&mut self, frame: &mut FrameMut<'_>, strength: f32) -> Result<bool, EngineError>;

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
    let [none, full] = TRUST;
    ((confidence - none) / (full - none)).clamp(0.0, 1.0)
}

/// Confidences up to which motion is not believed at all, and from which on it is.
pub(crate) const TRUST: [f32; 2] = [0.2, 0.5];

/// Slope of the cubic convolution kernel by which the state is moved, at a distance of one pixel.
///
/// At Catmull and Rom's -0.5 what is moved by half a pixel many times over loses its fine detail;
/// below, slow waves are amplified: at -0.6 by half a percent at most, which the automaton levels.
pub(crate) const SHARPNESS: f32 = -0.6;

/// Least and most that strokes can be of their usual size.
pub const STROKES: [f32; 2] = [0.5, 4.0];

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
    /// The graphics processor, through Vulkan, Metal or Direct3D 12.
    Wgpu,
}

impl Backend {
    /// All of them, with the names that people use.
    pub const NAMES: [(Self, &str); 4] = [
        (Self::Auto, "auto"),
        (Self::Cpu, "cpu"),
        (Self::Cuda, "cuda"),
        (Self::Wgpu, "wgpu"),
    ];

    /// What [`Backend::Auto`] tries, the fastest first.
    const AUTO: [Self; 3] = [Self::Cuda, Self::Wgpu, Self::Cpu];

    /// The one that people call `name`.
    pub fn named(name: &str) -> Option<Self> {
        let mut named = Self::NAMES.iter().filter(|(_, known)| *known == name);
        named.next().map(|(backend, _)| *backend)
    }

    /// The name that people use.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(backend, _)| *backend == self)
            .map_or("auto", |(_, name)| name)
    }
}

/// What values and weights are rounded to where they are multiplied. The state is f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: nothing is rounded, and all engines agree.
    #[default]
    Full,
    /// 16 bits: faster where the device multiplies them faster. On processors that have it it is
    /// bf16 with sums in f32, on graphics processors f16 with the sums of a layer in f16 too; of the
    /// two, f16 errs less.
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
    /// The backend does not run models with a painter.
    #[error("backend {backend} does not run models with a painter; backend cpu does")]
    NoPainter {
        /// Name of the backend.
        backend: &'static str,
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
    /// Nobody waits for the result any more.
    #[error("cancelled")]
    Cancelled,
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

/// Refuses a model with a painter, for backends that have none.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn refuse_painter(model: &Model, backend: Backend) -> Result<(), EngineError> {
    match model.architecture.painter {
        None => Ok(()),
        Some(_) => Err(EngineError::NoPainter {
            backend: backend.name(),
        }),
    }
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
///
/// [`Backend::Auto`] takes a graphics processor where there is one and else the processor; whatever
/// stands in the way of the one is logged, and the other is taken. A backend that is asked for by
/// name is taken or there is an error.
pub fn create(
    model: &Arc<Model>,
    size: Size,
    selection: &Selection,
) -> Result<Box<dyn Engine>, EngineError> {
    let engine = open(selection.backend, model, size, selection)?;
    let (backend, device) = (engine.backend().name(), engine.device());
    tracing::info!("taking the backend {backend}: {device}");
    Ok(engine)
}

/// Makes an engine of the given backend, for `selection`, which may leave the choice to us.
fn open(
    backend: Backend,
    model: &Arc<Model>,
    size: Size,
    selection: &Selection,
) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match backend {
        Backend::Auto => auto(model, size, selection)?,
        Backend::Cpu => Box::new(cpu::CpuEngine::new(model, size, selection)?),
        #[cfg(feature = "cuda")]
        Backend::Cuda => Box::new(cuda::CudaEngine::new(model, size, selection)?),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => Box::new(wgpu::WgpuEngine::new(model, size, selection)?),
        #[cfg(not(all(feature = "cuda", feature = "wgpu")))]
        absent => {
            return Err(EngineError::Absent {
                backend: absent.name(),
                why: "it was left out when this was built".into(),
            });
        }
    })
}

/// The first backend that can be had.
fn auto(
    model: &Arc<Model>,
    size: Size,
    selection: &Selection,
) -> Result<Box<dyn Engine>, EngineError> {
    let mut errors = Vec::new();
    for backend in Backend::AUTO {
        match open(backend, model, size, selection) {
            Ok(engine) => return Ok(engine),
            Err(error) => {
                match error {
                    EngineError::Absent { .. }
                    | EngineError::NoDevice { .. }
                    | EngineError::NoPainter { .. } => {
                        tracing::debug!("passed over: {error}");
                    }
                    _ => tracing::warn!("passed over: {error}"),
                }
                errors.push(error);
            }
        }
    }
    Err(most_telling(errors, selection))
}

/// Of what each backend said, what is worth saying: that a device is nowhere, or else what the last
/// one said that has the device.
fn most_telling(errors: Vec<EngineError>, selection: &Selection) -> EngineError {
    let mut available = Vec::new();
    let mut telling = None;
    for error in errors {
        match error {
            EngineError::NoDevice {
                backend,
                available: clause,
                ..
            } => available.push(format!("{backend}: {clause}")),
            EngineError::Absent { .. } => {}
            error => telling = Some(error),
        }
    }
    telling.unwrap_or_else(|| EngineError::NoDevice {
        backend: Backend::Auto.name(),
        device: selection.device.clone().unwrap_or_default(),
        available: available.join("; "),
    })
}
