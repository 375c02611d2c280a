//! Sound and subtitles: copied where the container holds them as they are, else converted.

use anyhow::{Context, Result};
use gst::prelude::*;

use crate::container::TextStyle;
use crate::elements;
use crate::markup;
use crate::media::Stream;
use crate::part::Part;
use crate::reader::{self, Form};
use crate::track::Kind;
use crate::writer::Writer;

/// Where the tracks of a file come from and go to.
pub struct Route<'a> {
    pub writer: &'a Writer,
    pub uri: &'a str,
    pub part: Option<&'a Part>,
}

impl Route<'_> {
    /// Adds a sound track.
    pub fn add_audio(&self, stream: &Stream) -> Result<()> {
        let container = self.writer.container;
        let copied = copied_audio(&stream.caps, &self.writer.accepted(Kind::Audio));
        match copied.filter(|_| !container.is_iso() || !is_too_fast(&stream.caps)) {
            Some(parser) => {
                let pad = self.writer.add_track(Kind::Audio, 0)?;
                let chain = match parser {
                    Some(parser) => vec![elements::make("queue")?, elements::make(parser)?],
                    None => vec![elements::make("queue")?],
                };
                self.add(stream, Form::Compressed, &chain, &pad)
            }
            None => {
                let encoder = elements::make_first(container.audio_encoders())?;
                let priming = priming(&encoder);
                let pad = self.writer.add_track(Kind::Audio, priming)?;
                let chain = [
                    elements::make("queue")?,
                    elements::make("audioconvert")?,
                    elements::make("audioresample")?,
                    encoder,
                    elements::make("queue")?,
                ];
                self.add(stream, Form::Audio, &chain, &pad)
            }
        }
    }

    /// Adds subtitles; `false` when the container has no place for them.
    pub fn add_subtitles(&self, stream: &Stream) -> Result<bool> {
        let Some(style) = self.writer.container.text() else {
            return Ok(false);
        };
        let copied = stream.caps.is_subset(&self.writer.accepted(Kind::Subtitle));
        let mut chain = vec![elements::make("queue")?];
        if !copied {
            if markup::is_styled(&stream.caps) {
                chain.push(elements::make("ssaparse")?);
            } else if !markup::is_plain(&stream.caps) {
                return Ok(false);
            }
            chain.push(text_from_markup(style)?);
        }
        let pad = self.writer.add_track(Kind::Subtitle, 0)?;
        self.add(stream, Form::Compressed, &chain, &pad)?;
        Ok(true)
    }

    fn add(
        &self,
        stream: &Stream,
        form: Form,
        chain: &[gst::Element],
        muxer_pad: &gst::Pad,
    ) -> Result<()> {
        self.writer.pipeline.add_many(chain)?;
        gst::Element::link_many(chain)?;
        let ends = chain.first().zip(chain.last());
        let (sink, src) = ends
            .and_then(|(first, last)| first.static_pad("sink").zip(last.static_pad("src")))
            .context("a queue has no pads")?;
        src.link(muxer_pad)?;
        reader::add(
            &self.writer.pipeline,
            self.uri,
            &stream.id,
            form,
            &sink,
            self.part,
            |_| {},
        )
    }
}

/// How many samples an encoder puts before the sound without a word to the muxer.
fn priming(encoder: &gst::Element) -> u32 {
    let factory = encoder.factory();
    match factory.as_ref().map(|factory| factory.name()).as_deref() {
        Some("avenc_aac") => 1024,
        Some("voaacenc") => 1600,
        _ => 0,
    }
}

/// Whether sound can be copied and the parser, if any, that brings it into the muxer's form.
fn copied_audio(caps: &gst::Caps, accepted: &gst::Caps) -> Option<Option<&'static str>> {
    let structure = caps.structure(0)?;
    let packed = structure
        .get::<&str>("stream-format")
        .is_ok_and(|format| matches!(format, "raw" | "adts"));
    if structure.name() == "audio/mpeg" && packed {
        // The same frames, with or without a header each.
        let mut unpacked = structure.to_owned();
        unpacked.set("stream-format", "raw");
        let unpacked = gst::Caps::builder_full().structure(unpacked).build();
        return unpacked.can_intersect(accepted).then_some(Some("aacparse"));
    }
    caps.can_intersect(accepted).then_some(None)
}

/// Whether there are more samples a second than the field that tells in files of the MP4 family holds.
fn is_too_fast(caps: &gst::CapsRef) -> bool {
    let rate = caps.structure(0).and_then(|it| it.get::<i32>("rate").ok());
    rate.is_some_and(|rate| rate > i32::from(u16::MAX))
}

/// An element that turns subtitles with markup into plain ones.
fn text_from_markup(style: TextStyle) -> Result<gst::Element> {
    let element = elements::make("capssetter")?;
    let caps = gst::Caps::builder("text/x-raw").field("format", "utf8");
    element.set_property("caps", caps.build());
    element.set_property("replace", true);
    let pad = element
        .static_pad("sink")
        .context("capssetter has no sink")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
            && let Some(converted) = without_markup(buffer, style)
        {
            *buffer = converted;
        }
        gst::PadProbeReturn::Ok
    });
    Ok(element)
}

fn without_markup(buffer: &gst::Buffer, style: TextStyle) -> Option<gst::Buffer> {
    let map = buffer.map_readable().ok()?;
    let text = markup::to_text(&String::from_utf8_lossy(&map), style);
    let mut converted = gst::Buffer::from_mut_slice(text.into_bytes());
    buffer
        .copy_into(
            converted.get_mut()?,
            gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::FLAGS,
            ..,
        )
        .ok()?;
    Some(converted)
}
