//! `nca-restyle`: restyles a video or picture file with a trained neural cellular automaton.

mod args;
mod clip;
mod colorimetry;
mod container;
mod elements;
mod encoder;
mod filter;
mod growing;
mod job;
mod markup;
mod media;
mod output;
mod picture;
mod playback;
mod progress;
mod reader;
mod stall;
mod still;
mod targets;
mod time;
mod tracks;
mod video;
mod writer;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use clap::Parser;

use args::Args;
use playback::Ending;
use targets::Target;

/// Set by Ctrl-C and by a request to terminate; work in progress then ends and cleans up.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

const WRONG_USAGE: u8 = 2;
/// What shells expect of a program that ended on SIGINT: 128 and the signal's number.
const INTERRUPTED_CODE: u8 = 130;

fn main() -> ExitCode {
    // SAFETY: no other thread runs yet.
    unsafe { nca::engine::look_for_no_session() };
    let args = Args::parse();
    let targets = match targets::plan(&args.paths, args.output_folder.as_deref()) {
        Ok(targets) => targets,
        Err(error) => {
            eprintln!("nca-restyle: {error}\nFor more information, try '--help'.");
            return WRONG_USAGE.into();
        }
    };
    if let Err(error) = prepare() {
        eprintln!("nca-restyle: {error:#}");
        return ExitCode::FAILURE;
    }
    restyle_all(&targets, &args)
}

fn prepare() -> Result<()> {
    gst::init().context("GStreamer does not start")?;
    gstnca::register_static().context("the element ncafilter cannot be registered")?;
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .context("Ctrl-C cannot be listened to")
}

/// One after the other: the automaton itself already uses every core.
fn restyle_all(targets: &[Target], args: &Args) -> ExitCode {
    let mut failed = 0;
    for target in targets {
        match job::restyle(target, args) {
            Ok(Ending::Complete) => {}
            Ok(Ending::Interrupted) => {
                eprintln!("nca-restyle: interrupted; nothing was left behind");
                return INTERRUPTED_CODE.into();
            }
            Err(error) => {
                eprintln!("nca-restyle: {error:#}");
                failed += 1;
            }
        }
    }
    if failed == 0 {
        return ExitCode::SUCCESS;
    }
    if targets.len() > 1 {
        eprintln!("nca-restyle: {failed} of {} files failed", targets.len());
    }
    ExitCode::FAILURE
}

/// Whether the user wants the program to end.
fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
