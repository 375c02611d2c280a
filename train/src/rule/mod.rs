//! The rule in tch and on the processor, and runs of it that are differentiated.

pub mod automaton;
mod fused;
pub mod rollout;
