//! What engines cannot do.

use crate::pool::ThreadsError;
use crate::{OutOfRange, Size};

/// Why an engine cannot be had or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Strength, stroke, or one of the options of a stylizer.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
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
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}
