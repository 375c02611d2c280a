//! Whether a file ends before it says that it does, as one that was not copied to its end.
//!
//! Decoders take what there is for all there is.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek};
use std::path::Path;

/// Whether a file is known to lack its end. What cannot be told, because the file does not say how
/// long it is, is taken to be whole.
pub fn is_truncated(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length < MAGIC as u64 {
        return Ok(false);
    }
    let mut file = Walk {
        file: BufReader::new(file),
        at: 0,
        length,
    };
    let walked = file.begins_with().and_then(|magic| match &magic {
        [0xff, 0xd8, ..] => file.jpeg(),
        [b'R', b'I', b'F', b'F', ..] => file.riff(),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => file.matroska(),
        [b'F', b'L', b'V', 1, ..] => file.flv(),
        [b'O', b'g', b'g', b'S', ..] => file.ogg(),
        [_, _, _, _, kind @ ..] if BOXES.contains(kind) => file.boxes(),
        _ => Ok(()),
    });
    match walked {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(true),
        Err(error) => Err(error),
    }
}

/// Bytes that tell kinds of files apart.
const MAGIC: usize = 8;

/// Those that MP4 and QuickTime files are made of.
const BOXES: [[u8; 4]; 14] = [
    *b"ftyp", *b"moov", *b"mdat", *b"wide", *b"free", *b"skip", *b"styp", *b"moof", *b"sidx",
    *b"mfra", *b"meta", *b"udta", *b"uuid", *b"pnot",
];

/// Goes through a file, from part to part. An unexpected end is an error.
struct Walk {
    file: BufReader<File>,
    at: u64,
    length: u64,
}

impl Walk {
    fn begins_with(&mut self) -> io::Result<[u8; MAGIC]> {
        let magic = self.take()?;
        self.at = 0;
        self.file.rewind()?;
        Ok(magic)
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match self.at.checked_add(bytes) {
            Some(at) if at <= self.length => {
                self.at = at;
                self.file.seek_relative(bytes as i64)
            }
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.length
    }

    /// Boxes of MP4 and QuickTime, up to one of a kind that is not known, as rubbish at the end is.
    fn boxes(&mut self) -> io::Result<()> {
        while self.length - self.at >= 8 {
            let [a, b, c, d, kind @ ..] = self.take::<8>()?;
            if !BOXES.contains(&kind) {
                break;
            }
            let (size, header) = match u32::from_be_bytes([a, b, c, d]) {
                // To the end of the file.
                0 => break,
                1 => (u64::from_be_bytes(self.take()?), 16),
                size => (size.into(), 8),
            };
            let Some(content) = size.checked_sub(header) else {
                break;
            };
            self.skip(content)?;
        }
        Ok(())
    }

    /// AVI, and WebP; the former in several parts.
    fn riff(&mut self) -> io::Result<()> {
        /// What is written before the size is known.
        const UNKNOWN: [u32; 3] = [0, u32::MAX, u32::MAX - 8];
        while self.length - self.at >= 8 {
            let [b'R', b'I', b'F', b'F', size @ ..] = self.take::<8>()? else {
                break;
            };
            let size = u32::from_le_bytes(size);
            if UNKNOWN.contains(&size) {
                break;
            }
            self.skip(size.into())?;
            // Parts begin at even places.
            if size % 2 == 1 && !self.is_at_end() {
                self.skip(1)?;
            }
        }
        Ok(())
    }

    /// Matroska and WebM: a header, and one segment with everything.
    fn matroska(&mut self) -> io::Result<()> {
        const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
        self.take::<4>()?;
        let header = self.matroska_size()?.unwrap_or_default();
        self.skip(header)?;
        if self.take()? != SEGMENT {
            return Ok(());
        }
        match self.matroska_size()? {
            Some(size) => self.skip(size),
            None => Ok(()),
        }
    }

    /// `None`: it was not known when the file was written.
    fn matroska_size(&mut self) -> io::Result<Option<u64>> {
        let [first] = self.take()?;
        let more = first.leading_zeros();
        let mask = 0x7f_u8.checked_shr(more).unwrap_or_default();
        let mut size = u64::from(first & mask);
        let mut is_unknown = first & mask == mask;
        for _ in 0..more.min(7) {
            let [byte] = self.take()?;
            size = size << 8 | u64::from(byte);
            is_unknown &= byte == 0xff;
        }
        Ok((!is_unknown).then_some(size))
    }

    /// Flash video: a header, then tags, each followed by its size.
    fn flv(&mut self) -> io::Result<()> {
        const BACK_POINTER: u64 = 4;
        let [_, _, _, _, _, header @ ..] = self.take::<9>()?;
        let header = u64::from(u32::from_be_bytes(header));
        self.skip(header.saturating_sub(self.at) + BACK_POINTER)?;
        while !self.is_at_end() {
            let [kind, a, b, c, ..] = self.take::<11>()?;
            // Sound, video, or data; anything else is rubbish at the end.
            if ![8, 9, 18].contains(&(kind & 0x1f)) {
                break;
            }
            let size = u32::from_be_bytes([0, a, b, c]);
            self.skip(u64::from(size) + BACK_POINTER)?;
        }
        Ok(())
    }

    fn ogg(&mut self) -> io::Result<()> {
        while !self.is_at_end() {
            let header = self.take::<27>()?;
            if !header.starts_with(b"OggS") {
                break;
            }
            let mut size = 0;
            for _ in 0..header[26] {
                let [segment] = self.take()?;
                size += u64::from(segment);
            }
            self.skip(size)?;
        }
        Ok(())
    }

    /// Segments up to the one that says that it is the end.
    fn jpeg(&mut self) -> io::Result<()> {
        const START: u8 = 0xd8;
        const END: u8 = 0xd9;
        const SCAN: u8 = 0xda;
        let mut marker = self.next_marker()?;
        loop {
            match marker {
                END => return Ok(()),
                START | 0x01 => {}
                _ => {
                    let size = u16::from_be_bytes(self.take()?);
                    self.skip(u64::from(size.saturating_sub(2)))?;
                }
            }
            // What is compressed has no size, and zeros after what looks like a marker.
            let is_data = |marker| marker == 0 || (0xd0..=0xd7).contains(&marker);
            let was_scan = marker == SCAN;
            marker = self.next_marker()?;
            while was_scan && is_data(marker) {
                marker = self.next_marker()?;
            }
        }
    }

    /// The byte after the next 0xff, or several.
    fn next_marker(&mut self) -> io::Result<u8> {
        let mut before = 0;
        loop {
            let [byte] = self.take()?;
            if before == 0xff && byte != 0xff {
                return Ok(byte);
            }
            before = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::is_truncated;

    /// The smallest files that have a beginning and an end.
    fn samples() -> Vec<(&'static str, Vec<u8>)> {
        let mut large = b"\0\0\0\x0cftypisom\0\0\0\x01mdat\0\0\0\0\0\0\0\x18".to_vec();
        large.extend([7; 8]);
        let mut ogg = b"OggS".to_vec();
        ogg.extend([0; 22]);
        ogg.extend([2, 3, 1, 9, 9, 9, 9]);
        vec![
            ("mp4", b"\0\0\0\x0cftypisom\0\0\0\x0cmdat1234".to_vec()),
            ("mp4 of long boxes", large),
            ("avi", b"RIFF\x06\0\0\0AVI 12".to_vec()),
            (
                "mkv",
                b"\x1a\x45\xdf\xa3\x81\0\x18\x53\x80\x67\x40\x03123".to_vec(),
            ),
            (
                "flv",
                b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x09\0\0\x02\0\0\0\0\0\0\0xy\0\0\0\x0d".to_vec(),
            ),
            ("ogg", ogg),
            (
                "jpg",
                b"\xff\xd8\xff\xe0\0\x04\xff\xd9\xff\xda\0\x02a\xff\0b\xff\xd0c\xff\xd9".to_vec(),
            ),
        ]
    }

    fn check(bytes: &[u8]) -> bool {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        is_truncated(file.path()).unwrap()
    }

    #[test]
    fn whole_files_are_whole_and_their_beginnings_are_not() {
        for (name, bytes) in samples() {
            assert!(!check(&bytes), "{name}");
            assert!(check(&bytes[..bytes.len() - 1]), "{name}");
        }
    }

    #[test]
    fn what_does_not_say_its_length_may_be_whole() {
        for bytes in [
            &b"\0\0\0\x0cftypisom\0\0\0\0mdat1234"[..],
            b"\x1a\x45\xdf\xa3\x81\0\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff123",
            b"RIFF\xff\xff\xff\xffAVI 12",
            b"some text that is nothing at all",
            // Rubbish after the end.
            b"\0\0\0\x0cftypisom\0\0\0\x0cmdat1234\xff\xff\xff\xffrubbish",
            b"\xff\xd8\xff\xd9rubbish",
        ] {
            assert!(!check(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn nothing_makes_it_go_on_for_ever() {
        for (_, bytes) in samples() {
            for at in 0..bytes.len() {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut bytes = bytes.clone();
                    bytes[at] = value;
                    check(&bytes);
                }
            }
        }
    }
}
