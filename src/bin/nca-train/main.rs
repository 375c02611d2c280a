//! `nca-train`: from a picture of a style to a model.

mod args;
mod config;
mod progress;
mod run;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match run::run(&args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nca-train: {error:#}");
            ExitCode::FAILURE
        }
    }
}
