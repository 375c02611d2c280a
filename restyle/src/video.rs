//! The way of the frames: decoded, turned upright, restyled, encoded, into the muxer.

use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use nca::settings::Settings;

use crate::args::{Args, SizeRequest};
use crate::elements;
use crate::encoder::{Encoder, Sizes};
use crate::filter;
use crate::media::Media;
use crate::progress::Progress;
use crate::track::Kind;
use crate::writer::Writer;
use crate::{colorimetry, decoded, picture};

/// What the frames are like that come in.
pub struct Incoming {
    /// Upright.
    pub width: u32,
    /// Upright.
    pub height: u32,
    pub pixel_aspect: gst::Fraction,
    /// 0/1 when it is not known.
    pub framerate: gst::Fraction,
    /// Of the whole, where it is known.
    pub length: Option<gst::ClockTime>,
    pub interlaced: bool,
    pub orientation: gst_video::VideoOrientationMethod,
}

impl From<&Media> for Incoming {
    fn from(media: &Media) -> Self {
        let stream = &media.video;
        let (width, height, pixel_aspect) = stream.upright();
        Self {
            width,
            height,
            pixel_aspect,
            framerate: stream.framerate,
            length: media.duration,
            interlaced: stream.interlaced,
            orientation: stream.orientation,
        }
    }
}

/// Elements in a pipeline that take decoded frames.
pub struct Branch {
    /// Takes the frames.
    pub sink: gst::Pad,
    /// What the frames are before they become RGB.
    precise: gst::Element,
    /// What the encoder is given; completed once the colours of the input are known.
    encoded: gst::Element,
    fixed_colorimetry: Option<&'static str>,
}

/// Adds the elements between decoder and muxer.
///
/// # Errors
/// When an element is missing or an option does not go with the encoder.
pub fn add(
    writer: &Writer,
    incoming: &Incoming,
    args: &Args,
    settings: &Settings,
    progress: &Progress,
) -> Result<Branch> {
    let encoder = Encoder::choose(&args.encoding, writer.container)?;
    let accepted = writer.accepted(Kind::Video);
    let sizes = encoder.sizes(&accepted);
    let (width, height, pixel_aspect) = picture_size(incoming, args.shape.size, &encoder, &sizes)?;
    encoder.check_size(writer.container, &sizes, (width, height))?;
    check_memory(incoming, (width, height))?;
    encoder.configure(
        &args.encoding,
        f64::from(width) * f64::from(height) * frames_per_second(incoming.framerate),
    )?;

    let mut chain = vec![frame_queue()?];
    if incoming.interlaced {
        let deinterlace = elements::make("deinterlace")?;
        // One frame from two fields keeps the frame rate.
        deinterlace.set_property_from_str("fields", "top");
        chain.extend([converter()?, deinterlace]);
    }
    let scale = elements::make("videoscale")?;
    scale.set_property_from_str("method", "lanczos");
    // A row that is one too many would be black.
    scale.set_property("add-borders", false);
    let precise = caps_filter(&gst::Caps::new_any())?;
    let first = converter()?;
    // The way back takes the mean of four pixels; what was interpolated would not come back.
    first.set_property_from_str("chroma-mode", "none");
    chain.extend([first, precise.clone(), converter()?, scale]);
    if incoming.orientation != gst_video::VideoOrientationMethod::Identity {
        let flip = elements::make("videoflip")?;
        flip.set_property("video-direction", incoming.orientation);
        chain.push(flip);
    }
    chain.push(caps_filter(
        &gst::Caps::builder("video/x-raw")
            .field("format", "RGBx")
            .field("width", width as i32)
            .field("height", height as i32)
            .field("pixel-aspect-ratio", pixel_aspect)
            .build(),
    )?);
    let filter = filter::make(settings)?;
    writer.stall.watch_filter(&filter);
    if let Some(pad) = filter.static_pad("src") {
        progress.watch(&pad);
    }
    chain.extend([filter, converter()?]);
    let encoded = caps_filter(&encoded_caps().build())?;
    chain.extend([encoded.clone(), frame_queue()?, encoder.element.clone()]);

    let pad = writer.add_track(Kind::Video, 0)?;
    drop_orientation(&pad);
    if writer.container.is_iso() {
        last_to_the_end(&pad);
    }
    chain.extend(encoder.parser(writer.container, &accepted)?);
    chain.push(elements::make("queue")?);

    writer.pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    let ends = chain.first().zip(chain.last());
    let (sink, src) = ends
        .and_then(|(first, last)| first.static_pad("sink").zip(last.static_pad("src")))
        .context("a queue has no pads")?;
    src.link(&pad)?;
    colorimetry::on_caps(&sink, decoded::mend);
    last_a_while(&sink, incoming);
    Ok(Branch {
        sink,
        precise,
        encoded,
        fixed_colorimetry: encoder.fixed_colorimetry(),
    })
}

impl Branch {
    /// To be called with the caps of the decoded frames before the first comes.
    pub fn on_found(&self) -> impl Fn(&gst::CapsRef) + Send + Sync + 'static {
        let (precise, encoded) = (self.precise.clone(), self.encoded.clone());
        let fixed_colorimetry = self.fixed_colorimetry;
        move |caps| {
            let mut decoded = caps.to_owned();
            decoded::mend(decoded.make_mut());
            let colorimetry = match fixed_colorimetry {
                Some(colorimetry) => colorimetry.to_owned(),
                None => colorimetry::to_store(&decoded),
            };
            let caps = encoded_caps().field("colorimetry", colorimetry).build();
            encoded.set_property("caps", caps);
            let format = if decoded::has_alpha(&decoded) {
                gst::element_warning!(
                    precise,
                    gst::StreamError::Format,
                    ("videos are written without transparency: it becomes white")
                );
                if let Some(pad) = precise.static_pad("src") {
                    decoded::lay_on_white(&pad);
                }
                decoded::WITH_ALPHA
            } else if colorimetry::is_ycbcr(&decoded) {
                // From 8 bits GStreamer takes a short cut that makes everything 1% darker.
                gst_video::VideoFormat::Ayuv64
            } else {
                return;
            };
            let caps = gst::Caps::builder("video/x-raw").field("format", format.to_str());
            precise.set_property("caps", caps.build());
        }
    }
}

/// 8 bits and colour at half the size are what every player plays.
fn encoded_caps() -> gst::caps::Builder<gst::caps::NoFeature> {
    gst::Caps::builder("video/x-raw").field("format", gst::List::new(["I420", "YV12", "NV12"]))
}

/// A few frames, so that decoder, automaton and encoder work at the same time.
fn frame_queue() -> Result<gst::Element> {
    let queue = elements::make("queue")?;
    queue.set_property("max-size-buffers", 4u32);
    queue.set_property("max-size-bytes", 0u32);
    queue.set_property("max-size-time", 0u64);
    Ok(queue)
}

fn converter() -> Result<gst::Element> {
    const THREADS: u32 = 4;
    let converter = elements::make("videoconvert")?;
    converter.set_property("n-threads", THREADS);
    Ok(converter)
}

fn caps_filter(caps: &gst::Caps) -> Result<gst::Element> {
    let filter = elements::make("capsfilter")?;
    filter.set_property("caps", caps);
    Ok(filter)
}

/// The frames are upright now; a player must not turn them again.
fn drop_orientation(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        let Some(gst::PadProbeData::Event(event)) = &mut info.data else {
            return gst::PadProbeReturn::Ok;
        };
        if let gst::EventView::Tag(tag) = event.view() {
            let mut tags = tag.tag_owned();
            tags.make_mut().remove::<gst::tags::ImageOrientation>();
            *event = gst::event::Tag::builder(tags)
                .seqnum(event.seqnum())
                .build();
        }
        gst::PadProbeReturn::Ok
    });
}

/// Gives frames that do not say how long they are shown a duration: the last one would have none.
fn last_a_while(pad: &gst::Pad, incoming: &Incoming) {
    const LEAST: gst::ClockTime = gst::ClockTime::from_mseconds(1);
    let rate = [incoming.framerate.denom(), incoming.framerate.numer()];
    let [seconds, frames] = rate.map(|part| u64::from(part.unsigned_abs()));
    let of_rate = (frames > 0)
        .then(|| gst::ClockTime::SECOND.mul_div_round(seconds, frames))
        .flatten();
    let length = incoming.length;
    let times = Mutex::new((None, of_rate));
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
            && let (Some(time), Ok(mut times)) = (buffer.pts(), times.lock())
        {
            let (before, shortest) = &mut *times;
            let apart = before.and_then(|before: gst::ClockTime| time.checked_sub(before));
            if let Some(apart) = apart.filter(|apart| *apart >= LEAST) {
                *shortest = Some(shortest.map_or(apart, |shortest| shortest.min(apart)));
            }
            *before = Some(time);
            if buffer.duration().is_none_or(gst::ClockTime::is_zero) {
                // A film of one frame is as long as it says.
                let rest = length.and_then(|length| length.checked_sub(time));
                let rest = rest.filter(|rest| *rest >= LEAST);
                let assumed = gst::ClockTime::SECOND / ASSUMED_RATE;
                let duration = shortest.or(rest).unwrap_or(assumed);
                buffer.make_mut().set_duration(duration);
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Lets the time of the last frame reach to the end of all.
///
/// Muxers of the MP4 family take the sum of the frames' times in the order of decoding for the length of
/// the track, and write that no more of it is to be shown. With frames that are not in the order in which
/// they are shown, and of varying lengths, the last ones would be cut off. Only of the last frame is the
/// duration believed; of the others, the time to the next one is taken.
fn last_to_the_end(pad: &gst::Pad) {
    // The latest end of a frame, and how much later the first is shown than decoded.
    let times = Mutex::new((gst::ClockTime::ZERO, None));
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
            && let (Some(pts), Ok(mut times)) = (buffer.pts(), times.lock())
        {
            let (end, delay) = &mut *times;
            let decoded = buffer.dts().unwrap_or(pts);
            let delay = *delay.get_or_insert(pts.saturating_sub(decoded));
            *end = (pts + buffer.duration().unwrap_or_default()).max(*end);
            if let Some(left) = end.checked_sub(decoded + delay) {
                buffer.make_mut().set_duration(left);
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// # Errors
/// When there is not enough memory for the frames that wait in queues and those that encoders look at before
/// they write one.
fn check_memory(incoming: &Incoming, (width, height): (u32, u32)) -> Result<()> {
    const FRAMES: u64 = 9;
    const BYTES: u64 = 4;
    let pixels = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let most = pixels(width, height).max(pixels(incoming.width, incoming.height));
    if !picture::is_memory_left(FRAMES * BYTES * most) {
        bail!(
            "there is not enough memory for a film of {}x{} pixels; --size makes it smaller",
            incoming.width,
            incoming.height
        );
    }
    Ok(())
}

/// Frames a second where nothing says how many there are.
const ASSUMED_RATE: u64 = 30;

fn frames_per_second(framerate: gst::Fraction) -> f64 {
    if framerate.numer() > 0 && framerate.denom() > 0 {
        f64::from(framerate.numer()) / f64::from(framerate.denom())
    } else {
        ASSUMED_RATE as f64
    }
}

/// Width, height and pixel shape of the output.
fn picture_size(
    incoming: &Incoming,
    request: Option<SizeRequest>,
    encoder: &Encoder,
    sizes: &Sizes,
) -> Result<(u32, u32, gst::Fraction)> {
    let square = gst::Fraction::new(1, 1);
    let (width, height, pixel_aspect) = match request {
        // What is too small for the encoder is shown a whole number of times as large.
        None => {
            let times = |side: u32, least: u32| least.div_ceil(side.max(1));
            let times = times(incoming.width, sizes.width.0)
                .max(times(incoming.height, sizes.height.0))
                .max(1);
            let enlarged = |side: u32| side.saturating_mul(times).min(u32::MAX - 1);
            let (width, height) = (enlarged(incoming.width), enlarged(incoming.height));
            if times > 1 && width.max(height) > SizeRequest::LONGEST {
                bail!(
                    "its picture of {}x{} pixels is too narrow for the encoder, which takes {}x{} and more; \
                     --size changes its size",
                    incoming.width,
                    incoming.height,
                    sizes.width.0,
                    sizes.height.0
                );
            }
            (width, height, incoming.pixel_aspect)
        }
        Some(request) => {
            let (width, height) = request.resolve(shown_aspect(incoming));
            (width, height, square)
        }
    };
    let even = |side: u32| {
        if encoder.needs_even_size() {
            side.next_multiple_of(2)
        } else {
            side
        }
    };
    let (width, height) = (even(width), even(height));
    if width > SizeRequest::LONGEST || height > SizeRequest::LONGEST {
        bail!(
            "{width}x{height} pixels are too many; {} a side is the most",
            SizeRequest::LONGEST
        );
    }
    Ok((width, height, pixel_aspect))
}

/// Width by height as a player shows it.
fn shown_aspect(incoming: &Incoming) -> f64 {
    f64::from(incoming.width) * f64::from(incoming.pixel_aspect.numer())
        / (f64::from(incoming.height) * f64::from(incoming.pixel_aspect.denom()))
}
