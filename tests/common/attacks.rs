//! Model files that are made to keep whoever reads them busy or to fill a machine, each named after
//! what it does. All are to be refused with one sentence, in steps and bytes that their size explains.

use std::path::{Path, PathBuf};

/// A file, and a part of the sentence that refuses it.
pub type Attack = (Vec<u8>, &'static str);

/// What makes one, by its name.
pub type Named = (&'static str, fn() -> Attack);

/// All of them that need a pickle.
pub const PICKLES: &[Named] = &[
    ("modules_in_themselves", modules_in_themselves),
    ("modules_in_each_other", modules_in_each_other),
    ("modules_with_long_names", modules_with_long_names),
    (
        "modules_with_a_longer_name_each",
        modules_with_a_longer_name_each,
    ),
    ("modules_with_one_state", modules_with_one_state),
    ("modules_in_a_row", modules_in_a_row),
    ("one_module_under_many_names", one_module_under_many_names),
    ("shapes_used_again", shapes_used_again),
    ("shapes_of_thousands", shapes_of_thousands),
    ("parameters_used_again", parameters_used_again),
    ("storages_used_again", storages_used_again),
    ("dicts_used_again", dicts_used_again),
    ("globals_used_again", globals_used_again),
    ("classes_used_again", classes_used_again),
    ("a_call_with_a_long_name", a_call_with_a_long_name),
    ("nested_tuples", nested_tuples),
    ("nested_dicts", nested_dicts),
    ("a_list_in_itself", a_list_in_itself),
    ("many_small_values", many_small_values),
    ("many_small_tuples", many_small_tuples),
    ("many_memoized", many_memoized),
    ("many_marks", many_marks),
    ("a_text_longer_than_the_file", a_text_longer_than_the_file),
    ("a_description_of_one_key", a_description_of_one_key),
    (
        "a_description_with_a_large_card",
        a_description_with_a_large_card,
    ),
    (
        "a_painter_in_a_pickle_of_format_1",
        a_painter_in_a_pickle_of_format_1,
    ),
    ("a_cell_of_0_in_a_pickle", a_cell_of_0_in_a_pickle),
];

/// All of them that need a zip archive and tensors.
pub const ARCHIVES: &[Named] = &[
    ("tensors_on_one_memory", tensors_on_one_memory),
    ("tensors_of_strides_0", tensors_of_strides_0),
    (
        "a_tensor_of_no_values_and_huge_shape",
        a_tensor_of_no_values_and_huge_shape,
    ),
    (
        "a_tensor_whose_size_overflows",
        a_tensor_whose_size_overflows,
    ),
    (
        "a_memory_smaller_than_declared",
        a_memory_smaller_than_declared,
    ),
    ("files_on_each_other", files_on_each_other),
    ("files_of_one_name", files_of_one_name),
    ("a_file_of_huge_size", a_file_of_huge_size),
    ("a_compressed_file", a_compressed_file),
    ("thousands_of_files", thousands_of_files),
    ("an_end_that_counts_too_many", an_end_that_counts_too_many),
    (
        "a_large_end_that_counts_too_many",
        a_large_end_that_counts_too_many,
    ),
    ("many_ends", many_ends),
    ("a_large_pickle", a_large_pickle),
];

/// All of them that are safetensors files.
pub const SAFETENSORS: &[Named] = &[
    ("a_header_of_huge_length", a_header_of_huge_length),
    ("a_large_header", a_large_header),
    ("a_header_of_tiny_tensors", a_header_of_tiny_tensors),
    ("a_header_of_metadata", a_header_of_metadata),
    ("a_header_with_a_long_shape", a_header_with_a_long_shape),
    (
        "a_header_whose_tensors_overlap",
        a_header_whose_tensors_overlap,
    ),
    (
        "a_header_whose_size_overflows",
        a_header_whose_size_overflows,
    ),
    ("a_header_with_one_name_twice", a_header_with_one_name_twice),
    ("a_nested_header", a_nested_header),
    ("a_file_larger_than_any_model", a_file_larger_than_any_model),
    ("a_cell_of_0", a_cell_of_0),
    ("a_cell_of_3", a_cell_of_3),
    ("a_cell_of_a_billion", a_cell_of_a_billion),
    ("a_cell_of_all_bits", a_cell_of_all_bits),
    ("a_cell_below_0", a_cell_below_0),
    ("a_cell_and_a_half", a_cell_and_a_half),
    ("a_cell_that_is_no_number", a_cell_that_is_no_number),
    (
        "a_cell_larger_than_any_number",
        a_cell_larger_than_any_number,
    ),
    ("a_cell_without_a_painter", a_cell_without_a_painter),
    ("a_stroke_in_the_file", a_stroke_in_the_file),
    ("a_painter_with_coordinates", a_painter_with_coordinates),
    ("a_painter_that_is_a_list", a_painter_that_is_a_list),
    ("a_painter_without_layers", a_painter_without_layers),
    ("a_painter_of_three_layers", a_painter_of_three_layers),
    ("a_painter_of_width_0", a_painter_of_width_0),
    ("a_painter_of_huge_width", a_painter_of_huge_width),
    (
        "a_painter_of_thousands_of_layers",
        a_painter_of_thousands_of_layers,
    ),
    ("a_painter_of_shuffled_shifts", a_painter_of_shuffled_shifts),
    (
        "edges_in_the_source_without_a_painter",
        edges_in_the_source_without_a_painter,
    ),
    ("a_painter_in_format_1", a_painter_in_format_1),
    ("a_format_to_come", a_format_to_come),
    ("a_format_below_0", a_format_below_0),
    (
        "a_painting_that_takes_seconds",
        a_painting_that_takes_seconds,
    ),
    ("a_start_that_takes_minutes", a_start_that_takes_minutes),
    (
        "a_painter_without_its_first_layer",
        a_painter_without_its_first_layer,
    ),
    (
        "a_painter_without_its_last_layer",
        a_painter_without_its_last_layer,
    ),
    (
        "a_painter_with_a_layer_too_many",
        a_painter_with_a_layer_too_many,
    ),
    (
        "a_painter_with_coordinates_in_its_weights",
        a_painter_with_coordinates_in_its_weights,
    ),
    ("a_painter_of_the_wrong_width", a_painter_of_the_wrong_width),
    (
        "a_painter_with_a_bias_for_others",
        a_painter_with_a_bias_for_others,
    ),
    ("a_painter_with_huge_weights", a_painter_with_huge_weights),
    (
        "a_rule_of_another_size_than_its_cells",
        a_rule_of_another_size_than_its_cells,
    ),
    ("a_painter_that_is_not_finite", a_painter_that_is_not_finite),
];

/// All of them, by name.
pub fn all() -> impl Iterator<Item = Named> {
    [PICKLES, ARCHIVES, SAFETENSORS]
        .into_iter()
        .flatten()
        .copied()
}

/// Assembles a pickle, whose opcodes are called as in Python's `pickletools`.
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Self(b"\x80\x02".to_vec())
    }

    pub fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn repeat(mut self, bytes: &[u8], times: usize) -> Self {
        self.0.extend(bytes.repeat(times));
        self
    }

    pub fn text(self, text: &str) -> Self {
        self.op(b"X")
            .op(&(text.len() as u32).to_le_bytes())
            .op(text.as_bytes())
    }

    pub fn int(self, value: i32) -> Self {
        self.op(b"J").op(&value.to_le_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    /// Memoizes what is on top and takes it away.
    pub fn store(self, key: u8) -> Self {
        self.op(&[b'q', key, b'0'])
    }

    pub fn get(self, key: u8) -> Self {
        self.op(&[b'h', key])
    }

    /// An object of a class, with no state yet.
    pub fn object(self) -> Self {
        self.global("__main__", "CA").op(b")\x81")
    }

    /// A storage of so many values.
    pub fn storage(self, kind: &str, key: &str, values: i32) -> Self {
        let pickle = self.op(b"(").text("storage").global("torch", kind);
        pickle.text(key).text("cpu").int(values).op(b"tQ")
    }

    /// The archive of this pickle and a memory of 64 bytes.
    pub fn file(self) -> Vec<u8> {
        let mut zip = Zip::default();
        zip.file("a/data.pkl", &self.op(b".").0);
        zip.file("a/data/0", &[0; 64]);
        zip.finish()
    }
}

/// Assembles a zip archive that compresses nothing and may tell lies.
#[derive(Default)]
pub struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    files: u16,
}

impl Zip {
    pub fn file(&mut self, name: &str, content: &[u8]) {
        let at = self.bytes.len() as u32;
        let fields = fields(name, 0, crc32(content), content.len() as u32);
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(fields);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(content);
        self.entry(name, 0, crc32(content), content.len() as u32, at);
    }

    /// A file in the directory alone: what lies there is another's.
    fn entry(&mut self, name: &str, method: u16, crc: u32, size: u32, at: u32) {
        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(fields(name, method, crc, size));
        // No comment, disk or attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(at.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.files += 1;
    }

    pub fn finish(self) -> Vec<u8> {
        let files = self.files;
        self.finish_as(files)
    }

    /// Says that there are so many files.
    fn finish_as(mut self, files: u16) -> Vec<u8> {
        let (at, length) = (self.bytes.len() as u32, self.directory.len() as u32);
        self.bytes.extend(self.directory);
        self.bytes.extend(end(files, length, at));
        self.bytes
    }
}

/// What both headers of a file have.
fn fields(name: &str, method: u16, crc: u32, size: u32) -> Vec<u8> {
    let mut fields = b"\x14\x00\x00\x00".to_vec();
    fields.extend(method.to_le_bytes());
    fields.extend([0; 4]);
    fields.extend(crc.to_le_bytes());
    fields.extend(size.to_le_bytes());
    fields.extend(size.to_le_bytes());
    fields.extend((name.len() as u16).to_le_bytes());
    fields.extend([0; 2]);
    fields
}

fn end(files: u16, length: u32, at: u32) -> Vec<u8> {
    let mut end = b"PK\x05\x06\x00\x00\x00\x00".to_vec();
    end.extend(files.to_le_bytes());
    end.extend(files.to_le_bytes());
    end.extend(length.to_le_bytes());
    end.extend(at.to_le_bytes());
    end.extend([0; 2]);
    end
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    let table: [u32; 256] = std::array::from_fn(|byte| (0..8).fold(byte as u32, |crc, _| bit(crc)));
    !bytes.iter().fold(!0, |crc, &byte| {
        table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8)
    })
}

/// A safetensors file of this header and so many bytes of zeros.
pub fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

const LONG: usize = 120_000;

pub fn modules_in_themselves() -> Attack {
    let mut pickle = Pickle::new()
        .object()
        .op(b"q\x01}")
        .text("_modules")
        .op(b"}(");
    for i in 0..50 {
        pickle = pickle.text(&format!("{i:03}")).get(1);
    }
    (pickle.op(b"usb").file(), "holds no tensors")
}

pub fn modules_in_each_other() -> Attack {
    let mut pickle = Pickle::new().object().op(b"}b").store(0);
    for level in 0..9 {
        pickle = pickle.object().op(b"}").text("_modules").op(b"}(");
        for i in 0..50 {
            pickle = pickle.text(&format!("{i:03}")).get(level);
        }
        pickle = pickle.op(b"usb").store(level + 1);
    }
    (pickle.get(9).file(), "holds no tensors")
}

pub fn modules_with_long_names() -> Attack {
    let pickle = Pickle::new()
        .object()
        .op(b"q\x01}")
        .text("_modules")
        .op(b"}(");
    let pickle = pickle.text(&"n".repeat(LONG)).op(b"q\x02").get(1);
    let pickle = pickle.repeat(b"h\x02h\x01", 3).op(b"usb");
    (pickle.file(), "a name of 120001 bytes")
}

pub fn modules_with_a_longer_name_each() -> Attack {
    let mut pickle = Pickle::new().text("n").store(0).object().op(b"}b");
    for _ in 0..4_000 {
        let outer = pickle.op(b"q\x010").object().op(b"}").text("_modules");
        pickle = outer.op(b"}").get(0).get(1).op(b"ssb");
    }
    (pickle.file(), "a name of 258 bytes")
}

pub fn modules_with_one_state() -> Attack {
    // Each of many modules has the same long dictionary of parameters that are none.
    let mut pickle = Pickle::new().op(b"}").text("_parameters").op(b"}(");
    pickle = pickle.repeat(b"NN", 20_000).op(b"us").store(0);
    pickle = pickle.object().op(b"q\x010");
    pickle = pickle
        .object()
        .op(b"}")
        .text("_modules")
        .op(b"}(")
        .text("n")
        .op(b"q\x02");
    pickle = pickle
        .get(1)
        .repeat(b"h\x02h\x01", 20_000)
        .op(b"usb")
        .op(b"q\x030");
    pickle = pickle.get(1).get(0).op(b"b0").get(3);
    (pickle.file(), "more than")
}

pub fn modules_in_a_row() -> Attack {
    // Deeper than the stack of a thread.
    let mut pickle = Pickle::new()
        .text("")
        .store(0)
        .global("__main__", "CA")
        .store(2);
    pickle = pickle.text("_modules").store(3).get(2).op(b")\x81}b");
    for _ in 0..10_000 {
        pickle = pickle.op(b"q\x010h\x02)\x81}h\x03}h\x00h\x01ssb");
    }
    (pickle.file(), "a name of 257 bytes")
}

pub fn one_module_under_many_names() -> Attack {
    let pickle = Pickle::new().object().op(b"}b").store(0).text("n").store(1);
    let pickle = pickle.object().op(b"}").text("_modules").op(b"}(");
    (
        pickle.repeat(b"h\x01h\x00", 60_000).op(b"usb").file(),
        "holds no tensors",
    )
}

pub fn shapes_used_again() -> Attack {
    let pickle = Pickle::new()
        .storage("FloatStorage", "0", 1)
        .store(0)
        .op(b"K\x01")
        .store(3);
    let pickle = pickle.op(b"(").repeat(b"h\x03", 60_000).op(b"t").store(1);
    let pickle = pickle.global("torch._utils", "_rebuild_tensor_v2").store(2);
    let pickle = pickle
        .op(b"(")
        .get(0)
        .op(b"K\x00")
        .get(1)
        .get(1)
        .op(b"t")
        .store(4);
    let pickle = pickle.op(b"](").repeat(b"h\x02h\x04R", 28_000).op(b"e");
    (pickle.file(), "holds a list")
}

pub fn shapes_of_thousands() -> Attack {
    let pickle = Pickle::new()
        .storage("FloatStorage", "0", 1)
        .store(0)
        .op(b"K\x01")
        .store(3);
    let pickle = pickle.op(b"(").repeat(b"h\x03", 100_000).op(b"t").store(1);
    let pickle = pickle.global("torch._utils", "_rebuild_tensor_v2");
    let pickle = pickle
        .op(b"(")
        .get(0)
        .op(b"K\x00")
        .get(1)
        .get(1)
        .op(b"tR")
        .store(2);
    let mut pickle = pickle.op(b"}(");
    for i in 0..64 {
        pickle = pickle.text(&format!("t{i}")).get(2);
    }
    (pickle.op(b"u").file(), "has 100000 dimensions")
}

pub fn parameters_used_again() -> Attack {
    let pickle = Pickle::new()
        .storage("FloatStorage", "0", 1)
        .store(0)
        .op(b"K\x01")
        .store(3);
    let pickle = pickle.op(b"(").repeat(b"h\x03", 60_000).op(b"t").store(1);
    let pickle = pickle.global("torch._utils", "_rebuild_tensor_v2");
    let pickle = pickle
        .op(b"(")
        .get(0)
        .op(b"K\x00")
        .get(1)
        .get(1)
        .op(b"tR\x85")
        .store(4);
    let pickle = pickle.global("torch._utils", "_rebuild_parameter").store(2);
    let pickle = pickle.op(b"](").repeat(b"h\x02h\x04R", 24_000).op(b"e");
    (pickle.file(), "holds a list")
}

pub fn storages_used_again() -> Attack {
    let pickle = Pickle::new()
        .op(b"(")
        .text("storage")
        .global("torch", &"S".repeat(LONG / 2));
    let pickle = pickle
        .text(&"k".repeat(LONG / 2))
        .text("cpu")
        .op(b"K\x01t")
        .store(0);
    (
        pickle.op(b"](").repeat(b"h\x00Q", 40_000).op(b"e").file(),
        "holds a list",
    )
}

pub fn dicts_used_again() -> Attack {
    let pickle = Pickle::new().op(b"K\x00K\x00\x86").store(0);
    let pickle = pickle
        .op(b"](")
        .repeat(b"h\x00", 60_000)
        .op(b"e\x85")
        .store(1);
    let pickle = pickle.global("collections", "OrderedDict").store(2);
    (
        pickle
            .op(b"](")
            .repeat(b"h\x02h\x01R", 27_000)
            .op(b"e")
            .file(),
        "takes more than",
    )
}

pub fn globals_used_again() -> Attack {
    let pickle = Pickle::new().text(&"a".repeat(LONG)).store(0);
    (
        pickle
            .op(b"](")
            .repeat(b"h\x00h\x00\x93", 26_000)
            .op(b"e")
            .file(),
        "holds a list",
    )
}

pub fn classes_used_again() -> Attack {
    let pickle = Pickle::new()
        .global(&"a".repeat(LONG), "b")
        .store(0)
        .op(b")")
        .store(1);
    (
        pickle
            .op(b"](")
            .repeat(b"h\x00h\x01\x81", 26_000)
            .op(b"e")
            .file(),
        "holds a list",
    )
}

pub fn a_call_with_a_long_name() -> Attack {
    let pickle = Pickle::new().global("os", &"\x1b".repeat(LONG)).op(b")R");
    (pickle.file(), "nothing was executed")
}

pub fn nested_tuples() -> Attack {
    (
        Pickle::new().op(b"N").repeat(b"\x85", 250_000).file(),
        "holds a list",
    )
}

pub fn nested_dicts() -> Attack {
    let pickle = Pickle::new().op(b"N").store(0).op(b"}");
    (
        pickle.repeat(b"q\x010}h\x00h\x01s", 25_000).file(),
        "holds no tensors",
    )
}

pub fn a_list_in_itself() -> Attack {
    (
        Pickle::new()
            .op(b"]q\x00(")
            .repeat(b"h\x00", 120_000)
            .op(b"e")
            .file(),
        "holds a list",
    )
}

pub fn many_small_values() -> Attack {
    (
        Pickle::new().op(b"]").repeat(b"}", 250_000).file(),
        "holds no tensors",
    )
}

pub fn many_small_tuples() -> Attack {
    (
        Pickle::new()
            .op(b"N")
            .store(0)
            .repeat(b"h\x00\x85", 80_000)
            .file(),
        "holds a list",
    )
}

pub fn many_memoized() -> Attack {
    (
        Pickle::new().op(b"]").repeat(b"\x94", 250_000).file(),
        "holds a list",
    )
}

pub fn many_marks() -> Attack {
    (
        Pickle::new().op(b"N").repeat(b"(", 250_000).file(),
        "takes more than it has",
    )
}

pub fn a_text_longer_than_the_file() -> Attack {
    let length = u64::MAX / 2;
    (
        Pickle::new().op(b"\x8d").op(&length.to_le_bytes()).file(),
        "ends too early",
    )
}

/// A state dict of one tensor and this description.
fn described(description: &str) -> Vec<u8> {
    let pickle = Pickle::new()
        .op(b"}")
        .text("config")
        .text(description)
        .op(b"s");
    let pickle = pickle
        .text("w1.weight")
        .global("torch._utils", "_rebuild_tensor_v2")
        .op(b"(");
    let pickle = pickle
        .storage("FloatStorage", "0", 1)
        .op(b"K\x00K\x01\x85K\x01\x85tRs");
    pickle.file()
}

pub fn a_description_of_one_key() -> Attack {
    let json = format!("{{\"format\":1,\"{}\":1}}", "k".repeat(2 * LONG));
    (described(&json), "unknown field")
}

pub fn a_description_with_a_large_card() -> Attack {
    let card: Vec<_> = (0..20_000).map(|i| format!("\"{i}\":\"\"")).collect();
    let json = format!(
        "{{\"format\":1,\"architecture\":{{\"channels\":12,\"source\":\"rgb\",\"hidden\":[32]}},\
         \"card\":{{{}}}}}",
        card.join(",")
    );
    (described(&json), "has the shape [1]")
}

pub fn a_painter_in_a_pickle_of_format_1() -> Attack {
    let json = "{\"format\":1,\"architecture\":{\"channels\":12,\"source\":\"rgb\",\"hidden\":[8],\
                \"painter\":{\"hidden\":[16]}}}";
    (described(json), "it says format 1, which has no painter")
}

pub fn a_cell_of_0_in_a_pickle() -> Attack {
    let json = "{\"format\":2,\"architecture\":{\"channels\":12,\"source\":\"rgb\",\"hidden\":[8],\
                \"cell\":0,\"painter\":{\"hidden\":[16]}}}";
    (described(json), "has cells of 0x0 pixels")
}

/// A state dict of so many tensors of this place in a memory of a MiB.
fn tensors(count: usize, declared: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let tuple = |pickle: Pickle, values: &[i32]| {
        let pickle = pickle.op(b"(");
        values
            .iter()
            .fold(pickle, |pickle, &value| pickle.int(value))
            .op(b"t")
    };
    let pickle = Pickle::new()
        .storage("BFloat16Storage", "0", declared)
        .store(0);
    let pickle = pickle
        .global("torch._utils", "_rebuild_tensor_v2")
        .op(b"(")
        .get(0)
        .op(b"K\x00");
    let pickle = tuple(tuple(pickle, shape), strides).op(b"tR").store(1);
    let mut pickle = pickle.op(b"}(");
    for i in 1..=count {
        pickle = pickle.text(&format!("w{i}.weight")).get(1);
    }
    let mut zip = Zip::default();
    zip.file("a/data.pkl", &pickle.op(b"u.").0);
    zip.file("a/data/0", &[0; 1 << 20]);
    zip.finish()
}

pub fn tensors_on_one_memory() -> Attack {
    (
        tensors(64, 1 << 19, &[1 << 19], &[1]),
        "can be told from the weights only",
    )
}

pub fn tensors_of_strides_0() -> Attack {
    (
        tensors(64, 1 << 19, &[1 << 12, 1 << 12], &[0, 0]),
        "reaches beyond its memory",
    )
}

pub fn a_tensor_of_no_values_and_huge_shape() -> Attack {
    let huge = i32::MAX;
    (
        tensors(1, 1 << 19, &[0, huge, huge, huge], &[0; 4]),
        "has no tensor",
    )
}

pub fn a_tensor_whose_size_overflows() -> Attack {
    let huge = i32::MAX;
    (
        tensors(1, 1 << 19, &[huge, huge, huge, huge], &[0; 4]),
        "reaches beyond its memory",
    )
}

pub fn a_memory_smaller_than_declared() -> Attack {
    (
        tensors(1, i32::MAX, &[4], &[1]),
        "has 524288 values, not 2147483647",
    )
}

pub fn files_on_each_other() -> Attack {
    // Each tensor has a memory of its own, all at the same place.
    let mut pickle = Pickle::new().op(b"}(");
    for i in 0..64 {
        pickle = pickle
            .text(&format!("t{i}"))
            .global("torch._utils", "_rebuild_tensor_v2");
        pickle = pickle
            .op(b"(")
            .storage("BFloat16Storage", &i.to_string(), 4);
        pickle = pickle.op(b"K\x00K\x04\x85K\x01\x85tR");
    }
    let mut zip = Zip::default();
    zip.file("a/data.pkl", &pickle.op(b"u.").0);
    let (at, memory) = (zip.bytes.len() as u32, [0; 1 << 20]);
    zip.file("a/data/0", &memory);
    for i in 1..64 {
        zip.entry(
            &format!("a/data/{i}"),
            0,
            crc32(&memory),
            memory.len() as u32,
            at,
        );
    }
    (zip.finish(), "overlap")
}

pub fn files_of_one_name() -> Attack {
    let mut zip = Zip::default();
    zip.file("a/data.pkl", b"\x80\x02N.");
    zip.file("a/data.pkl", b"\x80\x02}.");
    (zip.finish(), "two files of the same name")
}

pub fn a_file_of_huge_size() -> Attack {
    let mut zip = Zip::default();
    zip.file("a/data.pkl", b"\x80\x02N.");
    zip.directory.clear();
    zip.entry("a/data.pkl", 0, 0, u32::MAX - 1, 0);
    (zip.finish_as(1), "reaches beyond the file")
}

pub fn a_compressed_file() -> Attack {
    let mut zip = Zip::default();
    zip.file("a/data.pkl", b"\x80\x02N.");
    zip.directory.clear();
    zip.entry("a/data.pkl", 8, 0, 1 << 30, 0);
    (zip.finish_as(1), "ompress")
}

pub fn thousands_of_files() -> Attack {
    let mut zip = Zip::default();
    zip.file("a/data.pkl", b"\x80\x02N.");
    for i in 0..20_000 {
        zip.entry(&i.to_string(), 0, 0, 4, 0);
    }
    (zip.finish(), "more than 1024 files")
}

pub fn an_end_that_counts_too_many() -> Attack {
    let mut zip = Zip::default();
    zip.file("a/data.pkl", &[0; 1 << 20]);
    (zip.finish_as(u16::MAX - 1), "more than 1024 files")
}

pub fn a_large_end_that_counts_too_many() -> Attack {
    let mut zip = Zip::default();
    zip.file("a/data.pkl", &[0; 1 << 20]);
    // As if it began before the other file.
    let (files, at) = (20_000_u64, 0_u64);
    let length = zip.directory.len() as u64;
    let mut bytes = [zip.bytes, zip.directory].concat();
    let large_end = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([0; 12]);
    for field in [files, files, length, at] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(large_end.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(end(u16::MAX, u32::MAX, u32::MAX));
    (bytes, "more than 1024 files")
}

pub fn many_ends() -> Attack {
    let mut zip = Zip::default();
    zip.file("a/data.pkl", b"\x80\x02N.");
    let mut bytes = zip.finish();
    for _ in 0..2_000 {
        bytes.extend(end(9, 0, 0));
    }
    (bytes, "more than one end")
}

pub fn a_large_pickle() -> Attack {
    let mut zip = Zip::default();
    zip.file("a/data.pkl", &[b'N'; 1 << 20]);
    (zip.finish(), "more than the 262144")
}

pub fn a_header_of_huge_length() -> Attack {
    let mut bytes = (u64::MAX / 2 + 1).to_le_bytes().to_vec();
    bytes.extend(b"{}");
    (bytes, "its header has 9223372036854775808 bytes")
}

pub fn a_large_header() -> Attack {
    (
        safetensors(&format!("{{{}}}", " ".repeat(1 << 20)), 0),
        "its header has 1048578 bytes",
    )
}

/// A tensor of an empty shape in a header.
fn tiny(name: impl std::fmt::Display, start: usize, end: usize) -> String {
    format!(
        "\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{start},{end}]}}",
        (end - start) / 4
    )
}

pub fn a_header_of_tiny_tensors() -> Attack {
    let tensors: Vec<_> = (0..4_000).map(|i| tiny(i, 0, 0)).collect();
    (
        safetensors(&format!("{{{}}}", tensors.join(",")), 0),
        "more than 64 tensors",
    )
}

pub fn a_header_of_metadata() -> Attack {
    let entries: Vec<_> = (0..20_000).map(|i| format!("\"{i}\":\"\"")).collect();
    let header = format!(
        "{{\"__metadata__\":{{{}}},{}}}",
        entries.join(","),
        tiny("w", 0, 4)
    );
    (safetensors(&header, 4), "has no tensor")
}

pub fn a_header_with_a_long_shape() -> Attack {
    let shape = "1,".repeat(120_000) + "1";
    let header = format!(
        "{{\"w1.weight\":{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[0,4]}},\
                          \"w3.weight\":{{\"dtype\":\"F32\",\"shape\":[9],\"data_offsets\":[4,40]}}}}"
    );
    (safetensors(&header, 40), "these have 1 inputs")
}

pub fn a_header_whose_tensors_overlap() -> Attack {
    let header = format!(
        "{{{},{}}}",
        tiny("w1.weight", 0, 64),
        tiny("w1.bias", 32, 64)
    );
    (safetensors(&header, 64), "broken safetensors")
}

pub fn a_header_whose_size_overflows() -> Attack {
    let huge = usize::MAX / 2;
    let header =
        format!("{{\"w\":{{\"dtype\":\"F32\",\"shape\":[{huge},{huge}],\"data_offsets\":[0,4]}}}}");
    (safetensors(&header, 4), "broken safetensors")
}

pub fn a_header_with_one_name_twice() -> Attack {
    let header = format!(
        "{{{},{}}}",
        tiny("w1.weight", 0, 32),
        tiny("w1.weight", 32, 64)
    );
    (safetensors(&header, 64), "broken safetensors")
}

pub fn a_nested_header() -> Attack {
    (
        safetensors(&format!("{{\"a\":{}", "[".repeat(200_000)), 0),
        "broken safetensors",
    )
}

pub fn a_file_larger_than_any_model() -> Attack {
    (safetensors("{}", 17 << 20), "more than the 16777216")
}

/// Files to refuse, each with words that are to be said of it.
pub fn files(folder: &Path) -> Vec<(PathBuf, &'static str)> {
    let write = |(name, attack): Named| {
        let (bytes, words) = attack();
        let path = folder.join(format!("{name}.pt"));
        std::fs::write(&path, bytes).unwrap();
        (path, words)
    };
    let mut files: Vec<_> = all().map(write).collect();
    #[cfg(unix)]
    {
        let pipe = folder.join("pipe.pt");
        let made = std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap();
        assert!(made.success());
        // A device that never ends, and a file of the system's that waits for what it says next.
        files.extend([pipe, "/dev/zero".into()].map(|path| (path, "not a regular file")));
        if std::fs::File::open("/proc/kmsg").is_ok() {
            files.push(("/proc/kmsg".into(), "kmsg"));
        }
    }
    // Of the project's folder or of a package in it.
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    match folders.find_map(|folder| std::fs::read_dir(folder.join("shared/cases/models")).ok()) {
        Some(cases) => {
            files.extend(cases.map(|case| (case.unwrap().path(), "is not a usable model")))
        }
        None => println!("skipped: there are no hostile models in shared/cases/models"),
    }
    files
}

/// A safetensors file of this description and these tensors, zeros of so many values each.
fn described_in_header(description: &str, tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let mut end = 0;
    let tensors: String = tensors
        .iter()
        .map(|(name, shape)| {
            let start = end;
            end += 4 * shape.iter().product::<usize>();
            format!(
                ",\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}"
            )
        })
        .collect();
    let description = description.replace('"', "\\\"");
    let header = format!("{{\"__metadata__\":{{\"nca\":\"{description}\"}}{tensors}}}");
    safetensors(&header, end)
}

/// Layers of a rule of 12 channels and of a painter of 16 for it.
const PAINTING: [(&str, &[usize]); 4] = [
    ("w1.weight", &[8, 48]),
    ("w2.weight", &[9, 8]),
    ("p1.weight", &[16, 15]),
    ("p2.weight", &[3, 16]),
];

/// A model of those layers, of which the description says this besides channels, source and hidden
/// layers.
fn painting(more: &str) -> Vec<u8> {
    let description = format!(
        "{{\"format\":2,\"architecture\":{{\"channels\":12,\"source\":\"rgb\",\"hidden\":[8]{more}}}}}"
    );
    described_in_header(&description, &PAINTING)
}

/// What [`PAINTING`] is, but for some layers.
fn painting_of(change: impl Fn(&mut Vec<(&str, &[usize])>)) -> Vec<u8> {
    let mut tensors = PAINTING.to_vec();
    change(&mut tensors);
    described_in_header(
        "{\"format\":2,\"architecture\":{\"channels\":12,\"source\":\"rgb\",\"hidden\":[8],\
         \"cell\":4,\"painter\":{\"hidden\":[16]}}}",
        &tensors,
    )
}

pub fn a_cell_of_0() -> Attack {
    (
        painting(",\"cell\":0,\"painter\":{\"hidden\":[16]}"),
        "has cells of 0x0 pixels",
    )
}

pub fn a_cell_of_3() -> Attack {
    (
        painting(",\"cell\":3,\"painter\":{\"hidden\":[16]}"),
        "has cells of 3x3 pixels",
    )
}

pub fn a_cell_of_a_billion() -> Attack {
    (
        painting(",\"cell\":1000000000,\"painter\":{\"hidden\":[16]}"),
        "has cells of 1000000000x1000000000 pixels",
    )
}

pub fn a_cell_of_all_bits() -> Attack {
    (
        painting(",\"cell\":18446744073709551615,\"painter\":{\"hidden\":[16]}"),
        "they can be 1, 2, 4 or 8 wide",
    )
}

pub fn a_cell_below_0() -> Attack {
    (
        painting(",\"cell\":-1,\"painter\":{\"hidden\":[16]}"),
        "invalid value: integer `-1`",
    )
}

pub fn a_cell_and_a_half() -> Attack {
    (
        painting(",\"cell\":1.5,\"painter\":{\"hidden\":[16]}"),
        "invalid type: floating point `1.5`",
    )
}

pub fn a_cell_that_is_no_number() -> Attack {
    (
        painting(",\"cell\":NaN,\"painter\":{\"hidden\":[16]}"),
        "its description (",
    )
}

pub fn a_cell_larger_than_any_number() -> Attack {
    (
        painting(",\"cell\":1e999,\"painter\":{\"hidden\":[16]}"),
        "number out of range",
    )
}

pub fn a_cell_without_a_painter() -> Attack {
    (painting(",\"cell\":4"), "has no painter, which cell needs")
}

pub fn a_stroke_in_the_file() -> Attack {
    (
        painting(",\"cell\":4,\"stroke\":2.0,\"painter\":{\"hidden\":[16]}"),
        "unknown field `stroke`",
    )
}

pub fn a_painter_with_coordinates() -> Attack {
    (
        painting(",\"cell\":4,\"painter\":{\"hidden\":[16],\"coordinates\":true}"),
        "unknown field `coordinates`",
    )
}

pub fn a_painter_that_is_a_list() -> Attack {
    (
        painting(",\"cell\":4,\"painter\":[16]"),
        "invalid type: integer `16`",
    )
}

pub fn a_painter_without_layers() -> Attack {
    (
        painting(",\"cell\":4,\"painter\":{\"hidden\":[]}"),
        "has a painter of 0 hidden layers",
    )
}

pub fn a_painter_of_three_layers() -> Attack {
    (
        painting(",\"cell\":4,\"painter\":{\"hidden\":[16,16,16]}"),
        "has a painter of 3 hidden layers",
    )
}

pub fn a_painter_of_width_0() -> Attack {
    (
        painting(",\"cell\":4,\"painter\":{\"hidden\":[0]}"),
        "layer of width 0",
    )
}

pub fn a_painter_of_huge_width() -> Attack {
    (
        painting(",\"cell\":4,\"painter\":{\"hidden\":[18446744073709551615]}"),
        "layer of width 18446744073709551615",
    )
}

pub fn a_painter_of_thousands_of_layers() -> Attack {
    (
        painting(&format!(
            ",\"cell\":4,\"painter\":{{\"hidden\":[{}1]}}",
            "1,".repeat(100_000)
        )),
        "has a painter of 100001 hidden layers",
    )
}

pub fn a_painter_of_shuffled_shifts() -> Attack {
    (
        described_in_header(
            "{\"format\":2,\"architecture\":{\"channels\":18,\"source\":\"shift-shuffle\",\
             \"hidden\":[8],\"painter\":{\"hidden\":[16]}}}",
            &PAINTING,
        ),
        "source shift-shuffle",
    )
}

pub fn edges_in_the_source_without_a_painter() -> Attack {
    (
        described_in_header(
            "{\"format\":2,\"architecture\":{\"channels\":12,\"source\":\"rgb-structure-tensor\",\
             \"hidden\":[8]}}",
            &PAINTING,
        ),
        "has no painter, which source rgb-structure-tensor needs",
    )
}

pub fn a_painter_in_format_1() -> Attack {
    (
        described_in_header(
            "{\"format\":1,\"architecture\":{\"channels\":12,\"source\":\"rgb\",\"hidden\":[8],\
             \"painter\":{\"hidden\":[16]}}}",
            &PAINTING,
        ),
        "it says format 1, which has no painter",
    )
}

pub fn a_format_to_come() -> Attack {
    (
        described_in_header(
            "{\"format\":3,\"architecture\":{\"cells\":\"hex\"}}",
            &PAINTING,
        ),
        "is of format 3; this version reads the formats 1 to 2",
    )
}

pub fn a_format_below_0() -> Attack {
    (
        described_in_header("{\"format\":-2,\"architecture\":{}}", &PAINTING),
        "invalid value: integer `-2`",
    )
}

pub fn a_painting_that_takes_seconds() -> Attack {
    (
        described_in_header(
            "{\"format\":2,\"architecture\":{\"channels\":64,\"source\":\"rgb\",\"hidden\":[512,512],\
             \"cell\":8,\"painter\":{\"hidden\":[48,48]}},\"playback\":{\"warmup\":8,\"steps\":3}}",
            &PAINTING,
        ),
        "a frame takes 25560 multiply-adds a pixel; with a painter it can take 16384",
    )
}

pub fn a_start_that_takes_minutes() -> Attack {
    (
        described_in_header(
            "{\"format\":2,\"architecture\":{\"channels\":12,\"source\":\"rgb\",\"hidden\":[8],\
             \"painter\":{\"hidden\":[16]}},\"playback\":{\"warmup\":1000,\"steps\":2}}",
            &PAINTING,
        ),
        "the first frame takes 456288 multiply-adds a pixel",
    )
}

pub fn a_painter_without_its_first_layer() -> Attack {
    (
        painting_of(|tensors| {
            tensors.remove(2);
        }),
        "has no tensor \"p1.weight\"",
    )
}

pub fn a_painter_without_its_last_layer() -> Attack {
    (
        painting_of(|tensors| {
            tensors.pop();
        }),
        "has no tensor \"p2.weight\"",
    )
}

pub fn a_painter_with_a_layer_too_many() -> Attack {
    (
        painting_of(|tensors| tensors.push(("p3.weight", &[3, 3]))),
        "has a tensor \"p3.weight\", which belongs to no layer",
    )
}

pub fn a_painter_with_coordinates_in_its_weights() -> Attack {
    (
        painting_of(|tensors| tensors[2].1 = &[16, 19]),
        "the shape [16, 19]; the architecture needs [16, 15, 1, 1]",
    )
}

pub fn a_painter_of_the_wrong_width() -> Attack {
    (
        painting_of(|tensors| tensors[3].1 = &[3, 17]),
        "the shape [3, 17]; the architecture needs [3, 16, 1, 1]",
    )
}

pub fn a_painter_with_a_bias_for_others() -> Attack {
    (
        painting_of(|tensors| tensors.push(("p1.bias", &[3]))),
        "the shape [3]; the architecture needs [16]",
    )
}

pub fn a_painter_with_huge_weights() -> Attack {
    (
        painting_of(|tensors| tensors[2].1 = &[1024, 1024]),
        "the shape [1024, 1024]",
    )
}

pub fn a_rule_of_another_size_than_its_cells() -> Attack {
    (
        painting_of(|tensors| tensors[0].1 = &[8, 72]),
        "the shape [8, 72]; the architecture needs [8, 48, 1, 1]",
    )
}

pub fn a_painter_that_is_not_finite() -> Attack {
    let mut bytes = painting_of(|_| {});
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    (
        bytes,
        "its tensor \"p2.weight\" has values that are not finite",
    )
}
