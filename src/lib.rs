#![doc = include_str!("../docs/library.md")]
//!
//! # Rooms
//!
//! In the direction in which data flows; what most programs need is at the root:
//!
//! - [`frame`]: views of 8-bit RGB frames in memory that belongs to somebody else.
//! - [`model`]: what an automaton is: its architecture and weights, and the files they come in.
//! - [`motion`]: what moved where from one frame to the next.
//! - [`engine`]: what runs the rule.
//! - [`stylizer`]: a model, an engine and the state that lives from frame to frame.
//! - [`settings`]: what people can set, as a table, and sets of values in files.

#![warn(missing_docs)]

mod builder;
mod cancel;
mod cells;
mod cut;
pub mod engine;
pub mod frame;
#[doc(hidden)]
pub mod internals;
pub mod model;
pub mod motion;
mod named;
mod noise;
mod out_of_range;
mod pool;
mod regular_file;
mod replace;
mod reseeding;
mod sentence;
pub mod settings;
mod source;
mod state;
pub mod stylizer;
mod unfinished;

pub use cancel::Cancel;
pub use engine::{Backend, Engine, EngineError, Precision, Selection};
pub use frame::{Frame, FrameError, FrameMut, Packing};
pub use model::{Model, ModelError};
pub use motion::Quality;
pub use named::UnknownName;
pub use out_of_range::OutOfRange;
pub use pool::ThreadsError;
pub use settings::Settings;
pub use state::{Size, State};
pub use stylizer::{Options, Outcome, Stylizer, StylizerBuilder};

use replace::replace_file;
use sentence::sentence;
