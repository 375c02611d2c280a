//! What pictures are compared by, and where it is found.

pub mod clip;
pub mod features;
pub mod vgg;
pub mod weights;
