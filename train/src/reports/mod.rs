//! What people see of it.

pub mod evaluation;
pub mod preview;
pub mod run_folder;
mod tensorboard;
