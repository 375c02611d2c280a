//! What GStreamer does not read of Matroska and WebM files, and what its muxer gets wrong in their header.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use crate::track::Track;

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x002a_d7b1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK: u32 = 0xae;
const CODEC: u32 = 0x86;
const IS_DEFAULT: u8 = 0x88;
const VOID: u8 = 0xec;
const CLUSTER: u32 = 0x1f43_b675;
const CLUSTER_TIME: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;

/// The largest header that is looked through; cover pictures come later.
const LONGEST_HEADER: u64 = 1 << 24;

/// Facts about a file that GStreamer does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The time at which the film begins: that of its first packets. One whose first packets are not near its
    /// beginning begins at zero.
    pub beginning: gst::ClockTime,
    /// Whether it was written without going back to its beginning, as a stream: it has no index.
    pub is_stream: bool,
}

/// Looks into a file. One that is no film has nothing of all this.
pub fn facts(path: &Path) -> io::Result<Facts> {
    let mut header = Vec::new();
    File::open(path)?
        .take(LONGEST_HEADER)
        .read_to_end(&mut header)?;
    let Some(segment) = elements(&header, 0..header.len()).find(|part| part.id == SEGMENT) else {
        return Ok(Facts::default());
    };
    Ok(Facts {
        is_stream: has_unknown_size(&header, &segment),
        beginning: beginning(&header, segment.content),
    })
}

/// Whether all bits of the size of a segment are set: it was not known.
fn has_unknown_size(header: &[u8], segment: &Element) -> bool {
    let size = header.get(segment.start + 4..segment.content.start);
    size.and_then(<[u8]>::split_first)
        .is_some_and(|(first, rest)| {
            first.count_ones() == 8 - first.leading_zeros() && rest.iter().all(|byte| *byte == 0xff)
        })
}

fn beginning(header: &[u8], segment: Range<usize>) -> gst::ClockTime {
    let mut scale = DEFAULT_SCALE;
    for part in elements(header, segment) {
        match part.id {
            INFO => scale = timestamp_scale(header, part.content),
            CLUSTER => {
                let ticks = first_ticks(header, part.content);
                let time = ticks.checked_mul(scale).filter(|time| *time < u64::MAX);
                return gst::ClockTime::from_nseconds(time.unwrap_or_default());
            }
            _ => {}
        }
    }
    gst::ClockTime::ZERO
}

/// The earliest time of the packets in a cluster.
fn first_ticks(header: &[u8], cluster: Range<usize>) -> u64 {
    let mut time = 0;
    let mut first = None;
    for part in elements(header, cluster) {
        let block = match part.id {
            CLUSTER_TIME => {
                time = number(&header[part.content]);
                continue;
            }
            SIMPLE_BLOCK => Some(part.content),
            BLOCK_GROUP => elements(header, part.content)
                .find(|part| part.id == BLOCK)
                .map(|part| part.content),
            _ => None,
        };
        // The number of a track goes before the time after that of the cluster.
        let block = block
            .and_then(|block| header.get(block))
            .unwrap_or_default();
        let track = block
            .first()
            .map_or(0, |byte| byte.leading_zeros() as usize + 1);
        if let Some(after) = block.get(track..).and_then(|it| it.first_chunk()) {
            let at = time.saturating_add_signed(i16::from_be_bytes(*after).into());
            first = Some(first.map_or(at, |first: u64| first.min(at)));
        }
    }
    first.unwrap_or(time)
}

/// Writes into a complete file how long it is, which the muxer takes from the longest track without
/// the time at which it begins, and which tracks play where nobody has chosen one, which it says of all.
///
/// Nothing changes its size or place.
pub fn finish(path: &Path, tracks: &[Track], end: gst::ClockTime) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut header = Vec::new();
    (&file).take(LONGEST_HEADER).read_to_end(&mut header)?;
    let Some(segment) = elements(&header, 0..header.len()).find(|part| part.id == SEGMENT) else {
        return Ok(());
    };
    let parts: Vec<_> = elements(&header, segment.content).collect();
    for part in parts {
        match part.id {
            INFO => set_duration(&mut header, part.content, end),
            TRACKS => set_defaults(&mut header, part.content, tracks),
            _ => {}
        }
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header)
}

fn set_duration(header: &mut [u8], info: Range<usize>, end: gst::ClockTime) {
    let scale = timestamp_scale(header, info.clone());
    let Some(duration) = elements(header, info).find(|part| part.id == DURATION) else {
        return;
    };
    if let Ok(bytes) = <&mut [u8; 8]>::try_from(&mut header[duration.content]) {
        *bytes = (end.nseconds() as f64 / scale.max(1) as f64).to_be_bytes();
    }
}

/// The muxer spends eight bytes on the size of a track's entry; what fewer leave has room for the flag.
/// Nanoseconds of a tick.
const DEFAULT_SCALE: u64 = 1_000_000;

fn timestamp_scale(header: &[u8], info: Range<usize>) -> u64 {
    elements(header, info)
        .find(|part| part.id == TIMESTAMP_SCALE)
        .map_or(DEFAULT_SCALE, |part| number(&header[part.content]))
}

fn number(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter();
    bytes.fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
}

fn set_defaults(header: &mut [u8], content: Range<usize>, tracks: &[Track]) {
    let entries = elements(header, content).filter(|part| part.id == TRACK);
    let has_codec = |entry: &Element| {
        let mut parts = elements(header, entry.content.clone());
        parts.any(|part| part.id == CODEC)
    };
    let (entries, unknown): (Vec<_>, Vec<_>) = entries.partition(has_codec);
    for entry in unknown {
        // Nothing was ever known of the track: its encoder was given nothing. This part is passed over.
        header[entry.start] = VOID;
    }
    for (entry, track) in entries.into_iter().zip(tracks) {
        if track.is_default {
            continue;
        }
        let room = entry.start + 1..entry.content.start;
        if let Some(start) = not_default(room.len(), entry.content.len()) {
            header[room].copy_from_slice(&start);
        }
    }
}

/// The size of an entry and, at its beginning, that it is no default, in so many bytes.
fn not_default(room: usize, content: usize) -> Option<Vec<u8>> {
    const FLAG: [u8; 3] = [IS_DEFAULT, 0x81, 0];
    (1..=4).find_map(|length| {
        let size = (content + room).checked_sub(length)?;
        let most = (1 << (7 * length)) - 2;
        // What is left over is passed over: at least two bytes, or none.
        let left = room.checked_sub(length + FLAG.len())?;
        if size > most || left == 1 {
            return None;
        }
        let marked = size as u32 | 1 << (7 * length);
        let mut start = marked.to_be_bytes()[4 - length..].to_vec();
        start.extend(FLAG);
        if let Some(void) = left.checked_sub(2) {
            start.extend([VOID, 0x80 | void as u8]);
            start.resize(room, 0);
        }
        Some(start)
    })
}

/// An element: where it begins, and where its content is.
struct Element {
    id: u32,
    start: usize,
    content: Range<usize>,
}

/// What is directly in a part, up to where it is not in order. Of what is not all there, the rest.
fn elements(bytes: &[u8], within: Range<usize>) -> impl Iterator<Item = Element> {
    let mut at = within.start;
    std::iter::from_fn(move || {
        let start = at;
        let rest = bytes.get(at..within.end)?;
        let id_length = rest.first()?.leading_zeros() as usize + 1;
        let id = rest.get(..id_length).filter(|_| id_length <= 4)?;
        let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let size = rest.get(id_length..)?;
        let length = size.first()?.leading_zeros() as usize + 1;
        let size = size.get(..length).filter(|_| length <= 8)?;
        let marked = size
            .iter()
            .fold(0, |size, byte| size << 8 | u64::from(*byte));
        let unmarked = marked & !(1 << (7 * length));
        let content = at + id_length + length;
        at = usize::try_from(unmarked)
            .ok()
            .and_then(|size| content.checked_add(size))
            .map_or(within.end, |end| end.min(within.end));
        Some(Element {
            id,
            start,
            content: content..at,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_do_not_say_how_long_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film");
        let head = [0x1a, 0x45, 0xdf, 0xa3, 0x80, 0x18, 0x53, 0x80, 0x67];
        for (size, expected) in [
            (&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], true),
            (&[0xff], true),
            (&[0x01, 0, 0, 0, 0, 0, 0, 4], false),
            (&[0x84], false),
            (&[], false),
        ] {
            std::fs::write(&path, [&head[..], size, &[0xec, 0x82, 0, 0]].concat()).unwrap();
            assert_eq!(facts(&path).unwrap().is_stream, expected, "{size:?}");
        }
    }

    #[test]
    fn the_flag_fits_where_the_size_was() {
        for content in [10, 117, 118, 126, 500, 16_370, 16_384, 100_000, 2_000_000] {
            let start = not_default(8, content).unwrap();
            assert_eq!(start.len(), 8);
            let entry = [&[TRACK as u8][..], &start, &vec![0; content]].concat();
            let parts: Vec<_> = elements(&entry, 0..entry.len()).collect();
            assert_eq!(parts.len(), 1, "{content}");
            assert_eq!(parts[0].content.end, entry.len(), "{content}");
            let first = elements(&entry, parts[0].content.clone()).next().unwrap();
            assert_eq!(first.id, u32::from(IS_DEFAULT));
            assert_eq!(entry[first.content], [0]);
        }
        assert_eq!(not_default(1, 10), None);
    }
}
