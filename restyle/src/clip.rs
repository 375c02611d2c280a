//! A video file restyled into a video file.

use std::path::Path;
use std::sync::mpsc::{self, Receiver};

use anyhow::{Result, bail};
use gst::prelude::*;

use crate::args::Args;
use crate::container::Container;
use crate::media::{self, Chapters, Media};
use crate::output::Output;
use crate::part::{Cut, Missed, Over, Part, Times, Way};
use crate::playback::{self, Cutting, Ending};
use crate::progress::{Progress, shown_name};
use crate::reader::{self, Form, Waiting};
use crate::track::Kind;
use crate::tracks::Route;
use crate::truncation;
use crate::video::{self, Incoming};
use crate::writer::Writer;

/// Restyles `input`; the container is that of `output`. Also tells, after a warning, whether less came out of the
/// file than it says that there is.
pub fn restyle(
    input: &Path,
    output: &Output,
    container: Container,
    args: &Args,
) -> Result<(Ending, bool)> {
    if args.shape.fps.is_some() {
        bail!("--fps is for clips grown from a picture; a video keeps its own frame rate");
    }
    let media = media::probe(input)?;
    let cut = cut(&media, args)?;
    let length = match cut {
        None => media.duration,
        // Where the length of the film is a guess, it may be less than the start.
        Some(cut) => (cut.stop.or(media.duration)).and_then(|stop| stop.checked_sub(cut.start)),
    };
    let progress = Progress::new(&shown_name(input), length, args.quiet);

    let film = Film {
        input,
        output,
        container,
        args,
        media: &media,
        progress: &progress,
    };
    let read_through = Way::ReadThrough(media.times);
    let Some(cut) = cut else {
        let is_mended = matches!(media.times, Times::Position(_));
        let whole = is_mended.then_some(Part {
            cut: Cut::default(),
            way: read_through,
        });
        return film.play(whole.as_ref(), None);
    };
    if media.seeks_exactly {
        let (sender, gate) = mpsc::channel();
        let way = Way::Seek(sender);
        match film.play(Some(&Part { cut, way }), Some(gate)) {
            Err(error) if error.is::<Missed>() => {}
            ending => return ending,
        }
    }
    let part = Part {
        cut,
        way: read_through,
    };
    film.play(Some(&part), None)
}

/// A film, and what is to become of it.
struct Film<'a> {
    input: &'a Path,
    output: &'a Output,
    container: Container,
    args: &'a Args,
    media: &'a Media,
    progress: &'a Progress,
}

impl Film<'_> {
    /// Restyles the film or a part of it. `gate`: where streams come that wait for a seek.
    ///
    /// # Errors
    /// [`Missed`] when the part was not found by a seek.
    fn play(&self, part: Option<&Part>, gate: Option<Receiver<Waiting>>) -> Result<(Ending, bool)> {
        let Self {
            input,
            output,
            container,
            args,
            media,
            progress,
        } = *self;
        let writer = Writer::new(container, output)?;
        let incoming = Incoming::from(media);
        let branch = video::add(&writer, &incoming, args, &args.style.settings, progress)?;
        writer.stall.watch_reading(&branch.sink);
        reader::add(
            &writer.pipeline,
            &media.uri,
            &media.video.id,
            Form::Video {
                to_the_last: media.shows_all,
            },
            &branch.sink,
            part,
            branch.on_found(),
        )?;
        let left_out = |what: &str| {
            progress.warn(&format!(
                "{} is restyled without its {what}",
                input.display()
            ));
        };
        media.left_out.iter().for_each(|what| left_out(what));
        match media.chapters {
            Chapters::Read if !container.has_chapters() => left_out(&format!(
                "chapters: {} files are written without them",
                container.name()
            )),
            Chapters::Unread => {
                left_out("chapters: GStreamer does not read those of MP4 and QuickTime files")
            }
            _ => {}
        }
        let mut streams = 1;
        let route = Route {
            writer: &writer,
            uri: &media.uri,
            part,
        };
        if !args.encoding.no_audio {
            for stream in &media.audio {
                route.add_audio(stream)?;
                streams += 1;
            }
        }
        for stream in &media.subtitles {
            if route.add_subtitles(stream)? {
                streams += 1;
            } else {
                left_out(&format!(
                    "subtitles: {} files do not hold this kind",
                    container.name()
                ));
            }
        }
        let cutting = gate.map(|gate| Cutting { gate, streams });
        let ending = playback::run(&writer, cutting, progress)?;
        let is_whole = part.is_none_or(|part| part.cut.stop.is_none() && part.cut.start.is_zero());
        // Where only the end is missing, that is said of it.
        let is_damaged = ending == Ending::Complete
            && is_whole
            && lacks_much(media, &writer, args)
            && !truncation::is_truncated(input)?;
        if is_damaged {
            progress.warn(&format!(
                "{}: it is damaged; what could be read of it is restyled",
                input.display()
            ));
        }
        Ok((ending, is_damaged))
    }
}

/// Whether much less was written of a whole film than its file says that there is.
fn lacks_much(media: &Media, writer: &Writer, args: &Args) -> bool {
    /// Lengths are rounded, or count what decoders leave out.
    const LEAST: gst::ClockTime = gst::ClockTime::SECOND;
    let lacks = |said: Option<gst::ClockTime>, kinds: &[Kind]| {
        said.is_some_and(|said| writer.end_of(kinds) + LEAST.max(said / 20) < said)
    };
    // Of the other containers it is a guess.
    let is_kept = media.seeks_exactly && media.left_out.is_empty() && !args.encoding.no_audio;
    let duration = media.duration.filter(|_| is_kept);
    lacks(media.picture_duration, &[Kind::Video]) || lacks(duration, &Kind::ALL)
}

/// The part that is asked for; `None`: all of it.
fn cut(media: &Media, args: &Args) -> Result<Option<Cut>> {
    let shape = &args.shape;
    if shape.start.is_none() && shape.duration.is_none() {
        return Ok(None);
    }
    let start = shape.start.unwrap_or_default();
    // Of the others it is a guess.
    let duration = media.duration.filter(|_| media.seeks_exactly);
    if let Some(end) = duration.filter(|duration| start >= *duration) {
        bail!(Over { end, start });
    }
    if shape.duration.is_some_and(gst::ClockTime::is_zero) {
        bail!("--duration must be longer than 0");
    }
    let stop = shape.duration.map(|it| start + it);
    let stop = stop.map(|stop| duration.map_or(stop, |end| stop.min(end)));
    Ok(Some(Cut {
        start,
        stop,
        end: stop.or(media.duration),
        reordering: reordering(media.video.framerate),
    }))
}

/// As many frames as the encoders in use put out of order.
fn reordering(framerate: gst::Fraction) -> gst::ClockTime {
    const FRAMES: u64 = 16;
    const AT_LEAST: gst::ClockTime = gst::ClockTime::SECOND;
    let (frames, seconds) = (framerate.numer(), framerate.denom());
    let known = (frames > 0).then_some(gst::ClockTime::SECOND);
    known
        .and_then(|second| {
            let seconds = u64::from(seconds.unsigned_abs()) * FRAMES;
            second.mul_div_floor(seconds, frames.unsigned_abs().into())
        })
        .map_or(AT_LEAST, |time| time.max(AT_LEAST))
}
