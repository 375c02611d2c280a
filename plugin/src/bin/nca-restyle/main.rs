//! `nca-restyle`: restyles films and pictures with a trained neural cellular automaton.

mod args;
mod codec;
mod film;
mod job;
mod progress;
mod still;

use std::process::ExitCode;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Parser;

use args::Args;

/// Set when the user wants to stop.
static INTERRUPTED: LazyLock<AtomicBool> = LazyLock::new(AtomicBool::default);

/// What a shell reports for a program that was interrupted.
const EXIT_INTERRUPTED: u8 = 130;

/// The user wants to stop.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing was left behind")]
struct Interrupted;

impl Interrupted {
    /// Fails when the user wants to stop.
    fn check() -> Result<(), Self> {
        if INTERRUPTED.load(Ordering::SeqCst) {
            Err(Self)
        } else {
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("nca-restyle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does all jobs, going on with the others when one fails.
fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let jobs = job::plan(args)?;
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst))
        .context("cannot listen for Ctrl-C")?;
    gst::init().context("cannot start GStreamer")?;
    gstnca::register_static().context("cannot register the element ncafilter")?;

    let mut failed = 0;
    for job in &jobs {
        let Err(error) = job.run(args) else { continue };
        eprintln!("nca-restyle: {}: {error:#}", job.input.display());
        if error.is::<Interrupted>() {
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        }
        failed += 1;
    }
    if failed > 0 && jobs.len() > 1 {
        eprintln!("nca-restyle: {failed} of {} failed", jobs.len());
    }
    Ok(if failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
