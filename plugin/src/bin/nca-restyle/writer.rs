//! The end of a pipeline: the muxer and the file.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use gst::prelude::*;
use nca::unfinished::Unfinished;

use crate::container::Container;
use crate::elements;
use crate::output::Output;
use crate::stall::Stall;

/// Set where a pipeline could not be stopped.
static LEFT_TO_ITSELF: AtomicBool = AtomicBool::new(false);

/// Whether a pipeline could not be stopped. Its threads may be anywhere, so that the program is not
/// to be ended as others are.
pub fn is_one_left_to_itself() -> bool {
    LEFT_TO_ITSELF.load(Ordering::Relaxed)
}

/// A pipeline that writes a video file.
pub struct Writer {
    pub pipeline: gst::Pipeline,
    pub muxer: gst::Element,
    pub container: Container,
    pub stall: Stall,
    states: mpsc::Sender<gst::State>,
    stopped: mpsc::Receiver<()>,
    /// Where the media is kept until the index, which goes before it, is known.
    _scratch: Option<Unfinished>,
}

impl Writer {
    /// A pipeline with a muxer and a file sink.
    pub fn new(container: Container, output: &Output) -> Result<Self> {
        let muxer = container.muxer()?;
        let scratch = if container.is_iso() {
            let scratch = output.scratch()?;
            // Browsers begin to play before they have all of the file.
            muxer.set_property("faststart", true);
            muxer.set_property("faststart-file", utf8(scratch.path())?);
            Some(scratch)
        } else {
            None
        };
        let file = elements::make("filesink")?;
        file.set_property("location", utf8(output.path())?);
        file.set_property("sync", false);
        let stall = Stall::new(output.path());
        stall.watch_writing(&file);
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&muxer, &file])?;
        muxer.link(&file)?;
        let (states, stopped) = change_states(&pipeline);
        Ok(Self {
            pipeline,
            muxer,
            container,
            stall,
            states,
            stopped,
            _scratch: scratch,
        })
    }

    /// Asks for a state. What goes wrong is told on the bus.
    pub fn go(&self, state: gst::State) {
        // Only a stopped pipeline no longer listens.
        let _ = self.states.send(state);
    }

    /// Stops the pipeline. One that does not stop is left to itself.
    pub fn stop(&self) {
        /// Longer than any frame but those of very many steps.
        const PATIENCE: Duration = Duration::from_secs(20);
        self.go(gst::State::Null);
        if self.stopped.recv_timeout(PATIENCE).is_err() {
            LEFT_TO_ITSELF.store(true, Ordering::Relaxed);
        }
    }
}

/// Takes the states that a pipeline is to go to, on a thread of its own: an element that waits for
/// itself, as GStreamer's own do when a file cannot be opened, never comes back from it. The second
/// channel tells when the pipeline has stopped.
fn change_states(pipeline: &gst::Pipeline) -> (mpsc::Sender<gst::State>, mpsc::Receiver<()>) {
    let (states, asked) = mpsc::channel();
    let (tell, stopped) = mpsc::channel();
    let pipeline = pipeline.clone();
    thread::spawn(move || {
        for state in asked {
            let _ = pipeline.set_state(state);
            if state == gst::State::Null {
                break;
            }
        }
        // Nobody may be waiting for it any more.
        let _ = tell.send(());
    });
    (states, stopped)
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("the path {} is not valid UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_stops_is_not_waited_for() {
        gst::init().unwrap();
        let pipeline = gst::parse::launch("fakesrc ! fakesink name=sink").unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let pad = pipeline
            .by_name("sink")
            .unwrap()
            .static_pad("sink")
            .unwrap();
        let (reached, hangs) = mpsc::channel();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            reached.send(()).unwrap();
            loop {
                thread::park();
            }
        });
        let (states, stopped) = change_states(&pipeline);
        states.send(gst::State::Playing).unwrap();
        hangs.recv_timeout(Duration::from_secs(60)).unwrap();
        states.send(gst::State::Null).unwrap();
        let waited = stopped.recv_timeout(Duration::from_millis(300));
        assert_eq!(waited, Err(mpsc::RecvTimeoutError::Timeout));
    }

    #[test]
    fn what_stops_tells_it() {
        gst::init().unwrap();
        let (states, stopped) = change_states(&gst::Pipeline::new());
        states.send(gst::State::Playing).unwrap();
        states.send(gst::State::Null).unwrap();
        stopped.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}
