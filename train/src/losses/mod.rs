//! What is made small.

pub mod guide;
pub mod picture;
pub mod prompt;
pub mod terms;
