//! The rule in tch and on the processor, and runs of it that are differentiated.

pub mod automaton;
pub mod cells;
mod fused;
pub mod rollout;
pub mod warp;
