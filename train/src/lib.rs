//! Training: from a picture or a sentence to an automaton. It needs libtorch.
//!
//! - [`data`]: what is trained on: pictures, films, and cameras that move over them.
//! - [`rule`]: the rule in tch and on the processor, and runs of it that are differentiated.
//! - [`networks`]: what pictures are compared by, and where it is found.
//! - [`losses`]: what is made small.
//! - [`recipes`]: what an iteration is.
//! - [`training`]: the loop and what it holds.
//! - [`reports`]: what people see of it.

pub mod data;
mod device;
mod error;
mod failure;
pub mod losses;
pub mod networks;
pub mod recipes;
pub mod reports;
pub mod rule;
pub mod training;

pub use device::device;
pub use error::TrainError;
pub use failure::caught;
