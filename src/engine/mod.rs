//! What runs an automaton.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod error;
mod registry;
mod resample;
mod selection;
mod weights;
#[cfg(feature = "wgpu")]
pub(crate) mod wgpu;

use crate::frame::{Frame, FrameMut};
use crate::motion::Flow;
use crate::{Cancel, OutOfRange, Size, State};

pub use error::EngineError;
pub use registry::create;
pub use selection::{Backend, Precision, Selection};

/// Holds the state of one automaton and updates it.
///
/// All engines agree: the same model, seed and frames give the same pictures, up to rounding.
/// [`create`] makes one, for those who want to say themselves what is done with it;
/// a [`Stylizer`](crate::Stylizer) has one of its own.
///
/// ```
/// use nca::frame::{Frame, FrameMut, Packing};
/// use nca::{Backend, Model, Size, engine};
///
/// let (model, size) = (Model::bundled_default(), Size::new(40, 30));
/// let mut pixels = vec![90; size.pixels() * 3];
/// let mut engine = engine::create(&model, size, &Backend::Cpu.into())?;
/// engine.set_source(&Frame::packed(&pixels, size.width * 3, size, Packing::RGB)?)?;
/// engine.seed(7)?;
/// assert!(engine.step(8)?, "all values are finite");
/// let mut picture = FrameMut::packed(&mut pixels, size.width * 3, size, Packing::RGB)?;
/// engine.render(&mut picture, 1.0)?;
/// assert_eq!(engine.state()?.channels(), model.architecture().channels);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Engine: sealed::Sealed + Send {
    /// Which backend this is.
    fn backend(&self) -> Backend;

    /// What it runs on, for people: "4 threads, AVX-512".
    fn device(&self) -> String;

    /// Width and height of the picture in pixels, which are those of the state where cells are pixels.
    fn size(&self) -> Size;

    /// Takes strokes of `stroke` times their usual size, within [`STROKES`], by making cells so
    /// many times as large: the state is resampled. Without a painter nothing changes.
    fn set_stroke(&mut self, stroke: f32) -> Result<(), EngineError> {
        check_stroke(stroke)
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

    /// Moves the unfrozen channels along with the picture: every pixel, or cell, takes over the state of
    /// the place where `flow` says that it was, which is left as it is to the bit where nothing moves.
    ///
    /// Where the flow is not to be trusted ([`trust`] is below 1) the state starts anew, and then
    /// takes the steps of `growth` there alone; both are weighted by the distrust.
    fn carry(&mut self, flow: &Flow, growth: Growth) -> Result<(), EngineError>;

    /// Runs `steps` steps. Says whether all values that the last of them computed are finite.
    fn step(&mut self, steps: u32) -> Result<bool, EngineError>;

    /// Shows the output picture: mixes it into `frame`, resampled to its size where that differs.
    /// A `strength` of 1 replaces the frame's colours, 0 leaves them; another one that is not between
    /// them is an error.
    ///
    /// Says whether what a painter made is finite. Rows that are not are left as they came.
    fn render(&mut self, frame: &mut FrameMut<'_>, strength: f32) -> Result<bool, EngineError>;

    /// The whole state, for tests and files.
    fn state(&mut self) -> Result<State, EngineError>;

    /// Replaces the whole state, frozen channels included.
    fn set_state(&mut self, state: &State) -> Result<(), EngineError>;
}

mod sealed {
    /// Only the engines of this library are engines: what they must be able to do may grow.
    pub trait Sealed {}
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

/// Widest and highest picture that is accepted, in pixels.
pub const MAX_LENGTH: usize = 16384;

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

/// Checks a factor on the size of strokes.
fn check_stroke(stroke: f32) -> Result<(), EngineError> {
    let [least, most] = STROKES;
    OutOfRange::check("stroke", stroke, least..=most)?;
    Ok(())
}

/// Checks how far a picture is to be mixed into a frame.
fn check_strength(strength: f32) -> Result<(), EngineError> {
    OutOfRange::check("strength", strength, 0.0..=1.0)?;
    Ok(())
}

/// Refuses a model with a painter, for backends that have none.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn refuse_painter(model: &crate::Model, backend: Backend) -> Result<(), EngineError> {
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
