//! The end of a pipeline: the muxer and the file.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use gst::prelude::*;
use nca::internals::unfinished::Unfinished;

use crate::container::Container;
use crate::elements;
use crate::output::Output;
use crate::stall::Stall;
use crate::track::{Kind, Track};
use crate::{iso, matroska};

/// Set where a pipeline could not be stopped.
static LEFT_TO_ITSELF: AtomicBool = AtomicBool::new(false);

/// Whether a pipeline could not be stopped. Its threads may be anywhere, so that the program is not
/// to be ended as others are.
pub fn is_one_left_to_itself() -> bool {
    LEFT_TO_ITSELF.load(Ordering::Relaxed)
}

/// Where a track goes into the muxer.
struct Input {
    kind: Kind,
    pad: gst::Pad,
    priming: u32,
    /// When the last of all that was written ends, in nanoseconds.
    end: Arc<AtomicU64>,
}

/// A pipeline that writes a video file.
pub struct Writer {
    pub pipeline: gst::Pipeline,
    pub muxer: gst::Element,
    pub container: Container,
    pub stall: Stall,
    file: PathBuf,
    inputs: RefCell<Vec<Input>>,
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
            file: output.path().to_owned(),
            inputs: RefCell::default(),
            states,
            stopped,
            _scratch: scratch,
        })
    }

    /// Where another track goes into the muxer. `priming`: see [`Track`].
    ///
    /// # Errors
    /// When the muxer takes no track of this kind.
    pub fn add_track(&self, kind: Kind, priming: u32) -> Result<gst::Pad> {
        let pad = self
            .muxer
            .request_pad_simple(kind.template())
            .with_context(|| format!("the muxer takes no {}", kind.name()))?;
        let end: Arc<AtomicU64> = Arc::default();
        let latest = Arc::clone(&end);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(buffer) = info.buffer()
                && let Some(start) = buffer.pts()
                // Encoders may count from another time than zero.
                && let Some(segment) = pad.sticky_event::<gst::event::Segment>(0)
                && let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>()
                && let Some(start) = segment.to_running_time(start)
            {
                let stop = start + buffer.duration().unwrap_or_default();
                latest.fetch_max(stop.nseconds(), Ordering::Relaxed);
            }
            gst::PadProbeReturn::Ok
        });
        self.inputs.borrow_mut().push(Input {
            kind,
            pad: pad.clone(),
            priming,
            end,
        });
        Ok(pad)
    }

    /// When the last of what was written of these kinds ends.
    pub fn end_of(&self, kinds: &[Kind]) -> gst::ClockTime {
        let inputs = self.inputs.borrow();
        let of_kind = inputs.iter().filter(|input| kinds.contains(&input.kind));
        let ends = of_kind.map(|input| input.end.load(Ordering::Relaxed));
        gst::ClockTime::from_nseconds(ends.max().unwrap_or_default())
    }

    /// The caps of what the muxer takes of a kind.
    pub fn accepted(&self, kind: Kind) -> gst::Caps {
        // Not the templates of the element: those of webmmux do not survive being looked at.
        let factory = self.muxer.factory();
        factory
            .iter()
            .flat_map(|factory| factory.static_pad_templates())
            .find(|template| template.name_template() == kind.template())
            .map_or_else(gst::Caps::new_empty, |template| template.caps())
    }

    /// Completes the header of the file. To be called when all is written and before
    /// [`Writer::stop`], which forgets what the tracks are; what comes back is to be called after it.
    pub fn header(&self) -> impl FnOnce() -> Result<()> + use<> {
        use gst::StreamFlags as Flags;
        let says = |input: &Input, flag: Flags| {
            let start = input.pad.sticky_event::<gst::event::StreamStart>(0);
            start.is_some_and(|start| start.stream_flags().contains(flag))
        };
        let inputs = self.inputs.borrow();
        // The format of a track whose encoder was given nothing never came. What muxers make of it is taken out
        // of the file.
        let is_known = |input: &&Input| input.pad.has_current_caps();
        let inputs: Vec<_> = inputs.iter().filter(is_known).collect();
        // Some kinds of files say which tracks play from the start, some which do not, most nothing.
        let is_one_selected = inputs.iter().any(|input| says(input, Flags::SELECT));
        let mut tracks: Vec<_> = inputs
            .iter()
            .map(|input| Track {
                kind: input.kind,
                is_default: !says(input, Flags::UNSELECT)
                    && (!is_one_selected || says(input, Flags::SELECT)),
                priming: input.priming,
            })
            .collect();
        if self.container.is_iso() {
            // There, what is not on from the start is off, and a film of which all sound is off is silent.
            turn_one_on(&mut tracks, Kind::Audio);
        }
        let (file, container) = (self.file.clone(), self.container);
        let end = self.end_of(&Kind::ALL);
        move || {
            let written = if container.is_iso() {
                iso::finish(&file, &tracks)
            } else {
                matroska::finish(&file, &tracks, end)
            };
            written.map_err(|error| {
                anyhow!("it cannot be written: {}", nca::internals::sentence(&error))
            })
        }
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

fn turn_one_on(tracks: &mut [Track], kind: Kind) {
    let mut of_kind = tracks.iter_mut().filter(|track| track.kind == kind);
    let first = of_kind.next();
    if let Some(first) = first
        && !first.is_default
        && !of_kind.any(|track| track.is_default)
    {
        first.is_default = true;
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
