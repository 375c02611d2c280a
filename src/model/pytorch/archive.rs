//! The zip archive that a `.pt` file is.

use std::collections::HashMap;
use std::io::{self, Cursor};
use std::ops::Range;

use memchr::memmem;
use zip::{CompressionMethod, ZipArchive};

use super::super::FormatError;
use super::super::tensors::Tensor;
use super::pickle::Place;

/// Most files that an archive can have. A model's has a dozen, one for each tensor and a few more.
const MAX_FILES: usize = 1024;
/// Most places that may look like the end of an archive. It has two, and weights look like one about
/// once in 2^31 bytes.
const MAX_ENDS: usize = 8;

/// The zip archive; torch compresses nothing, so that everything in it is a part of its bytes.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Folder that everything lies in, with the slash.
    root: String,
    /// Memory of tensors that was looked up, by its name.
    memories: HashMap<String, &'a [u8]>,
    /// Bytes that no file has claimed yet.
    unclaimed: usize,
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        check_directory(bytes)?;
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
        if zip.metadata().has_duplicate_names() {
            return Err(broken("it has two files of the same name"));
        }
        let mut roots = zip.file_names().filter_map(|name| {
            let root = name.ok()?.strip_suffix("data.pkl")?.to_owned();
            (root.ends_with("/") && root.matches("/").count() == 1).then_some(root)
        });
        let (Some(root), None) = (roots.next(), roots.next()) else {
            return Err(broken("it is a zip file without a data.pkl"));
        };
        drop(roots);
        if zip
            .index_for_name(&format!("{root}constants.pkl"))
            .is_some()
        {
            return Err(FormatError::TorchScript);
        }
        let mut archive = Self {
            bytes,
            zip,
            root,
            memories: HashMap::new(),
            unclaimed: bytes.len(),
        };
        let order = format!("{}byteorder", archive.root);
        if archive.zip.index_for_name(&order).is_some() && archive.file("byteorder")? != b"little" {
            return Err(broken("its numbers are big-endian"));
        }
        Ok(archive)
    }

    /// The content of a file, which is to be asked for once.
    pub(super) fn file(&mut self, name: &str) -> Result<&'a [u8], FormatError> {
        let file = self.zip.by_name(&format!("{}{name}", self.root));
        let mut file = file.map_err(|error| broken(format!("{name}: {error}")))?;
        if file.compression() != CompressionMethod::Stored {
            return Err(broken(format!(
                "{name} is compressed, which torch never does"
            )));
        }
        let content = file.data_start().and_then(|start| {
            let length = usize::try_from(file.size()).ok()?;
            let content = self.bytes.get(usize::try_from(start).ok()?..)?;
            (file.compressed_size() == file.size())
                .then(|| content.get(..length))
                .flatten()
        });
        let content = content.ok_or_else(|| broken(format!("{name} reaches beyond the file")))?;
        // Files that lie on each other could have any size together.
        let unclaimed = self.unclaimed.checked_sub(content.len());
        self.unclaimed = unclaimed.ok_or_else(|| broken("files in it overlap"))?;
        // Compares the checksum.
        io::copy(&mut file, &mut io::sink()).map_err(|error| broken(format!("{name}: {error}")))?;
        Ok(content)
    }

    /// The tensor at a place, if it lies in its memory; none of its values is looked at.
    pub(super) fn tensor(&mut self, name: &str, place: Place) -> Result<Tensor<'a>, FormatError> {
        let Place {
            number,
            key,
            declared,
            offset,
            shape,
            strides,
        } = place;
        let memory = self.memory(name, key)?;
        let length = memory.len() / number.bytes();
        let outside = || broken(format!("the tensor {name:?} reaches beyond its memory"));
        if declared > length {
            return Err(broken(format!(
                "the memory of {name:?} has {length} values, not {declared}"
            )));
        }
        let count = shape
            .iter()
            .try_fold(1_usize, |count, &length| count.checked_mul(length));
        // A tensor that repeats its memory could take any amount of it.
        let count = count.filter(|&count| count <= length).ok_or_else(outside)?;
        if shape.len() != strides.len() {
            return Err(broken(format!("the tensor {name:?} has no strides")));
        }
        let reach =
            |(&length, &stride): (&usize, &usize)| length.saturating_sub(1).checked_mul(stride);
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |at, axis| at.checked_add(reach(axis)?));
        if count > 0 && last.is_none_or(|last| last >= length) {
            return Err(outside());
        }
        Ok(Tensor {
            number,
            memory,
            offset,
            shape,
            strides,
        })
    }

    /// The memory of this name, read once however many tensors lie in it.
    fn memory(&mut self, tensor: &str, key: &str) -> Result<&'a [u8], FormatError> {
        if let Some(memory) = self.memories.get(key) {
            return Ok(memory);
        }
        // A name in the archive, never a path out of it.
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(broken(format!(
                "the memory of {tensor:?} has the name {key:?}"
            )));
        }
        let memory = self.file(&format!("data/{key}"))?;
        self.memories.insert(key.to_owned(), memory);
        Ok(memory)
    }
}

/// Refuses an archive of more files than a model has, before memory is taken for their names.
fn check_directory(bytes: &[u8]) -> Result<(), FormatError> {
    let (mut files, mut ends) = (0, 0);
    for at in memmem::find_iter(bytes, b"PK") {
        let record = &bytes[at..];
        let counted = match record {
            [_, _, 1, 2, ..] => {
                files += 1;
                files
            }
            [_, _, 5, 6, ..] => {
                ends += 1;
                files_counted(record, 4..6, 8..10, 10..12)
            }
            // The end of an archive of more than 4 GiB, which torch writes always.
            [_, _, 6, 6, ..] => {
                ends += 1;
                files_counted(record, 16..20, 24..32, 32..40)
            }
            _ => continue,
        };
        if counted > MAX_FILES {
            return Err(broken(format!("it has more than {MAX_FILES} files")));
        }
        if ends > MAX_ENDS {
            return Err(broken("it has more than one end"));
        }
    }
    Ok(())
}

/// How many files an end counts, by the places of the disk's number, of the files on this disk and
/// of all files. One that is not of a single disk is none, but weights that look like one.
fn files_counted(end: &[u8], disk: Range<usize>, here: Range<usize>, all: Range<usize>) -> usize {
    match (end.get(disk), end.get(here), end.get(all)) {
        (Some([0, 0, ..]), Some(here), Some(all)) if here == all => {
            let mut files = [0; 8];
            files[..all.len()].copy_from_slice(all);
            usize::try_from(u64::from_le_bytes(files)).unwrap_or(usize::MAX)
        }
        _ => 0,
    }
}

fn broken(what: impl ToString) -> FormatError {
    FormatError::Archive(what.to_string())
}

#[cfg(test)]
mod tests {
    use crate::model::{FileKind, Model};

    #[test]
    fn weights_may_look_like_the_end_of_an_archive() {
        let mut model = Model::bundled_default();
        let weights = &mut model.layers[0].weights;
        let records = [b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06"];
        for (record, weights) in records.into_iter().zip(weights.chunks_mut(16)) {
            weights[0] = f32::from_le_bytes(*record);
        }
        let file = model.to_bytes(FileKind::Pytorch);
        assert_eq!(Model::from_bytes(&file), Ok(model));
    }
}
