use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::config::Config;
use super::super::{Model, tensors};

/// Writes a state dict with the description as its entry `config`.
pub(in super::super) fn write(model: &Model) -> Vec<u8> {
    let tensors = tensors::of(model);
    let mut pickle = PickleWriter::new();
    pickle.text("config");
    pickle.text(&Config::of(model).to_json());
    for (key, (name, shape, values)) in tensors.iter().enumerate() {
        pickle.text(name);
        pickle.tensor(key, shape, values.len());
    }
    let mut files = vec![
        ("data.pkl".to_owned(), pickle.finish()),
        ("byteorder".to_owned(), b"little".to_vec()),
    ];
    for (key, (_, _, values)) in tensors.iter().enumerate() {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        files.push((format!("data/{key}"), bytes));
    }
    files.push(("version".to_owned(), b"3\n".to_vec()));
    archive(&files).expect("memory can be written to")
}

/// As torch does it: nothing compressed, everything in one folder and aligned to 64 bytes. No
/// dates, so that the same model gives the same bytes.
fn archive(files: &[(String, Vec<u8>)]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .with_alignment(64);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(format!("archive/{name}"), options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Writes the pickle of a dictionary, in protocol 2.
struct PickleWriter {
    bytes: Vec<u8>,
}

impl PickleWriter {
    fn new() -> Self {
        let mut writer = Self {
            bytes: vec![0x80, 2],
        };
        writer.global("collections", "OrderedDict");
        writer.bytes.extend(b")R(");
        writer
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.extend(b"u.");
        self.bytes
    }

    fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn int(&mut self, value: usize) {
        self.bytes.push(b'J');
        self.bytes.extend((value as i32).to_le_bytes());
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn tuple(&mut self, values: &[usize]) {
        self.bytes.push(b'(');
        for &value in values {
            self.int(value);
        }
        self.bytes.push(b't');
    }

    fn tensor(&mut self, key: usize, shape: &[usize], length: usize) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.bytes.extend(b"((");
        self.text("storage");
        self.global("torch", "FloatStorage");
        self.text(&key.to_string());
        self.text("cpu");
        self.int(length);
        self.bytes.extend(b"tQ");
        self.int(0);
        self.tuple(shape);
        let strides: Vec<usize> = (1..=shape.len())
            .map(|axis| shape[axis..].iter().product())
            .collect();
        self.tuple(&strides);
        self.bytes.push(0x89);
        self.global("collections", "OrderedDict");
        self.bytes.extend(b")RtR");
    }
}
