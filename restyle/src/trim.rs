//! Leaves out of a stream what lies outside the wanted part.

use std::sync::Mutex;

use gst::prelude::*;

use crate::markup;
use crate::part::{Cut, Missed, Over, Part, Times, Way};

pub type Segment = gst::FormattedSegment<gst::ClockTime>;

/// Trims compressed streams and sound. Whole packets are left out; of words, the time is cut; of sound that
/// is encoded anew, the encoder leaves out the samples outside the segment.
///
/// Without a part, what lies outside the segment of the file itself is left out, as decoders do.
pub fn packets(pad: &gst::Pad, part: Option<&Part>) {
    let packets = Packets {
        segment: Segment::new(),
        timeline: part.map(Timeline::new),
    };
    probe(pad, packets, Packets::event, Packets::packet);
}

/// Trims decoded frames. The frame that is on screen where the part begins is its first, however long ago it
/// appeared. Tells of a seek that came out behind it.
pub fn frames(pad: &gst::Pad, part: &Part) {
    let frames = Frames {
        timeline: Timeline::new(part),
        shown_before: None,
        has_begun: false,
        is_first_sent: false,
        has_ended: false,
    };
    probe(pad, frames, Frames::event, Frames::frame);
}

/// What becomes of a frame, a packet or an event.
enum Verdict {
    Pass,
    /// It passes, and this frame before it.
    PassAfter(gst::Buffer),
    /// The same, and the picture was over before the part.
    PassAfterTheLast(gst::Buffer, Over),
    Drop,
    /// It and all that follow are left out.
    End,
    /// The part began before it.
    Missed,
}

fn probe<T: Send + 'static>(
    pad: &gst::Pad,
    trim: T,
    on_event: impl Fn(&mut T, &mut gst::Event) -> Verdict + Send + Sync + 'static,
    on_buffer: impl Fn(&mut T, &gst::Pad, &mut gst::Buffer) -> Verdict + Send + Sync + 'static,
) {
    let trim = Mutex::new(trim);
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(kinds, move |pad, info| {
        let verdict = match (&mut info.data, trim.lock()) {
            (Some(gst::PadProbeData::Event(event)), Ok(mut trim)) => on_event(&mut trim, event),
            (Some(gst::PadProbeData::Buffer(buffer)), Ok(mut trim)) => {
                on_buffer(&mut trim, pad, buffer)
            }
            _ => Verdict::Pass,
        };
        // Not locked any more: what is sent to the pad comes by here, too.
        let mut pass_after = |frame| match pad.chain(frame) {
            Ok(_) => gst::PadProbeReturn::Ok,
            Err(error) => {
                info.flow_res = Err(error);
                gst::PadProbeReturn::Handled
            }
        };
        match verdict {
            Verdict::Pass => return gst::PadProbeReturn::Ok,
            Verdict::PassAfter(frame) => return pass_after(frame),
            Verdict::PassAfterTheLast(frame, over) => {
                tell(pad, over.to_structure());
                return pass_after(frame);
            }
            Verdict::Drop => {}
            // Demuxers that were told nothing go on to the end of the file.
            Verdict::End => {
                pad.send_event(gst::event::Eos::new());
            }
            Verdict::Missed => tell(pad, gst::Structure::new_empty(Missed::NAME)),
        }
        gst::PadProbeReturn::Handled
    });
}

fn tell(pad: &gst::Pad, what: gst::Structure) {
    if let Some(element) = pad.parent_element() {
        let message = gst::message::Application::builder(what).src(&element);
        // Only a pipeline that is being stopped does not listen.
        let _ = element.post_message(message.build());
    }
}

/// Where the part lies in a stream.
struct Timeline {
    cut: Cut,
    /// Of the stream as it comes.
    segment: Segment,
    reading: Reading,
}

#[derive(Clone, Copy)]
enum Reading {
    /// The demuxer was sent to the part.
    Sought,
    Through {
        times: Times,
        /// The time of the stream when the film begins, where it is known.
        beginning: Option<gst::ClockTime>,
    },
}

impl Timeline {
    /// What is read through is moved to a segment of its own that begins with the part. Its positions
    /// leave room for packets that begin before.
    const ROOM: gst::ClockTime = gst::ClockTime::from_seconds(3600);

    fn new(part: &Part) -> Self {
        Self {
            cut: part.cut,
            segment: Segment::new(),
            reading: match part.way {
                Way::Seek(_) => Reading::Sought,
                Way::ReadThrough(times) => Reading::Through {
                    times,
                    beginning: match times {
                        Times::Stream => Some(gst::ClockTime::ZERO),
                        Times::Position(beginning) => Some(beginning),
                        Times::AfterFirst => None,
                    },
                },
            },
        }
    }

    fn is_sought(&self) -> bool {
        matches!(self.reading, Reading::Sought)
    }

    /// Takes the segment that follows and gives that which is to be sent on.
    fn follow(&mut self, segment: &Segment) -> Segment {
        self.segment = segment.clone();
        let Cut { start, stop, .. } = self.cut;
        let mut part = segment.clone();
        match &mut self.reading {
            Reading::Sought => {
                // Demuxers that go to a key frame of the video may begin the segment of the other streams
                // there, too.
                let before = segment.time().is_some_and(|time| time < start);
                if let (true, Some(position)) = (before, segment.position_from_stream_time(start)) {
                    part.set_start(position);
                    part.set_time(start);
                    part.set_position(position);
                }
            }
            Reading::Through { times, beginning } => {
                if matches!(times, Times::Position(_)) {
                    self.segment.set_time(segment.start());
                }
                beginning.get_or_insert(segment.time().unwrap_or_default());
                part = Segment::new();
                part.set_start(start + Self::ROOM);
                part.set_stop(stop.map(|stop| stop + Self::ROOM));
                part.set_position(start + Self::ROOM);
                part.set_time(gst::ClockTime::ZERO);
            }
        }
        part
    }

    /// When in the film a position of the stream is.
    fn time(&self, position: gst::ClockTime) -> Option<gst::ClockTime> {
        let time = self.segment.to_stream_time(position)?;
        match self.reading {
            Reading::Through {
                beginning: Some(beginning),
                ..
            } => time.checked_sub(beginning),
            _ => Some(time),
        }
    }

    /// The position of a time of the film in what is sent on.
    fn position(&self, time: gst::ClockTime) -> Option<gst::ClockTime> {
        match self.reading {
            Reading::Sought => self.segment.position_from_stream_time(time),
            Reading::Through { .. } => Some(time + Self::ROOM),
        }
    }
}

struct Packets {
    /// Of what is sent on.
    segment: Segment,
    timeline: Option<Timeline>,
}

impl Packets {
    fn event(&mut self, event: &mut gst::Event) -> Verdict {
        if let Some(segment) = segment_of(event) {
            self.segment = match &mut self.timeline {
                Some(timeline) => {
                    let part = timeline.follow(&segment);
                    replace_segment(event, &part);
                    part
                }
                None => segment,
            };
        }
        Verdict::Pass
    }

    fn packet(&mut self, pad: &gst::Pad, packet: &mut gst::Buffer) -> Verdict {
        let read_through = self.timeline.as_ref().filter(|it| !it.is_sought());
        if let Some(timeline) = read_through
            && !move_to(timeline, packet)
        {
            return Verdict::Drop;
        }
        let Some(start) = packet.pts() else {
            return Verdict::Pass;
        };
        let end = start + packet.duration().unwrap_or_default();
        let Some((first, last)) = self.segment.clip(start, end) else {
            let is_over = self.segment.stop().is_some_and(|stop| start >= stop);
            return match read_through {
                Some(_) if is_over => Verdict::End,
                _ => Verdict::Drop,
            };
        };
        // Words are shown for the part of their time that is wanted; a packet of sound is whole.
        if let (Some(first), Some(last)) = (first, last)
            && (first, last) != (start, end)
            && pad
                .current_caps()
                .is_some_and(|caps| markup::is_text(&caps))
        {
            let packet = packet.make_mut();
            packet.set_pts(first);
            packet.set_duration(last - first);
        }
        Verdict::Pass
    }
}

/// Gives a packet that was read through its place in what is sent on; `false`: it is outside the film.
fn move_to(timeline: &Timeline, packet: &mut gst::Buffer) -> bool {
    let Some(start) = packet.pts() else {
        return true;
    };
    let segment = &timeline.segment;
    let end = start + packet.duration().unwrap_or_default();
    // Of the first packet, the beginning may be outside.
    let Some((Some(first), _)) = segment.clip(start, end) else {
        return false;
    };
    let first_moved = timeline.time(first).and_then(|it| timeline.position(it));
    let Some(moved) = first_moved.and_then(|it| it.checked_sub(first - start)) else {
        return false;
    };
    let decoded = packet
        .dts()
        .and_then(|dts| (moved + dts).checked_sub(start));
    let packet = packet.make_mut();
    packet.set_pts(moved);
    packet.set_dts(decoded);
    true
}

struct Frames {
    timeline: Timeline,
    /// The last frame from before the part.
    shown_before: Option<gst::Buffer>,
    has_begun: bool,
    /// The first frame has its place already, and comes by again.
    is_first_sent: bool,
    has_ended: bool,
}

impl Frames {
    /// Files round times to a millisecond.
    const ROUNDING: gst::ClockTime = gst::ClockTime::from_mseconds(1);

    fn event(&mut self, event: &mut gst::Event) -> Verdict {
        if let Some(segment) = segment_of(event) {
            let part = self.timeline.follow(&segment);
            if !self.timeline.is_sought() {
                replace_segment(event, &part);
            }
        }
        if event.type_() == gst::EventType::Eos && !self.has_begun {
            let over = self.over();
            return match (self.begin_before(self.timeline.cut.end), over) {
                (Verdict::PassAfter(last), Some(over)) => Verdict::PassAfterTheLast(last, over),
                (verdict, _) => verdict,
            };
        }
        Verdict::Pass
    }

    /// Whether the picture was over before the part: its last frame was gone. One that does not say how long it
    /// is shown stays.
    fn over(&self) -> Option<Over> {
        let last = self.shown_before.as_ref();
        let last = last.filter(|_| !self.timeline.is_sought())?;
        let start = self.timeline.cut.start;
        let end = self.timeline.time(last.pts()?)? + last.duration()?;
        (end + Self::ROUNDING < start).then_some(Over { end, start })
    }

    fn frame(&mut self, _: &gst::Pad, frame: &mut gst::Buffer) -> Verdict {
        let Cut { start, stop, .. } = self.timeline.cut;
        let Some(pts) = frame.pts() else {
            return Verdict::Pass;
        };
        if std::mem::take(&mut self.is_first_sent) {
            return Verdict::Pass;
        }
        let Some(time) = self.timeline.time(pts) else {
            return Verdict::Drop;
        };
        if self.has_ended {
            return Verdict::Drop;
        }
        if let Some(stop) = stop
            && time >= stop
        {
            return match self.begin_before(Some(stop)) {
                Verdict::PassAfter(first) => {
                    // The end is left to the next frame.
                    *frame = first;
                    self.is_first_sent = false;
                    Verdict::Pass
                }
                Verdict::Pass => {
                    self.has_ended = true;
                    Verdict::End
                }
                verdict => verdict,
            };
        }
        if time + Self::ROUNDING < start {
            self.shown_before = Some(frame.clone());
            return Verdict::Drop;
        }
        let verdict = if time > start + Self::ROUNDING {
            self.begin_before(Some(time))
        } else {
            Verdict::Pass
        };
        self.has_begun = true;
        let time = time.max(start);
        let left = stop.map(|stop| stop - time);
        let is_too_long = |left: &gst::ClockTime| frame.duration() > Some(*left);
        let left = left.filter(is_too_long);
        let frame = frame.make_mut();
        frame.set_pts(self.timeline.position(time));
        if let Some(left) = left {
            frame.set_duration(left);
        }
        verdict
    }

    /// Begins, if that has not been done, with the frame that was on screen, up to `end`, a time of the film.
    fn begin_before(&mut self, end: Option<gst::ClockTime>) -> Verdict {
        if self.has_begun {
            return Verdict::Pass;
        }
        if self.timeline.is_sought() {
            return Verdict::Missed;
        }
        let Some(mut first) = self.shown_before.take() else {
            return Verdict::Pass;
        };
        self.has_begun = true;
        self.is_first_sent = true;
        let start = self.timeline.cut.start;
        let frame = first.make_mut();
        frame.set_pts(self.timeline.position(start));
        if let Some(duration) = end.and_then(|end| end.checked_sub(start)) {
            frame.set_duration(duration);
        }
        Verdict::PassAfter(first)
    }
}

/// The segment of an event that is one, of time.
pub fn segment_of(event: &gst::EventRef) -> Option<Segment> {
    match event.view() {
        gst::EventView::Segment(of) => of.segment().downcast_ref().cloned(),
        _ => None,
    }
}

/// Makes an event say another segment.
pub fn replace_segment(event: &mut gst::Event, segment: &Segment) {
    *event = gst::event::Segment::builder(segment)
        .seqnum(event.seqnum())
        .build();
}
