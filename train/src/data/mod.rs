//! What is trained on: pictures, films, and cameras that move over them.

pub mod content;
mod film;
pub mod motion;
