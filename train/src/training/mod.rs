//! The loop and what it holds.

pub mod checkpoint;
pub mod optimizer;
pub mod pool;
pub mod trainer;
