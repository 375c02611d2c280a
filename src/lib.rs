//! Neural cellular automata (NCA) that restyle pictures and video.
//!
//! A neural cellular automaton is a tiny rule, the same for every pixel, that looks at a pixel's
//! 3x3 neighbourhood and nudges its state. Given a frame as its fixed source, it repaints it.
//!
//! Rooms, in the direction in which data flows:
//!
//! - [`frame`]: views of 8-bit RGB frames in memory that belongs to somebody else.
//! - [`model`]: what an automaton is: its architecture and weights, and the files they come in.
//! - [`source`]: how a frame becomes the frozen channels that the rule looks at.
//! - [`motion`]: what moved where from one frame to the next.
//! - [`engine`]: what runs the rule.
//! - [`stylizer`]: a model, an engine and the state that lives from frame to frame.
//! - [`settings`]: what people can set, as a table, and sets of values in files.
//!
//! For programs: [`unfinished`], files that are gone unless they become whole, and [`sentence`], what
//! went wrong in one line.

#![warn(missing_docs)]

mod cancel;
mod cells;
mod cut;
pub mod engine;
pub mod frame;
pub mod model;
pub mod motion;
mod noise;
mod pool;
mod regular_file;
mod replace;
mod reseeding;
mod sentence;
pub mod settings;
pub mod source;
mod state;
pub mod stylizer;
pub mod unfinished;

pub use cancel::Cancel;
pub use pool::ThreadsError;
pub use replace::replace_file;
pub use sentence::sentence;
pub use state::{Size, State};
