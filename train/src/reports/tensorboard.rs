//! TensorBoard's event files: scalars by name.
//!
//! A file is a sequence of TFRecords (length, checksum, data, checksum), each of which holds an
//! `Event` message of tensorflow/core/util/event.proto. There is no maintained crate for them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A file that events are appended to.
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// A new file in a folder. Its name is what TensorBoard looks for; those of earlier starts stay
    /// beside it and are read together.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |time| time.as_millis());
        let path = folder.join(format!("events.out.tfevents.{now}.nca-train"));
        let mut events = Self {
            file: File::create(path)?,
        };
        let mut event = time();
        text(&mut event, 3, b"brain.Event:2");
        events.record(&event)?;
        Ok(events)
    }

    /// Appends values of one step.
    pub fn scalars<'a>(
        &mut self,
        step: u64,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> io::Result<()> {
        let mut summary = Vec::new();
        for (name, value) in values {
            let mut scalar = Vec::new();
            text(&mut scalar, 1, name.as_bytes());
            key(&mut scalar, 2, 5);
            scalar.extend((value as f32).to_le_bytes());
            text(&mut summary, 1, &scalar);
        }
        let mut event = time();
        key(&mut event, 2, 0);
        varint(&mut event, step);
        text(&mut event, 5, &summary);
        self.record(&event)
    }

    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::from(length);
        record.extend(masked_checksum(&length).to_le_bytes());
        record.extend(data);
        record.extend(masked_checksum(data).to_le_bytes());
        // In one go, so that a reader never sees half of it for long.
        self.file.write_all(&record)
    }
}

/// An event's field `wall_time`.
fn time() -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut event = Vec::new();
    key(&mut event, 1, 1);
    event.extend(now.map_or(0.0, |time| time.as_secs_f64()).to_le_bytes());
    event
}

fn key(message: &mut Vec<u8>, field: u64, wire_type: u64) {
    varint(message, field << 3 | wire_type);
}

/// A field of text, bytes or another message.
fn text(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    key(message, field, 2);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}
