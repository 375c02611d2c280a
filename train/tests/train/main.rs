//! Training.

#[path = "../../../tests/common/mod.rs"]
mod common;

mod automaton;
mod command;
mod failure;
mod film;
mod guide;
mod losses;
mod notebook;
mod painter;
mod prompt;
mod rollout;
mod slopes;
mod trainer;
