//! A film becomes a film.
//!
//! ```text
//! uridecodebin -+- video -> [deinterlace] -> [videocrop] -> videoflip -> [videoscale] -> ncafilter -> encoder -+- muxer -> file
//!               +- audio -> as it is, or decoded and encoded ------------------------------------------------+
//!               +- subtitles, where the container takes them -------------------------------------------------+
//! ```

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use gst::prelude::*;

use crate::Interrupted;
use crate::args::Args;
use crate::codec::{Container, VideoEncoder, make};
use crate::progress::Progress;

/// How long nothing may move before it is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the progress is looked at.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(100);

pub(crate) fn restyle(
    args: &Args,
    input: &Path,
    output: &Path,
    container: Container,
) -> anyhow::Result<()> {
    let film = Film::new(args, input, output, container)?;
    let result = film.run(args, input);
    // Whatever happened, nothing writes to the file any more after this.
    let stopped = film.pipeline.set_state(gst::State::Null);
    result?;
    stopped.context("cannot stop")?;
    Ok(())
}

/// What the streaming threads and the main one share.
#[derive(Default)]
struct Shared {
    /// Frames that were restyled.
    frames: AtomicU64,
    /// Buffers of any kind, to see that something moves.
    buffers: AtomicU64,
    /// Where the restyled frames are, in nanoseconds since the beginning of the output.
    position: AtomicU64,
    has_video: AtomicBool,
    /// What went wrong while the streams were being connected.
    failure: Mutex<Option<anyhow::Error>>,
}

struct Film {
    pipeline: gst::Pipeline,
    decoder: gst::Element,
    shared: Arc<Shared>,
}

/// What connects the streams that the decoder finds, one after the other.
struct Connector {
    args: Connections,
    container: Container,
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    muxer: gst::glib::WeakRef<gst::Element>,
    /// Made before the decoder starts, so that missing elements are said at once.
    encoder: Mutex<Option<VideoEncoder>>,
    shared: Arc<Shared>,
}

/// What connecting needs of the arguments.
struct Connections {
    filter: gst::Element,
    size: Option<crate::args::OutputSize>,
    no_audio: bool,
    trimmed: bool,
}

impl Film {
    fn new(args: &Args, input: &Path, output: &Path, container: Container) -> anyhow::Result<Self> {
        let pipeline = gst::Pipeline::new();
        let decoder = make("uridecodebin")?;
        let uri = gst::glib::filename_to_uri(input.canonicalize()?, None)?;
        decoder.set_property("uri", uri.as_str());
        decoder.set_property("caps", decoded_caps(args, container));

        let muxer = container.muxer()?;
        let sink = make("filesink")?;
        sink.set_property("location", output);
        sink.set_property("sync", false);
        sink.set_property("async", false);
        pipeline.add_many([&decoder, &muxer, &sink])?;
        muxer.link(&sink)?;

        let shared = Arc::new(Shared::default());
        let connector = Connector {
            args: Connections {
                filter: filter(args)?,
                size: args.size,
                no_audio: args.no_audio,
                trimmed: args.start.is_some() || args.duration.is_some(),
            },
            container,
            pipeline: pipeline.downgrade(),
            muxer: muxer.downgrade(),
            encoder: Mutex::new(Some(VideoEncoder::new(args, container)?)),
            shared: shared.clone(),
        };
        let blocked = Arc::new(Mutex::new(Vec::new()));
        decoder.connect_pad_added({
            let blocked = blocked.clone();
            move |_, pad| {
                if connector.args.trimmed
                    && let Some(probe) = pad
                        .add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| {
                            gst::PadProbeReturn::Ok
                        })
                {
                    lock(&blocked).push((pad.clone(), probe));
                }
                if let Err(error) = connector.connect(pad) {
                    connector.shared.fail(error);
                }
            }
        });
        let (start, duration) = (args.start, args.duration);
        decoder.connect_no_more_pads({
            let shared = shared.clone();
            move |decoder| {
                if !shared.has_video.load(Ordering::SeqCst) {
                    shared.fail(anyhow!("has no video that can be decoded"));
                }
                let blocked = std::mem::take(&mut *lock(&blocked));
                if blocked.is_empty() {
                    return;
                }
                // Not from the streaming thread, which the seek has to stop.
                let shared = shared.clone();
                decoder.call_async(move |decoder| {
                    if let Err(error) = trim(decoder, start, duration) {
                        shared.fail(error);
                    }
                    for (pad, probe) in blocked {
                        pad.remove_probe(probe);
                    }
                });
            }
        });
        Ok(Self {
            pipeline,
            decoder,
            shared,
        })
    }

    /// Plays to the end.
    fn run(&self, args: &Args, input: &Path) -> anyhow::Result<()> {
        let name = input.file_name().unwrap_or_default().to_string_lossy();
        let progress = Progress::new(args, &name);
        let bus = self.pipeline.bus().context("a pipeline has a bus")?;
        let begun = Instant::now();
        let (mut moved, mut buffers) = (begun, 0);
        let mut whole = args.duration;
        let mut missing: Option<String> = None;
        // Why it fails to start is on the bus.
        let _ = self.pipeline.set_state(gst::State::Playing);
        loop {
            Interrupted::check()?;
            if let Some(error) = lock(&self.shared.failure).take() {
                return Err(match missing {
                    Some(missing) => error.context(missing),
                    None => error,
                });
            }
            match bus.timed_pop(TICK) {
                Some(message) => match message.view() {
                    gst::MessageView::Eos(_) => {
                        ensure!(
                            self.shared.frames.load(Ordering::SeqCst) > 0,
                            "has no frames where they were looked for"
                        );
                        return Ok(());
                    }
                    gst::MessageView::Error(error) => {
                        let why = sentence(error);
                        // What a missing decoder leads to says less than that it is missing.
                        bail!("{}", missing.unwrap_or(why));
                    }
                    gst::MessageView::Warning(warning) => {
                        progress.say(&format!("nca-restyle: {name}: {}", warning.error()));
                    }
                    gst::MessageView::Element(element) => {
                        if let Ok(message) = gst_pbutils::MissingPluginMessage::parse(element) {
                            let what =
                                format!("GStreamer lacks a plugin: {}", message.description());
                            progress.say(&format!("nca-restyle: {name}: {what}"));
                            missing = Some(what);
                        }
                    }
                    _ => {}
                },
                None => {
                    let now = self.shared.buffers.load(Ordering::SeqCst);
                    if now != buffers {
                        (moved, buffers) = (Instant::now(), now);
                    }
                    ensure!(
                        moved.elapsed() < PATIENCE,
                        "is stuck: nothing moved for {} seconds",
                        PATIENCE.as_secs()
                    );
                }
            }
            if whole.is_none() {
                let duration = self.decoder.query_duration::<gst::ClockTime>();
                whole = duration.map(|duration| {
                    Duration::from(duration).saturating_sub(args.start.unwrap_or_default())
                });
            }
            let position = Duration::from_nanos(self.shared.position.load(Ordering::SeqCst));
            let share = whole.map(|whole| position.as_secs_f64() / whole.as_secs_f64().max(1e-3));
            progress.show(
                share,
                self.shared.frames.load(Ordering::SeqCst),
                begun.elapsed(),
            );
        }
    }
}

impl Shared {
    fn fail(&self, error: anyhow::Error) {
        lock(&self.failure).get_or_insert(error);
    }
}

impl Connector {
    /// Connects one stream of the decoder to the muxer, or to nothing.
    fn connect(&self, pad: &gst::Pad) -> anyhow::Result<()> {
        let (Some(pipeline), Some(muxer)) = (self.pipeline.upgrade(), self.muxer.upgrade()) else {
            return Ok(());
        };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let structure = caps.structure(0).context("has a stream without a format")?;
        let kind = structure.name().as_str();
        let elements =
            if kind == "video/x-raw" && !self.shared.has_video.swap(true, Ordering::SeqCst) {
                self.video(structure)?
            } else if kind == "audio/x-raw" && !self.args.no_audio {
                vec![
                    make("audioconvert")?,
                    make("audioresample")?,
                    self.container.audio_encoder()?,
                ]
            } else if kind.starts_with("audio/") && !self.args.no_audio {
                // None of them is in use at any time for which the answer is wanted.
                let parser = self.container.audio().iter().find(|(accepted, _)| {
                    accepted
                        .parse::<gst::Caps>()
                        .is_ok_and(|accepted| accepted.can_intersect(&caps))
                });
                match parser.and_then(|(_, parser)| *parser) {
                    Some(parser) => vec![make(parser)?],
                    None => vec![],
                }
            } else if self.container.subtitles().iter().any(|accepted| {
                accepted
                    .parse::<gst::Caps>()
                    .is_ok_and(|accepted| accepted.can_intersect(&caps))
            }) {
                vec![]
            } else {
                return connect_to_nothing(&pipeline, pad);
            };

        // As much as the streams may be apart in the file; by time alone.
        let queue = make("queue")?;
        queue.set_property("max-size-buffers", 0_u32);
        queue.set_property(
            "max-size-bytes",
            if kind == "video/x-raw" {
                64_u32 << 20
            } else {
                0
            },
        );
        queue.set_property("max-size-time", 10 * gst::ClockTime::SECOND);
        let out = make("queue")?;
        out.set_property("max-size-buffers", 0_u32);
        out.set_property("max-size-bytes", 0_u32);
        out.set_property("max-size-time", 30 * gst::ClockTime::SECOND);
        let chain: Vec<gst::Element> = [queue].into_iter().chain(elements).chain([out]).collect();
        pipeline.add_many(&chain)?;
        gst::Element::link_many(&chain)?;
        let (first, last) = (&chain[0], &chain[chain.len() - 1]);
        last.link(&muxer)
            .with_context(|| format!("the output cannot hold its {kind} stream"))?;
        if self.args.trimmed && kind != "video/x-raw" {
            drop_outside_segment(pad);
        }
        let sink = first.static_pad("sink").context("a queue has a sink pad")?;
        let shared = self.shared.clone();
        sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            shared.buffers.fetch_add(1, Ordering::SeqCst);
            gst::PadProbeReturn::Ok
        });
        pad.link(&sink)?;
        for element in &chain {
            element.sync_state_with_parent()?;
        }
        Ok(())
    }

    /// The elements that restyle and encode a video of this format.
    fn video(&self, format: &gst::StructureRef) -> anyhow::Result<Vec<gst::Element>> {
        let encoder = lock(&self.encoder)
            .take()
            .context("has more than one video stream")?;
        let (width, height): (i32, i32) = (format.get("width")?, format.get("height")?);
        let mut elements = Vec::new();
        if format
            .get::<&str>("interlace-mode")
            .is_ok_and(|mode| mode != "progressive")
        {
            elements.push(make("deinterlace")?);
        }
        elements.push(make("videoconvert")?);
        if self.args.size.is_none() && encoder.even && (width % 2 == 1 || height % 2 == 1) {
            // 4:2:0 has one colour for two by two pixels: the last column or row is left out.
            let crop = make("videocrop")?;
            crop.set_property("right", width % 2);
            crop.set_property("bottom", height % 2);
            elements.push(crop);
        }
        // Upright pixels instead of a note that says how to turn them.
        let flip = make("videoflip")?;
        flip.set_property_from_str("video-direction", "auto");
        elements.push(flip);
        if let Some(size) = self.args.size {
            let pixel = format.get::<gst::Fraction>("pixel-aspect-ratio");
            let pixel = pixel.map_or(1.0, |ratio| {
                f64::from(ratio.numer()) / f64::from(ratio.denom())
            });
            let (width, height) = size.resolve(f64::from(width) * pixel / f64::from(height));
            let round = |length: u32| {
                if encoder.even {
                    length.next_multiple_of(2)
                } else {
                    length
                }
            };
            elements.push(make("videoscale")?);
            let caps = gst::Caps::builder("video/x-raw")
                .field("width", round(width) as i32)
                .field("height", round(height) as i32)
                .field("pixel-aspect-ratio", gst::Fraction::new(1, 1));
            elements.push(caps_filter(caps.build())?);
        }
        elements.push(make("videoconvert")?);
        let filter = self.args.filter.clone();
        let source = filter
            .static_pad("src")
            .context("a filter has a source pad")?;
        let shared = self.shared.clone();
        source.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            shared.frames.fetch_add(1, Ordering::SeqCst);
            let segment = pad
                .sticky_event::<gst::event::Segment>(0)
                .map(|event| event.segment().clone());
            let time = segment
                .as_ref()
                .and_then(|segment| segment.downcast_ref::<gst::ClockTime>())
                .and_then(|segment| segment.to_running_time(info.buffer()?.pts()));
            if let Some(time) = time {
                shared.position.store(time.nseconds(), Ordering::SeqCst);
            }
            gst::PadProbeReturn::Ok
        });
        elements.push(filter);
        elements.push(make("videoconvert")?);
        let mut caps = gst::Caps::builder("video/x-raw").field("format", encoder.format);
        // RGB was made of it with this matrix and range, and the way back takes the same.
        if let Ok(colorimetry) = format.get::<&str>("colorimetry")
            && !is_rgb(format)
        {
            caps = caps.field("colorimetry", colorimetry);
        }
        elements.push(caps_filter(caps.build())?);
        elements.extend(encoder.elements);
        Ok(elements)
    }
}

/// The element, set up as the arguments say.
fn filter(args: &Args) -> anyhow::Result<gst::Element> {
    let filter = make("ncafilter")?;
    filter.set_property("qos", false);
    filter.set_property("model", &args.model);
    filter.set_property("steps", args.steps.map_or(-1, |steps| steps as i32));
    filter.set_property("warmup", args.warmup.map_or(-1, |steps| steps as i32));
    filter.set_property("strength", args.strength);
    filter.set_property("scale", args.scale);
    filter.set_property("seed", args.seed);
    filter.set_property("threads", args.threads);
    filter.set_property("reset-on-cut", args.reset_on_cut);
    Ok(filter)
}

fn caps_filter(caps: gst::Caps) -> anyhow::Result<gst::Element> {
    let filter = make("capsfilter")?;
    filter.set_property("caps", caps);
    Ok(filter)
}

/// What the decoder leaves as it is: raw streams and what the container takes encoded.
fn decoded_caps(args: &Args, container: Container) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    let caps_mut = caps.make_mut();
    let mut accept = |text: &str| {
        if let Ok(more) = text.parse::<gst::Caps>() {
            caps_mut.append(more);
        }
    };
    for raw in [
        "video/x-raw(ANY)",
        "audio/x-raw(ANY)",
        "text/x-raw(ANY)",
        "subpicture/x-dvd",
        "application/x-ass",
        "application/x-ssa",
    ] {
        accept(raw);
    }
    if !args.no_audio {
        for (encoded, parser) in container.audio() {
            if parser.is_none_or(|parser| gst::ElementFactory::find(parser).is_some()) {
                accept(encoded);
            }
        }
    }
    caps
}

fn is_rgb(format: &gst::StructureRef) -> bool {
    let name = format.get::<&str>("format").unwrap_or_default();
    ["RGB", "BGR", "GBR", "RGB", "GRAY"]
        .iter()
        .any(|rgb| name.contains(rgb))
}

fn connect_to_nothing(pipeline: &gst::Pipeline, pad: &gst::Pad) -> anyhow::Result<()> {
    let sink = make("fakesink")?;
    sink.set_property("sync", false);
    sink.set_property("async", false);
    pipeline.add(&sink)?;
    sink.sync_state_with_parent()?;
    pad.link(&sink.static_pad("sink").context("a sink has a sink pad")?)?;
    Ok(())
}

/// Seeks to the part that is wanted, while all streams are blocked.
fn trim(
    decoder: &gst::Element,
    start: Option<Duration>,
    duration: Option<Duration>,
) -> anyhow::Result<()> {
    let time = |time: Duration| gst::ClockTime::try_from(time).context("is not that long");
    let start = start.unwrap_or_default();
    let from = time(start)?;
    if let Some(whole) = decoder.query_duration::<gst::ClockTime>() {
        ensure!(
            from < whole,
            "is only {:.1} seconds long",
            whole.seconds_f64()
        );
    }
    let to = duration
        .map(|duration| time(start.saturating_add(duration)))
        .transpose()?;
    decoder
        .seek(
            1.0,
            gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE,
            gst::SeekType::Set,
            from,
            if to.is_some() {
                gst::SeekType::Set
            } else {
                gst::SeekType::None
            },
            to.unwrap_or(gst::ClockTime::ZERO),
        )
        .map_err(|_| anyhow!("cannot be cut: this kind of file cannot be sought in"))
}

/// Decoders cut raw streams to the segment; what is passed on encoded has to be cut here.
fn drop_outside_segment(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
        let segment = pad
            .sticky_event::<gst::event::Segment>(0)
            .map(|event| event.segment().clone());
        let segment = segment
            .as_ref()
            .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        match (segment, info.buffer().and_then(|buffer| buffer.pts())) {
            (Some(segment), Some(time)) if segment.to_running_time(time).is_none() => {
                gst::PadProbeReturn::Drop
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

/// An error message as a sentence.
fn sentence(error: &gst::message::Error) -> String {
    let source = error
        .src()
        .map(|source| source.name().to_string())
        .unwrap_or_default();
    let what = error.error().to_string();
    let debug = error.debug().unwrap_or_default();
    // The element's own words are sentences; those of others name an internal step.
    if source.starts_with("ncafilter") {
        return what;
    }
    match debug.lines().last() {
        Some(detail) if !detail.is_empty() && !detail.contains(&what) => {
            format!("{} ({source}: {detail})", what.trim_end_matches('.'))
        }
        _ => format!("{} ({source})", what.trim_end_matches('.')),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
