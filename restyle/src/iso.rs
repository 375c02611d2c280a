//! What GStreamer does not read or write in files of the MP4 family.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use gst::prelude::*;

use crate::track::{Kind, Track};

/// Far more than the index of a film of a day.
const LARGEST_INDEX: u64 = 1 << 28;

/// Far more tracks than any film has.
const MOST_PARTS: usize = 1 << 12;

/// Facts about a file that GStreamer does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub is_encrypted: bool,
    /// Whether it is one of the MP4 family whose index is missing, without which nothing can be read.
    pub lacks_index: bool,
    /// Whether the index has far more parts than any film's: reading them all takes minutes.
    pub is_crowded: bool,
    pub has_chapters: bool,
    /// Whether the frames are in fragments that come after the index.
    pub is_fragmented: bool,
    /// How many tracks of sound there are.
    pub sounds: usize,
    /// How long the first video is said to be shown.
    pub video_length: Option<gst::ClockTime>,
    /// Whether nothing says which part of the video is to be shown: all of it is.
    pub shows_all: bool,
}

/// Looks into a file. One that is none of the MP4 family has nothing of all this.
pub fn facts(path: &Path) -> Facts {
    let read =
        File::open(path).and_then(|mut file| Ok((read_index(&mut file)?, is_iso(&mut file)?)));
    let index = match read {
        Ok((Some((_, index)), _)) => index,
        Ok((None, lacks_index)) => {
            return Facts {
                lacks_index,
                ..Facts::default()
            };
        }
        Err(_) => return Facts::default(),
    };
    let tracks = || {
        let parts = children(&index, 0..index.len()).take(MOST_PARTS);
        parts.filter(|part| part.kind == *b"trak")
    };
    let entries = tracks()
        .filter_map(|track| {
            find(
                &index,
                track.content,
                &[*b"mdia", *b"minf", *b"stbl", *b"stsd"],
            )
        })
        // A version and a count go before the entries.
        .flat_map(|entries| children(&index, skip(entries, 8)));
    let list = find(&index, 0..index.len(), &[*b"udta", *b"chpl"]);
    let sounds = tracks().filter(|track| handler(&index, track.content.clone()) == Some(*b"soun"));
    let videos =
        || tracks().filter(|track| handler(&index, track.content.clone()) == Some(*b"vide"));
    let shows_all =
        videos().all(|track| find(&index, track.content, &[*b"edts", *b"elst"]).is_none());
    let video_length = videos()
        .next()
        .and_then(|track| length(&index, track.content));
    Facts {
        sounds: sounds.count(),
        video_length,
        shows_all,
        lacks_index: false,
        is_crowded: children(&index, 0..index.len()).nth(MOST_PARTS).is_some(),
        is_fragmented: find(&index, 0..index.len(), &[*b"mvex"]).is_some(),
        is_encrypted: entries
            .map(|entry| entry.kind)
            .any(|kind| kind == *b"encv" || kind == *b"enca"),
        has_chapters: list.is_some()
            || tracks().any(|track| find(&index, track.content, &[*b"tref", *b"chap"]).is_some()),
    }
}

/// Writes into a complete file what GStreamer's muxer leaves out: which tracks are on from the start,
/// their titles where most programs look for them, and how much silence encoded sound begins with. And
/// puts right what it writes wrong.
///
/// Nothing changes its size or place.
pub fn finish(path: &Path, tracks: &[Track]) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let Some((start, mut index)) = read_index(&mut file)? else {
        return Ok(());
    };
    let mut sound = tracks.iter().filter(|track| track.kind == Kind::Audio);
    let mut subtitles = tracks.iter().filter(|track| track.kind == Kind::Subtitle);
    let boxes: Vec<_> = children(&index, 0..index.len())
        .take(MOST_PARTS)
        .filter(|part| part.kind == *b"trak")
        .map(|part| part.content)
        .collect();
    for content in boxes {
        if has_no_format(&index, content.clone()) {
            // No player reads a file with such a track. This part is passed over.
            index[content.start - 4..content.start].copy_from_slice(b"free");
            continue;
        }
        rename_title(&mut index, content.clone());
        mend_opus(&mut index, content.clone());
        let track = match handler(&index, content.clone()) {
            Some([b's', b'o', b'u', b'n']) => sound.next(),
            Some([b's', b'b', b't', b'l'] | [b't', b'e', b'x', b't']) => subtitles.next(),
            _ => None,
        };
        if let Some(track) = track {
            enable(&mut index, content.clone(), track.is_default);
            skip_priming(&mut index, content, track.priming);
        }
    }
    file.seek(SeekFrom::Start(start))?;
    file.write_all(&index)
}

/// The content of the index (`moov`) and its place in the file.
fn read_index(file: &mut File) -> io::Result<Option<(u64, Vec<u8>)>> {
    /// Far more than any program writes before the index.
    const MOST_BOXES: usize = 1 << 16;
    let length = file.metadata()?.len();
    let mut at = 0;
    for _ in 0..MOST_BOXES {
        if length.saturating_sub(at) < 8 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut start = [0; 16];
        let read = file.read(&mut start)?;
        if read < 8 {
            break;
        }
        let (size, header) = match number(&start, 0) {
            0 => (length - at, 8),
            1 if read == 16 => (long_number(&start, 8), 16),
            size => (size.into(), 8),
        };
        if size < header || size > length - at {
            break;
        }
        if start[4..8] == *b"moov" && size - header <= LARGEST_INDEX {
            let mut index = vec![0; (size - header) as usize];
            file.seek(SeekFrom::Start(at + header))?;
            file.read_exact(&mut index)?;
            return Ok(Some((at + header, index)));
        }
        at += size;
    }
    Ok(None)
}

/// Whether a file is a film of the MP4 family, as its first box tells. Pictures (HEIC, AVIF) have the same form
/// and no index.
fn is_iso(file: &mut File) -> io::Result<bool> {
    const PICTURES: [&[u8; 3]; 5] = [b"hei", b"hev", b"mif", b"msf", b"avi"];
    const FIRST: [&[u8; 4]; 4] = [b"free", b"skip", b"wide", b"mdat"];
    let mut start = [0; 12];
    file.rewind()?;
    file.read_exact(&mut start)?;
    let (kind, brand) = (&start[4..8], &start[8..11]);
    Ok(if kind == b"ftyp" {
        !PICTURES.iter().any(|picture| brand == *picture)
    } else {
        FIRST.iter().any(|first| kind == *first)
    })
}

/// A part of the index: its kind, and where its content is.
struct Part {
    kind: [u8; 4],
    content: Range<usize>,
}

/// What is directly in a part, up to where it is not in order.
fn children(index: &[u8], within: Range<usize>) -> impl Iterator<Item = Part> {
    let mut at = within.start;
    std::iter::from_fn(move || {
        let start = index.get(at..within.end)?.first_chunk::<8>()?;
        let size = number(start, 0) as usize;
        let end = at.checked_add(size).filter(|end| *end <= within.end)?;
        let content = at + 8..end;
        let [.., a, b, c, d] = *start;
        (size >= 8).then(|| {
            at = end;
            Part {
                kind: [a, b, c, d],
                content,
            }
        })
    })
}

/// The content of the first part that such a path leads to.
fn find(index: &[u8], within: Range<usize>, path: &[[u8; 4]]) -> Option<Range<usize>> {
    path.iter().try_fold(within, |within, kind| {
        children(index, within)
            .find(|part| part.kind == *kind)
            .map(|part| part.content)
    })
}

fn skip(range: Range<usize>, bytes: usize) -> Range<usize> {
    range.start.saturating_add(bytes).min(range.end)..range.end
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    four.map_or(0, |four| u32::from_be_bytes(*four))
}

fn long_number(bytes: &[u8], at: usize) -> u64 {
    u64::from(number(bytes, at)) << 32 | u64::from(number(bytes, at + 4))
}

fn handler(index: &[u8], track: Range<usize>) -> Option<[u8; 4]> {
    let handler = find(index, track, &[*b"mdia", *b"hdlr"])?;
    index.get(skip(handler, 8))?.first_chunk().copied()
}

/// How long a track is said to be shown; `None`: it is not said, as in films in fragments.
fn length(index: &[u8], track: Range<usize>) -> Option<gst::ClockTime> {
    // Numbers are longer in version 1.
    let movie = find(index, 0..index.len(), &[*b"mvhd"])?;
    let is_long = |header: &Range<usize>| index.get(header.start).is_some_and(|it| *it == 1);
    let ticks = number(index, movie.start + if is_long(&movie) { 20 } else { 12 });
    let header = find(index, track, &[*b"tkhd"])?;
    let length = if is_long(&header) {
        long_number(index, header.start + 28)
    } else {
        u64::from(number(index, header.start + 20))
    };
    let is_said = ticks > 0 && length > 0 && length < u64::from(u32::MAX);
    is_said
        .then(|| gst::ClockTime::SECOND.mul_div_floor(length, ticks.into()))
        .flatten()
}

/// Whether nothing was ever known of a track, as of one whose encoder was given nothing.
fn has_no_format(index: &[u8], track: Range<usize>) -> bool {
    let formats = find(index, track, &[*b"mdia", *b"minf", *b"stbl", *b"stsd"]);
    formats.is_none_or(|formats| number(index, formats.start + 4) == 0)
}

/// Sets whether a track plays where nobody has chosen one.
fn enable(index: &mut [u8], track: Range<usize>, is_enabled: bool) {
    if let Some(header) = find(index, track, &[*b"tkhd"])
        && let Some([_, _, _, flags]) = index.get_mut(header).and_then(|it| it.first_chunk_mut())
    {
        *flags = *flags & !1 | u8::from(is_enabled);
    }
}

/// Puts a track's title, for which GStreamer uses iTunes's way that is only looked for in whole films,
/// where QuickTime, VLC and ffmpeg look for it.
fn rename_title(index: &mut [u8], track: Range<usize>) {
    let Some(data) = find(index, track, &[*b"udta"]) else {
        return;
    };
    let path = [*b"meta", *b"ilst", *b"\xa9nam", *b"data"];
    // A version goes before what is in `meta`.
    let title = find(index, data.clone(), &path[..1])
        .and_then(|meta| find(index, skip(meta, 4), &path[1..]))
        .and_then(|title| index.get(skip(title, 8)).map(<[u8]>::to_vec));
    let Some(title) = title.filter(|title| !title.is_empty()) else {
        return;
    };
    let end = data.start + 8 + title.len();
    // What is left becomes a part that is passed over.
    let Some(left) = data.end.checked_sub(end).filter(|left| *left >= 8) else {
        return;
    };
    let size = |bytes: usize| (bytes as u32).to_be_bytes();
    let mut content = [&size(8 + title.len()), &b"name"[..], &title].concat();
    content.extend_from_slice(&size(left));
    content.extend_from_slice(b"free");
    content.resize(data.len(), 0);
    index[data].copy_from_slice(&content);
}

/// Turns the numbers in the header of Opus, which GStreamer 1.22 writes with their lowest byte first, so
/// that other programs leave out the first third of a second.
fn mend_opus(index: &mut [u8], track: Range<usize>) {
    const FASTEST: u32 = 768_000;
    let entry = find(index, track, &[*b"mdia", *b"minf", *b"stbl", *b"stsd"])
        .and_then(|entries| find(index, skip(entries, 8), &[*b"Opus"]));
    let header = entry.and_then(|entry| {
        // What comes before the parts depends on the version, which QuickTime has more of.
        let fields = match number(index, entry.start + 8) >> 16 {
            0 => 28,
            1 => 44,
            _ => 64,
        };
        find(index, skip(entry, fields), &[*b"dOps"])
    });
    let Some([_, _, numbers @ ..]) = header.and_then(|header| index.get_mut(header)) else {
        return;
    };
    // Samples to leave out, sampling rate, gain.
    if let [a, b, rate @ .., c, d] = numbers.get_mut(..8).unwrap_or_default()
        && number(rate, 0) > FASTEST
    {
        std::mem::swap(a, b);
        rate.reverse();
        std::mem::swap(c, d);
    }
}

/// Says that the sound begins after what the encoder put before it.
fn skip_priming(index: &mut [u8], track: Range<usize>, samples: u32) {
    let times = find(index, track.clone(), &[*b"mdia", *b"mdhd"]);
    let entries = find(index, track, &[*b"edts", *b"elst"]);
    let (Some(times), Some(entries)) = (times, entries) else {
        return;
    };
    // Version 0 in both, with numbers of four bytes: what GStreamer writes for films below 13 hours.
    if samples == 0 || number(index, times.start) != 0 || number(index, entries.start) != 0 {
        return;
    }
    let count = number(index, entries.start + 4) as usize;
    let Some(last) = count
        .checked_sub(1)
        .map(|last| entries.start + 8 + last * 12)
        .filter(|last| last + 12 <= entries.end)
    else {
        return;
    };
    // The media's ticks are its samples.
    let media_time = number(index, last + 4);
    if media_time != u32::MAX {
        let begin = media_time.saturating_add(samples);
        index[last + 4..last + 8].copy_from_slice(&begin.to_be_bytes());
    }
}
