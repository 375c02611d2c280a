//! Parts of films.

/// The part of the file that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub start: gst::ClockTime,
    pub stop: Option<gst::ClockTime>,
    /// Where the part ends, or else the film, if that is known.
    pub end: Option<gst::ClockTime>,
    /// How much later a frame may be stored than one that is shown after it.
    pub reordering: gst::ClockTime,
}
