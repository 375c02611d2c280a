//! One stream of a file.
//!
//! Every stream that is kept is read by elements of its own, from the file's start. The muxer takes
//! the streams in step; were they read together, a stream with long silences, such as subtitles,
//! would hold up the others or make them pile up in memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};

use anyhow::Result;
use gst::prelude::*;

use crate::part::{Cut, Missed, Part, Way};
use crate::{chapters, colorimetry, elements, markup, trim};

/// What of the stream is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The stream as it is in the file.
    Compressed,
    /// Decoded video.
    Video {
        /// With frames that are shown after the end that the file names: where frames are not stored in the
        /// order in which they are shown, those that come first may be shown late.
        to_the_last: bool,
    },
    /// Decoded audio.
    Audio,
}

/// A stream that waits, at its first buffer, for the seek to the part that is wanted.
pub struct Waiting {
    pad: gst::Pad,
    block: gst::PadProbeId,
    cut: Cut,
}

impl Waiting {
    /// Goes to the part that is wanted.
    ///
    /// # Errors
    /// [`Missed`] when the file cannot be read from the middle.
    pub fn seek(&self) -> Result<()> {
        let Cut { start, stop, .. } = self.cut;
        let seek = gst::event::Seek::new(
            1.0,
            gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE,
            gst::SeekType::Set,
            start,
            if stop.is_some() {
                gst::SeekType::Set
            } else {
                gst::SeekType::None
            },
            stop,
        );
        self.pad
            .send_event(seek)
            .then_some(())
            .ok_or_else(|| Missed.into())
    }

    /// Lets the stream go.
    pub fn release(self) {
        self.pad.remove_probe(self.block);
    }
}

/// Adds the elements that read a stream and links them to `target` as soon as the stream is found.
///
/// `on_found` sees the stream's caps before.
pub fn add(
    pipeline: &gst::Pipeline,
    uri: &str,
    id: &str,
    form: Form,
    target: &gst::Pad,
    part: Option<&Part>,
    on_found: impl Fn(&gst::CapsRef) + Send + Sync + 'static,
) -> Result<()> {
    let source = gst::Element::make_from_uri(gst::URIType::Src, uri, None)?;
    let demuxer = match form {
        Form::Compressed => {
            let parser = elements::make("parsebin")?;
            // Subtitles with a style of their own are parsed to text only where that is wanted.
            parser.connect("autoplug-continue", false, |arguments| {
                let caps = arguments.get(2)?.get::<gst::Caps>().ok()?;
                Some((!markup::is_styled(&caps)).to_value())
            });
            parser
        }
        Form::Video { .. } | Form::Audio => {
            let decoder = elements::make("decodebin")?;
            let caps = match form {
                Form::Audio => gst::Caps::new_empty_simple("audio/x-raw"),
                _ => gst::Caps::builder("video/x-raw").any_features().build(),
            };
            decoder.set_property("caps", caps);
            decode_only(&decoder, id);
            if form == (Form::Video { to_the_last: true }) {
                decode_to_the_last(&decoder);
            }
            colorimetry::prefer_streams_own(&decoder);
            decoder
        }
    };
    pipeline.add_many([&source, &demuxer])?;
    source.link(&demuxer)?;

    match (form, part) {
        (Form::Video { .. }, Some(part)) => trim::frames(target, part),
        (Form::Audio, Some(_)) | (Form::Compressed, _) => trim::packets(target, part),
        (_, None) => {}
    }
    let id = id.to_owned();
    let target = target.clone();
    let part = part.cloned();
    demuxer.connect_pad_added({
        let target = target.clone();
        move |demuxer, pad| {
            if target.is_linked() || pad.stream_id().as_deref() != Some(id.as_str()) {
                throw_away(pad);
                return;
            }
            if let Some(part) = &part {
                if let Way::Seek(waiting) = &part.way {
                    hold(pad, waiting, part.cut, form);
                    keep_flushes_from(&target);
                }
                move_chapters(&target, part.cut);
            }
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            // Of a stream that is damaged from its start, nothing is known.
            if caps.is_fixed() {
                on_found(&caps);
            }
            // Whether the formats go together is seen when they are agreed on: a probe may mend them.
            let checks = gst::PadLinkCheck::HIERARCHY | gst::PadLinkCheck::TEMPLATE_CAPS;
            if let Err(error) = pad.link_full(&target, checks) {
                gst::element_error!(
                    demuxer,
                    gst::StreamError::Format,
                    ("a stream of the file cannot be used: {error}"),
                    ["{caps}"]
                );
            }
        }
    });
    demuxer.connect_no_more_pads(move |demuxer| {
        if !target.is_linked() {
            gst::element_error!(
                demuxer,
                gst::StreamError::Demux,
                ("a stream of the file is gone that was there before")
            );
        }
    });
    Ok(())
}

/// Decodes the stream with this name and leaves the others as they are in the file.
fn decode_only(decoder: &gst::Element, id: &str) {
    let id = id.to_owned();
    decoder.connect("autoplug-continue", false, move |arguments| {
        let pad = arguments.get(1)?.get::<gst::Pad>().ok()?;
        // The name of a stream begins with that of what it is in.
        let leads_there = pad
            .stream_id()
            .is_none_or(|stream| id.starts_with(stream.as_str()));
        Some(leads_there.to_value())
    });
}

/// Takes the end of the film from decoders, which leave out what is shown after it.
fn decode_to_the_last(decoder: &gst::Element) {
    let Some(bin) = decoder.downcast_ref::<gst::Bin>() else {
        return;
    };
    bin.connect_deep_element_added(|_, _, element| {
        let kind = gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO;
        let decodes = element
            .factory()
            .is_some_and(|factory| factory.has_type(kind));
        let Some(pad) = element.static_pad("sink").filter(|_| decodes) else {
            return;
        };
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            if let Some(gst::PadProbeData::Event(event)) = &mut info.data
                && let Some(mut segment) = trim::segment_of(event)
                && segment.stop().is_some()
            {
                segment.set_stop(gst::ClockTime::NONE);
                trim::replace_segment(event, &segment);
            }
            gst::PadProbeReturn::Ok
        });
    });
}

/// Takes what comes of a stream that is not wanted. Some demuxers give up where the first stream that
/// they find goes nowhere.
fn throw_away(pad: &gst::Pad) {
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(kinds, |_, _| gst::PadProbeReturn::Handled);
}

/// Stops the stream where its data begins: demuxers that are told before where to go take the first that
/// they find there for the beginning of the film.
fn hold(pad: &gst::Pad, waiting: &mpsc::Sender<Waiting>, mut cut: Cut, form: Form) {
    let sent = AtomicBool::new(false);
    if matches!(form, Form::Video { .. }) {
        // Demuxers stop at the first frame that is shown later, and not at the last that is shown before.
        cut.stop = cut.stop.map(|stop| stop + cut.reordering);
    }
    let gate = Mutex::new(waiting.clone());
    pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, move |pad, info| {
        let is_before_data = info.event().is_some_and(|event| {
            !matches!(event.type_(), gst::EventType::Gap | gst::EventType::Eos)
        });
        if is_before_data {
            return gst::PadProbeReturn::Pass;
        }
        if let (Some(block), false) = (info.id.take(), sent.swap(true, Ordering::Relaxed)) {
            let waiting = Waiting {
                pad: pad.clone(),
                block,
                cut,
            };
            // No one listens any more once the pipeline is being stopped.
            let _ = gate.lock().map(|gate| gate.send(waiting));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Nothing has passed yet that would have to be flushed, and a flush that goes through the muxer
/// would cut off the other streams.
fn keep_flushes_from(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::EVENT_FLUSH, |_, _| {
        gst::PadProbeReturn::Handled
    });
}

/// Lets the chapters of the film begin where they do in the part.
fn move_chapters(pad: &gst::Pad, cut: Cut) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &mut info.data
            && let gst::EventView::Toc(view) = event.view()
        {
            let (toc, is_updated) = view.toc();
            let Some(toc) = chapters::cut(toc, cut) else {
                return gst::PadProbeReturn::Handled;
            };
            *event = gst::event::Toc::builder(&toc, is_updated)
                .seqnum(event.seqnum())
                .build();
        }
        gst::PadProbeReturn::Ok
    });
}
