//! Runs a pipeline to its end.

use std::sync::mpsc;

use anyhow::{Context, Result, anyhow, bail};
use gst::MessageView;
use gst::prelude::*;

use crate::interruption::interrupted;
use crate::part::{Missed, Over};
use crate::progress::Progress;
use crate::reader::Waiting;
use crate::stall::Patience;
use crate::track::Kind;
use crate::writer::Writer;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Complete,
    Interrupted,
}

/// Streams that wait to be cut before the pipeline runs.
pub struct Cutting {
    pub gate: mpsc::Receiver<Waiting>,
    /// How many streams will come through the gate.
    pub streams: usize,
}

/// How often interruption is looked for and the progress bar moves.
const BEAT: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Runs the pipeline until everything is written, and stops it.
///
/// # Errors
/// What an element says went wrong, as a sentence, or that there was no frame. [`Missed`]: the part was not
/// found by seeking.
pub fn run(writer: &Writer, cutting: Option<Cutting>, progress: &Progress) -> Result<Ending> {
    let is_sought = cutting.is_some();
    let mut bus = Listener::new(writer, progress)?;
    let ending = run_started(writer, cutting, &mut bus);
    if let Ok(Ending::Complete) = ending {
        progress.complete();
    }
    let write_header = writer.header();
    writer.stop();
    if let Ok(Ending::Complete) = ending {
        if progress.frames() == 0 && is_sought {
            bail!(Missed);
        }
        // Other streams may be longer than the picture.
        if let Some(over) = bus.over
            && writer.end_of(&[Kind::Audio, Kind::Subtitle]).is_zero()
        {
            bail!(over);
        }
        if progress.frames() == 0 {
            bail!("it has no frame to restyle, or none in the part that was asked for");
        }
        write_header()?;
    }
    ending
}

fn run_started(
    writer: &Writer,
    cutting: Option<Cutting>,
    bus: &mut Listener<'_>,
) -> Result<Ending> {
    if let Some(Cutting { gate, streams }) = cutting {
        writer.go(gst::State::Paused);
        let mut waiting = Vec::with_capacity(streams);
        while waiting.len() < streams {
            if let Some(ending) = bus.listen()? {
                return Ok(ending);
            }
            waiting.extend(gate.try_iter());
        }
        for stream in &waiting {
            stream.seek()?;
        }
        waiting.into_iter().for_each(Waiting::release);
    }
    writer.go(gst::State::Playing);
    loop {
        if let Some(ending) = bus.listen()? {
            return Ok(ending);
        }
    }
}

struct Listener<'a> {
    bus: gst::Bus,
    progress: &'a Progress,
    patience: Patience,
    /// The picture was over before the part that is wanted.
    over: Option<Over>,
}

impl<'a> Listener<'a> {
    fn new(writer: &Writer, progress: &'a Progress) -> Result<Self> {
        Ok(Self {
            bus: writer.pipeline.bus().context("the pipeline has no bus")?,
            progress,
            patience: writer.stall.patience(),
            over: None,
        })
    }

    /// Waits a moment for the end, an error or an interruption.
    fn listen(&mut self) -> Result<Option<Ending>> {
        if interrupted() {
            return Ok(Some(Ending::Interrupted));
        }
        self.progress.tick();
        let kinds = [
            gst::MessageType::Eos,
            gst::MessageType::Error,
            gst::MessageType::Warning,
            gst::MessageType::Application,
        ];
        let Some(message) = self.bus.timed_pop_filtered(BEAT, &kinds) else {
            self.patience.check()?;
            return Ok(None);
        };
        match message.view() {
            MessageView::Eos(_) => Ok(Some(Ending::Complete)),
            MessageView::Error(error) => Err(sentence(error)),
            MessageView::Warning(warning) => {
                self.progress.warn(warning.error().message());
                Ok(None)
            }
            MessageView::Application(told) => {
                let Some(what) = told.structure() else {
                    return Ok(None);
                };
                if what.name() == Missed::NAME {
                    bail!(Missed);
                }
                self.over = self.over.or_else(|| Over::of(what));
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

fn sentence(error: &gst::message::Error) -> anyhow::Error {
    if let Some(error) = about_writing(error) {
        return error;
    }
    let text = error
        .error()
        .message()
        .trim_end_matches(['.', '\n'])
        .to_owned();
    // The message of many errors only says that something failed, and the last line of the
    // details says what.
    let vague = error.error().matches(gst::StreamError::Failed)
        || error.error().matches(gst::CoreError::Negotiation)
        || error.error().is::<gst::ResourceError>();
    let reason = error
        .debug()
        .filter(|_| vague)
        .and_then(|debug| debug.lines().last().map(str::to_owned))
        .filter(|reason| !reason.is_empty() && !reason.contains("():"));
    match reason {
        Some(reason) if error.error().is::<gst::ResourceError>() => anyhow!(reason),
        Some(reason) => anyhow!("{text}: {reason}"),
        None => anyhow!(text),
    }
}

/// What goes wrong with the file that is written: only the words of the system are of use there, and
/// they end the details.
fn about_writing(error: &gst::message::Error) -> Option<anyhow::Error> {
    use gst::ResourceError as Kind;
    let is = |kind| error.error().matches(kind);
    if is(Kind::NoSpaceLeft) {
        return Some(anyhow!("it cannot be written: No space left on device"));
    }
    let kinds = [
        Kind::Write,
        Kind::OpenWrite,
        Kind::OpenReadWrite,
        Kind::Close,
        Kind::Sync,
    ];
    if !kinds.into_iter().any(is) {
        return None;
    }
    let debug = error.debug()?;
    let reason = debug.lines().last()?.rsplit(": ").next()?;
    Some(anyhow!("it cannot be written: {reason}"))
}
