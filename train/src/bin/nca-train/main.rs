//! `nca-train`: from a picture of a style to a model.

mod args;
mod config;
mod interruption;
mod progress;
mod run;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    nca::internals::unfinished::survive_size_limit();
    match run::run(&args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nca-train: {}", nca::internals::sentence(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
