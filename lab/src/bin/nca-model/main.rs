//! `nca-model`: looks into model files, converts them, runs an automaton on a state, and measures
//! how its style sticks to what moves.

mod clip;
mod consistency;
mod convert;
mod engine;
mod info;
mod output;
mod picture;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Shows what is in model files, converts them, runs them on a picture, and measures how steady their
/// style is on moving pictures.
#[derive(Parser)]
#[command(name = "nca-model", version, arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says what a model is: architecture, size, who made it.
    Info {
        /// Model file (.pt, .safetensors) or name of a bundled model.
        model: String,
    },
    /// Writes a model as .safetensors or as a .pt that Python opens with weights_only=True.
    Convert {
        /// Model file or name of a bundled model.
        input: String,
        /// File to write; its name ends in .safetensors or .pt.
        output: PathBuf,
        /// Replace what stands there.
        #[arg(long)]
        overwrite: bool,
    },
    /// Runs steps of an automaton, to check it against another implementation.
    Run(run::Run),
    /// Measures how steady a style is on moving pictures: on stills that are moved by known motions, or on
    /// a clip that has been restyled.
    Consistency(consistency::Consistency),
}

fn main() -> ExitCode {
    // SAFETY: no other thread runs yet.
    unsafe { nca::internals::look_for_no_session() };
    nca::internals::unfinished::survive_size_limit();
    let command = Args::parse().command;
    let result = catch_interruption().and_then(|()| run(command));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nca-model: {}", nca::internals::sentence(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C ends the program at once, and leaves no half of a file.
fn catch_interruption() -> anyhow::Result<()> {
    const INTERRUPTED: u8 = 130;
    ctrlc::set_handler(|| nca::internals::unfinished::give_up(INTERRUPTED))
        .context("cannot catch Ctrl-C")
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Info { model } => info::info(&model),
        Command::Convert {
            input,
            output,
            overwrite,
        } => convert::convert(&input, &output, overwrite),
        Command::Run(run) => run.run(),
        Command::Consistency(consistency) => consistency.run(),
    }
}
