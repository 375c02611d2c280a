//! Model files: round trips, and every kind of bad input.

mod common;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use nca::model::{FileKind, FormatError, Model, ModelError};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn sketch() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sketch.safetensors")).unwrap()
}

/// The bundled model as a `.pt`.
fn sketch_pt() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sketch.pt");
    Model::bundled_default().save(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    for model in [
        Model::bundled_default(),
        Model::load(&golden("unusual.pt")).unwrap(),
        Model::load(&golden("published.pt")).unwrap(),
        Model::load(&golden("painter/cells-1.safetensors")).unwrap(),
        Model::load(&golden("painter/cells-4.pt")).unwrap(),
    ] {
        for name in ["a.pt", "a.safetensors"] {
            let path = folder.path().join(name);
            model.save(&path).unwrap();
            assert_eq!(Model::load(&path).unwrap(), model);
            let first = std::fs::read(&path).unwrap();
            model.save(&path).unwrap();
            assert_eq!(
                std::fs::read(&path).unwrap(),
                first,
                "{name} is not the same again"
            );
        }
    }
}

#[test]
fn both_kinds_of_file_hold_the_same() {
    for name in ["published", "notebook", "unusual", "painter/cells-4"] {
        let [a, b] = ["pt", "safetensors"]
            .map(|kind| Model::load(&golden(&format!("{name}.{kind}"))).unwrap());
        assert_eq!(a, b);
    }
}

/// The description that a file of this kind gives.
fn description(model: &Model) -> serde_json::Value {
    let bytes = model.to_bytes(FileKind::Safetensors);
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    serde_json::from_str(&metadata.metadata().as_ref().unwrap()["nca"]).unwrap()
}

/// Programs that read format 1 only go on reading what has no painter: it is written as ever.
#[test]
fn the_format_is_the_first_that_has_what_is_used() {
    let fields = |description: &serde_json::Value| {
        let architecture = description["architecture"].as_object().unwrap();
        architecture.keys().cloned().collect::<Vec<_>>().join(",")
    };
    let of_first = "blurs,border,channels,filter_scale,hidden,source,step_size";
    for name in ["published.pt", "notebook.pt", "unusual.safetensors"] {
        let description = description(&Model::load(&golden(name)).unwrap());
        assert_eq!(description["format"], 1, "{name}");
        assert_eq!(fields(&description), of_first, "{name}");
    }
    let model = Model::load(&golden("painter/cells-4.pt")).unwrap();
    let architecture = model.architecture();
    assert_eq!((architecture.cell, architecture.frozen()), (4, 6));
    assert_eq!(architecture.painter.as_ref().unwrap().hidden, [24, 16]);
    let described = description(&model);
    assert_eq!(described["format"], 2);
    assert_eq!(
        fields(&described),
        "blurs,border,cell,channels,filter_scale,hidden,painter,source,step_size"
    );
    // Cells of one pixel are what is had without saying so, but not a painter.
    let mut architecture = architecture.clone();
    architecture.cell = 1;
    let (layers, painter) = (model.layers().to_vec(), model.painter().to_vec());
    let model = Model::new(architecture, layers, painter, model.playback()).unwrap();
    assert_eq!(description(&model)["format"], 2);
}

/// What was written before there was a format 2 is still written, to the letter.
#[test]
fn files_of_format_1_are_written_as_before() {
    let bytes = Model::load(&golden("unusual.pt"))
        .unwrap()
        .to_bytes(FileKind::Safetensors);
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let written = "{\"format\":1,\"architecture\":{\"channels\":11,\"source\":\"rgb\",\
                   \"hidden\":[17,40,23],\"border\":\"replicate\",\
                   \"filter_scale\":{\"sobel\":0.3,\"laplacian\":0.07},\
                   \"blurs\":[{\"channel\":7,\"size\":9,\"sigma\":1.3}],\"step_size\":0.4},\
                   \"playback\":{\"warmup\":32,\"steps\":2},\"card\":{}}";
    assert_eq!(metadata.metadata().as_ref().unwrap()["nca"], written);
}

/// Python with torch, if there is one.
fn python() -> Option<String> {
    let python = std::env::var("NCA_PYTHON").unwrap_or("python3".into());
    let found = Command::new(&python).args(["-c", "import torch"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        Some(python)
    } else {
        println!("skipped: {python} has no torch");
        None
    }
}

#[test]
fn python_opens_what_is_written() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    let model = Model::bundled_default();
    model.save(&path).unwrap();
    let script = "import json, sys, torch
for safe in (True, False):
    d = torch.load(sys.argv[1], weights_only=safe)
config = json.loads(d.pop('config'))
assert config['architecture']['channels'] == 12, config
print(','.join(d), d['w1.weight'].shape[1], repr(d['w2.weight'].double().sum().item()))";
    let output = Command::new(python)
        .args(["-c", script])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let sum: f64 = model.layers()[1]
        .weights()
        .iter()
        .map(|&w| f64::from(w))
        .sum();
    let (names, rest) = said.trim().split_once(' ').unwrap();
    let (inputs, read) = rest.split_once(' ').unwrap();
    assert_eq!(names, "w1.weight,w1.bias,w2.weight,w2.bias");
    assert_eq!(inputs, "48");
    assert!((read.parse::<f64>().unwrap() - sum).abs() < 1e-9);
}

#[test]
fn names_and_paths() {
    let error = Model::find("cubist").unwrap_err();
    assert!(matches!(error, ModelError::NotFound { .. }));
    assert!(
        error.to_string().contains("sketch"),
        "{error} names no bundled model"
    );
    assert!(matches!(
        Model::find("none/such.pt"),
        Err(ModelError::NotFound { .. })
    ));
    assert!(matches!(
        Model::find("./sketch"),
        Err(ModelError::NotFound { .. })
    ));
    assert!(matches!(
        Model::load(Path::new("src")),
        Err(ModelError::Read { .. })
    ));
    assert!(matches!(
        Model::load(Path::new("/dev/zero")),
        Err(ModelError::Read { .. })
    ));
    assert_eq!(Model::find("sketch").unwrap(), Model::bundled_default());
}

#[test]
fn a_failed_write_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::bundled_default();
    let path = folder.path().join("model.txt");
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(
        model.save(&path),
        Err(ModelError::Extension { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    let missing = folder.path().join("none/model.pt");
    assert!(matches!(
        model.save(&missing),
        Err(ModelError::Write { .. })
    ));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The bundled model's file with its tensors or description changed.
fn changed(
    config: impl Fn(String) -> Option<String>,
    tensors: impl Fn(&str, Vec<usize>, Vec<u8>) -> Option<(String, Vec<usize>, Vec<u8>)>,
) -> Result<Model, FormatError> {
    let bytes = sketch();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let old = metadata.metadata().clone().unwrap()["nca"].clone();
    let metadata = config(old).map(|config| [("nca".to_owned(), config)].into());
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<_> = file
        .iter()
        .filter_map(|(name, view)| tensors(name, view.shape().to_vec(), view.data().to_vec()))
        .collect();
    let views = tensors.iter().map(|(name, shape, data)| {
        (
            name,
            TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
        )
    });
    Model::from_bytes(&safetensors::serialize(views, metadata).unwrap())
}

fn same(name: &str, shape: Vec<usize>, data: Vec<u8>) -> Option<(String, Vec<usize>, Vec<u8>)> {
    Some((name.into(), shape, data))
}

#[test]
fn wrong_descriptions() {
    let with = |from: &'static str, to: &'static str| {
        changed(
            move |config| {
                assert!(config.contains(from), "{from:?} is not in {config}");
                Some(config.replacen(from, to, 1))
            },
            same,
        )
        .unwrap_err()
    };
    assert!(matches!(with("{", "["), FormatError::Config(_)));
    assert_eq!(
        with("\"format\": 1", "\"format\": 3"),
        FormatError::Version { found: 3 }
    );
    assert!(matches!(
        with("\"channels\": 12", "\"channels\": 13"),
        FormatError::Shape { .. }
    ));
    assert!(matches!(
        with("\"channels\": 12", "\"channels\": 4000000000"),
        FormatError::Architecture(_)
    ));
    assert!(matches!(
        with("\"hidden\": [32]", "\"hidden\": [32, 32]"),
        FormatError::Shape { .. }
    ));
    assert!(matches!(
        with("\"source\": \"rgb\"", "\"source\": \"sonar\""),
        FormatError::Config(_)
    ));
    assert!(matches!(
        with("\"steps\": 2", "\"steps\": 2000000000"),
        FormatError::Config(_)
    ));
    assert!(matches!(
        with("\"border\"", "\"bordure\""),
        FormatError::Config(_)
    ));
    let error = changed(|_| None, same).unwrap_err();
    assert!(matches!(error, FormatError::MissingTensor(_)), "{error}");
}

#[test]
fn wrong_tensors() {
    let drop = changed(Some, |name, shape, data| {
        (name != "w2.weight")
            .then(|| same(name, shape, data))
            .flatten()
    });
    assert_eq!(
        drop.unwrap_err(),
        FormatError::MissingTensor("w2.weight".into())
    );
    let rename = changed(Some, |name, shape, data| {
        same(&name.replace("w1.bias", "w9.bias"), shape, data)
    });
    assert_eq!(
        rename.unwrap_err(),
        FormatError::UnexpectedTensor("w9.bias".into())
    );
    for poison in [f32::NAN, f32::INFINITY] {
        let poisoned = changed(Some, |name, shape, mut data| {
            data[4..8].copy_from_slice(&poison.to_le_bytes());
            same(name, shape, data)
        });
        assert!(matches!(poisoned.unwrap_err(), FormatError::NotFinite(_)));
    }
    let flat = changed(Some, |name, shape, data| {
        same(name, vec![shape.iter().product()], data)
    });
    assert!(matches!(flat.unwrap_err(), FormatError::Shape { .. }));
}

#[test]
fn other_files() {
    let expect = |bytes: &[u8], kind: fn(&FormatError) -> bool| {
        let error = Model::from_bytes(bytes).unwrap_err();
        assert!(kind(&error), "{error:?}");
    };
    let unknown = |error: &FormatError| matches!(error, FormatError::Unknown);
    expect(b"", unknown);
    expect(b"PK", unknown);
    expect(b"\x89PNG\r\n\x1a\n", unknown);
    expect(b"hello, I am a text and nothing else", unknown);
    expect(&[0; 4096], unknown);
    expect(
        b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
        |e| matches!(e, FormatError::LegacyPytorch),
    );
    // A header that claims to be larger than anything.
    expect(b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", |e| {
        matches!(e, FormatError::Safetensors(_))
    });
    expect(&archive(&[("a/hello.txt", b"")], false), |e| {
        matches!(e, FormatError::Archive(_))
    });
    let script = archive(&[("a/data.pkl", b"N."), ("a/constants.pkl", b"N.")], false);
    expect(&script, |e| matches!(e, FormatError::TorchScript));
    expect(&pickle(b"\x80\x02N."), |e| {
        matches!(e, FormatError::NoModel { .. })
    });
    expect(&pickle(b"\x80\x02}."), |e| {
        matches!(e, FormatError::NoModel { .. })
    });
}

fn archive(files: &[(&str, &[u8])], compress: bool) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let method = zip::CompressionMethod::Stored;
    assert!(!compress, "the crate is built without compression");
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn pickle(pickle: &[u8]) -> Vec<u8> {
    archive(
        &[("archive/data.pkl", pickle), ("archive/data/0", &[0; 64])],
        false,
    )
}

/// A pickle of {"w1.weight": a tensor of this offset, shape and strides in 16 floats}.
fn tensor_pickle(offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let int = |value: i32| [&b"J"[..], &value.to_le_bytes()].concat();
    let tuple = |values: &[i32]| {
        [
            b"(".to_vec(),
            values.iter().flat_map(|&v| int(v)).collect(),
            b"t".to_vec(),
        ]
        .concat()
    };
    let text = |text: &str| {
        [
            b"X",
            &(text.len() as u32).to_le_bytes()[..],
            text.as_bytes(),
        ]
        .concat()
    };
    [
        b"\x80\x02}".to_vec(),
        text("w1.weight"),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text("0"),
        text("cpu"),
        int(16),
        b"tQ".to_vec(),
        int(offset),
        tuple(shape),
        tuple(strides),
        b"\x89}tRs.".to_vec(),
    ]
    .concat()
}

#[test]
fn malicious_pickles() {
    let error = |bytes: &[u8]| Model::from_bytes(&pickle(bytes)).unwrap_err();
    let call = error(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.");
    assert_eq!(call, FormatError::ForbiddenCall("os.system".into()));
    let call = error(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.");
    assert_eq!(call, FormatError::ForbiddenCall("builtins.eval".into()));

    // As deep as it gets.
    let mut deep = b"\x80\x02N".to_vec();
    deep.extend(std::iter::repeat_n(0x85, 250_000));
    deep.push(b'.');
    assert!(matches!(error(&deep), FormatError::NoModel { .. }));
    // A list that doubles itself, if lists were copied.
    let mut bomb = b"\x80\x02]q\x00".to_vec();
    for _ in 0..60_000 {
        bomb.extend(b"h\x00h\x00\x86");
    }
    bomb.push(b'.');
    error(&bomb);
    // A dictionary that holds itself, and a module that does.
    error(b"\x80\x02}q\x00X\x0a\x00\x00\x00state_dicth\x00s.");
    error(
        b"\x80\x02c__main__\nCA\n)\x81q\x00}X\x08\x00\x00\x00_modules}X\x01\x00\x00\x00ah\x00ssb.",
    );
    // Texts longer than the file, and stacks that are empty.
    for broken in [
        &b"\x80\x02X\xff\xff\xff\xff."[..],
        b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02.",
        b"\x80\x02(a.",
        b"\x80\x02(N0000.",
        b"\x80\x02t.",
        b"\x80\x02R.",
        b"\x80\x02h\x00.",
        b"\x80\x09N.",
        b"\x80\x02\xff.",
        b"",
    ] {
        assert!(
            matches!(error(broken), FormatError::Archive(_)),
            "{broken:?}"
        );
    }
    let large = [&b"\x80\x02N"[..], &[b'0'; 300_000]].concat();
    assert!(matches!(error(&large), FormatError::Archive(_)));
}

#[test]
fn tensors_beyond_their_memory() {
    let error = |offset, shape: &[i32], strides: &[i32]| {
        Model::from_bytes(&pickle(&tensor_pickle(offset, shape, strides))).unwrap_err()
    };
    // This one is in order: what is missing are the others.
    let fine = error(0, &[4, 4], &[4, 1]);
    assert!(matches!(fine, FormatError::MissingTensor(_)), "{fine:?}");
    for (offset, shape, strides) in [
        (1, &[4, 4][..], &[4, 1][..]),
        (0, &[4, 4], &[5, 1]),
        (0, &[17], &[1]),
        (0, &[i32::MAX, i32::MAX], &[0, 0]),
        (0, &[i32::MAX], &[0]),
        (-1, &[4], &[1]),
        (0, &[-4], &[1]),
        (0, &[4], &[-1]),
        (0, &[4, 4], &[1]),
        (i32::MAX, &[1], &[1]),
    ] {
        let error = error(offset, shape, strides);
        assert!(
            matches!(error, FormatError::Archive(_)),
            "{offset} {shape:?} {strides:?}: {error:?}"
        );
    }
}

#[test]
fn truncated_files() {
    for bytes in [
        sketch(),
        sketch_pt(),
        std::fs::read(golden("published.pt")).unwrap(),
    ] {
        for length in (0..bytes.len())
            .step_by(7)
            .chain(bytes.len() - 40..bytes.len())
        {
            assert!(
                Model::from_bytes(&bytes[..length]).is_err(),
                "{length} of {} bytes were taken",
                bytes.len()
            );
        }
    }
}

#[test]
fn flipped_bits_never_panic() {
    for bytes in [sketch(), sketch_pt()] {
        for at in 0..bytes.len() {
            for bit in [0, 3, 7] {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                // Many flips only change a weight.
                if let Ok(model) = Model::from_bytes(&flipped) {
                    let weights = model.layers().iter().flat_map(|layer| layer.weights());
                    assert!(weights.into_iter().all(|weight| weight.is_finite()));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_pickles_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Model::from_bytes(&pickle(&[&b"\x80\x02"[..], &bytes].concat()));
    }

    #[test]
    fn spliced_files_never_panic(
        cut in 0..8000_usize,
        length in 0..64_usize,
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        pytorch in any::<bool>(),
    ) {
        let mut file = if pytorch { sketch_pt() } else { sketch() };
        let cut = cut.min(file.len());
        let end = (cut + length).min(file.len());
        file.splice(cut..end, bytes);
        let _ = Model::from_bytes(&file);
    }
}

/// Files that the fuzzer found to take different ways through the reader.
#[test]
fn the_corpus_of_the_fuzzer_never_panics() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/model_file");
    let mut read = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        if let Err(error) = Model::from_bytes(&bytes) {
            assert!(!error.to_string().is_empty());
        }
        read += 1;
    }
    assert!(read > 0);
}
