//! `nca-restyle`: restyles a video or picture file with a trained neural cellular automaton.

mod animation;
mod args;
mod chapters;
mod clip;
mod colorimetry;
mod container;
mod decoded;
mod elements;
mod encoder;
mod filter;
mod growing;
mod interruption;
mod iso;
mod job;
mod markup;
mod matroska;
mod media;
mod message;
mod output;
mod part;
mod picture;
mod playback;
mod profile;
mod progress;
mod reader;
mod stall;
mod still;
mod style;
mod targets;
mod time;
mod track;
mod tracks;
mod trim;
mod truncation;
mod video;
mod writer;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use args::Args;
use job::Outcome;
use targets::Target;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
/// All were restyled, but not all of them were whole.
const INCOMPLETE: u8 = 3;

fn main() -> ExitCode {
    // SAFETY: no other thread runs yet.
    unsafe { nca::internals::look_for_no_session() };
    nca::internals::unfinished::survive_size_limit();
    let mut args = Args::parse();
    // With nothing to restyle the settings are only written.
    let targets = match &args.paths[..] {
        [] => Ok(Vec::new()),
        paths => targets::plan(paths, args.output_folder.as_deref()),
    };
    let targets = targets.and_then(|targets| {
        if let Some(file) = args.style.saved_to() {
            let model = args.style.settings.text("model");
            targets::refuse_to_lose(&targets, model, file)?;
        }
        Ok(targets)
    });
    let targets = match targets {
        Ok(targets) => targets,
        Err(error) => {
            message::say(&format!("{error}\nFor more information, try '--help'."));
            return WRONG_USAGE.into();
        }
    };
    if let Err(error) = settle(&mut args) {
        message::say(&nca::internals::sentence(error.as_ref()));
        return FAILED.into();
    }
    if let Err(error) = prepare() {
        message::say(&nca::internals::sentence(error.as_ref()));
        return FAILED.into();
    }
    let code = restyle_all(&targets, &args);
    if writer::is_one_left_to_itself() {
        nca::internals::unfinished::give_up(code);
    }
    code.into()
}

/// Brings the settings together, and writes them if that is wanted.
fn settle(args: &mut Args) -> Result<()> {
    args.style.complete()?;
    args.style.save(args.overwrite)
}

fn prepare() -> Result<()> {
    interruption::listen()?;
    gst::init().context("GStreamer does not start")?;
    gstnca::register_static().context("the element ncafilter cannot be registered")
}

/// One after the other: the automaton itself already uses every core. The exit code.
fn restyle_all(targets: &[Target], args: &Args) -> u8 {
    let (mut failed, mut incomplete) = (0, 0);
    for target in targets {
        let outcome = job::restyle(target, args);
        match outcome {
            Ok(Outcome::Complete) => {}
            Ok(Outcome::Incomplete) => incomplete += 1,
            // Whatever fails then fails because of it.
            _ if interruption::interrupted() => {
                interruption::say();
                return interruption::EXIT_CODE;
            }
            Ok(Outcome::Interrupted) => {}
            Err(error) => {
                message::say(&nca::internals::sentence(error.as_ref()));
                failed += 1;
            }
        }
    }
    if failed > 0 && targets.len() > 1 {
        message::say(&format!("{failed} of {} files failed", targets.len()));
    }
    match (failed, incomplete) {
        (0, 0) => 0,
        (0, _) => INCOMPLETE,
        _ => FAILED,
    }
}
