//! Parts of films.

use std::fmt;
use std::sync::mpsc;

use crate::reader::Waiting;

/// The part of the file that is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut {
    pub start: gst::ClockTime,
    pub stop: Option<gst::ClockTime>,
    /// Where the part ends, or else the film, if that is known.
    pub end: Option<gst::ClockTime>,
    /// How much later a frame may be stored than one that is shown after it.
    pub reordering: gst::ClockTime,
}

/// A part, and how it is reached.
#[derive(Clone, Debug)]
pub struct Part {
    pub cut: Cut,
    pub way: Way,
}

#[derive(Clone, Debug)]
pub enum Way {
    /// Demuxers go there. The streams wait, at their first buffer, where they are sent, to be told so.
    Seek(mpsc::Sender<Waiting>),
    /// What lies before it is read, too, and left out: slow, and exact whatever the file.
    ReadThrough(Times),
}

/// What the time of a frame or a packet is, where a stream is read from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// That of the stream, as its segments say.
    Stream,
    /// The same, after the first of the stream, which may be any.
    AfterFirst,
    /// The position after this one, with which the film begins: the first segment is wrong.
    Position(gst::ClockTime),
}

/// A seek that did not lead to the beginning of the part.
#[derive(Clone, Copy, Debug)]
pub struct Missed;

impl Missed {
    /// The name of the message in which an element tells of it.
    pub const NAME: &str = "missed-part";
}

impl std::error::Error for Missed {}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the part that was asked for was not found in the file")
    }
}

/// A film, or its picture, that ends before the part begins.
#[derive(Clone, Copy, Debug)]
pub struct Over {
    /// Its end.
    pub end: gst::ClockTime,
    /// The beginning of the part.
    pub start: gst::ClockTime,
}

impl std::error::Error for Over {}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { end, start } = self;
        write!(f, "it ends at {end:.1}, before the start at {start:.1}")
    }
}

impl Over {
    const NAME: &str = "over-before-part";

    /// The message in which an element tells of it.
    pub fn to_structure(self) -> gst::Structure {
        gst::Structure::builder(Self::NAME)
            .field("end", self.end)
            .field("start", self.start)
            .build()
    }

    /// What such a message says; `None`: it is another.
    pub fn of(message: &gst::StructureRef) -> Option<Self> {
        (message.name() == Self::NAME).then_some(())?;
        Some(Self {
            end: message.get("end").ok()?,
            start: message.get("start").ok()?,
        })
    }
}
