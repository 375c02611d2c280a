//! What is made small.

pub mod guide;
pub mod prompt;
pub mod terms;
