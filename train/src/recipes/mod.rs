//! What an iteration is.

pub mod filming;
pub mod guided;
pub mod notebook;
pub mod preset;
pub mod recipe;
mod stills;
pub mod style;
