//! Training: from a picture or a sentence to an automaton. It needs libtorch.
//!
//! - [`content`], `film`, [`motion`]: pictures to train on and cameras that move over them.
//! - [`automaton`], `fused`, [`rollout`]: the rule in tch and on the processor, and runs of it that are
//!   differentiated.
//! - [`features`], [`vgg`], [`clip`], [`weights`]: what pictures are compared by, and where it is found.
//! - [`losses`], [`prompt`], [`guide`]: what is made small.
//! - [`recipe`], [`style`], [`notebook`], [`guided`], `stills`: what an iteration is.
//! - [`optimizer`], [`pool`], [`trainer`], [`checkpoint`]: the loop and what it holds.
//! - [`evaluation`], [`preview`], [`run_folder`]: what people see of it.

pub mod automaton;
pub mod checkpoint;
pub mod clip;
pub mod content;
mod device;
mod error;
pub mod evaluation;
mod failure;
pub mod features;
mod film;
mod fused;
pub mod guide;
pub mod guided;
pub mod losses;
pub mod motion;
pub mod notebook;
pub mod optimizer;
pub mod pool;
pub mod preset;
pub mod preview;
pub mod prompt;
pub mod recipe;
pub mod rollout;
pub mod run_folder;
mod stills;
pub mod style;
mod tensorboard;
pub mod trainer;
pub mod vgg;
pub mod weights;

pub use device::device;
pub use error::TrainError;
pub use failure::caught;
