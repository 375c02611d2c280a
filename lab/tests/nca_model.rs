//! The program `nca-model`: what it prints, writes and returns.

#[path = "../../tests/common/attacks.rs"]
#[allow(dead_code, reason = "what assembles a file is not used")]
mod attacks;
#[path = "../../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Golden, distance};
use nca::model::Model;

fn nca_model(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nca-model"))
        .args(arguments)
        // Nobody has logged in: drivers that are looked for a graphics processor in must not complain.
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap()
}

/// Fails with this exit code and one line on stderr that has these words.
fn expect_failure(arguments: &[&str], words: &str) {
    let output = nca_model(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(
        said.contains(words),
        "{arguments:?} does not say {words:?}: {said}"
    );
}

fn golden(name: &str) -> PathBuf {
    common::workspace().join("tests/golden").join(name)
}

#[test]
fn info_describes() {
    let output = nca_model(&["info", "sketch"]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    for words in [
        "12: 3 frozen, 3 of the picture, 6 hidden",
        "1824 multiply-adds",
        "48 -> 32",
    ] {
        assert!(said.contains(words), "it does not say {words:?}:\n{said}");
    }
}

#[test]
fn convert_writes_both_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let source = golden("published.pt");
    let source = source.to_str().unwrap();
    assert!(
        nca_model(&["convert", source, &path("a.safetensors")])
            .status
            .success()
    );
    assert!(
        nca_model(&["convert", &path("a.safetensors"), &path("b.pt")])
            .status
            .success()
    );
    let model = Model::load(Path::new(source)).unwrap();
    assert_eq!(Model::load(&folder.path().join("b.pt")).unwrap(), model);
    expect_failure(&["convert", source, &path("b.pt")], "--overwrite");
    assert!(
        nca_model(&["convert", "--overwrite", "sketch", &path("b.pt")])
            .status
            .success()
    );
    assert_eq!(
        Model::load(&folder.path().join("b.pt")).unwrap(),
        Model::bundled_default()
    );
    expect_failure(&["convert", source, &path("c.onnx")], ".safetensors or .pt");
    expect_failure(
        &["convert", &path("none.pt"), &path("d.pt")],
        "does not exist",
    );
    std::fs::write(folder.path().join("junk.pt"), "junk").unwrap();
    expect_failure(
        &["info", &path("junk.pt")],
        "neither a safetensors file nor a PyTorch archive",
    );
}

#[test]
fn run_agrees_with_the_golden_states() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let states = Golden::read(&golden("sketch.golden.safetensors"));
    let state = |name: &str| {
        let state = states.state(name);
        let bytes: Vec<u8> = state
            .values()
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let shape = vec![state.channels(), state.size().height, state.size().width];
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &bytes);
        let file = safetensors::serialize([("state", view.unwrap())], None).unwrap();
        std::fs::write(folder.path().join(name), file).unwrap();
        path(name)
    };
    let picture = states.picture("frame1");
    let (width, height) = (picture.size.width as u32, picture.size.height as u32);
    let png = path("frame1.png");
    image::save_buffer(&png, &picture.pixels, width, height, image::ColorType::Rgb8).unwrap();

    let out = path("out");
    let shown = path("shown.png");
    let (start, carried) = (state("state0"), state("state32"));
    let one = [
        "run", "--model", "sketch", "--state", &start, "--steps", "1", "--out", &out,
    ];
    assert!(nca_model(&one).status.success());
    let off = distance(
        &Golden::read(Path::new(&out)).state("state"),
        &states.state("state1"),
    );
    assert!(off < 1e-5, "off by {off}");
    expect_failure(&one, "exists; --overwrite");
    let output = nca_model(&[
        "run",
        "--overwrite",
        "--model",
        "sketch",
        "--state",
        &carried,
        "--frame",
        &png,
        "--steps",
        "8",
        "--out",
        &out,
        "--picture",
        &shown,
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let off = distance(
        &Golden::read(Path::new(&out)).state("state"),
        &states.state("carried8"),
    );
    assert!(off < 2e-4, "off by {off}");
    let pixels = image::open(&shown).unwrap().into_rgb8().into_raw();
    let off = pixels
        .iter()
        .zip(&states.picture("rgb").pixels)
        .map(|(a, b)| a.abs_diff(*b))
        .max();
    assert!(off <= Some(1), "the picture is off by {off:?}");

    // Without a state, from the frame's own start.
    assert!(
        nca_model(&[
            "run",
            "--overwrite",
            "--model",
            "sketch",
            "--frame",
            &png,
            "--steps",
            "0",
            "--out",
            &out
        ])
        .status
        .success()
    );
    let published = golden("published.pt");
    let other = [
        "run",
        "--overwrite",
        "--model",
        published.to_str().unwrap(),
        "--state",
        &start,
        "--steps",
        "1",
        "--out",
        &out,
    ];
    expect_failure(&other, "12 x 37 x 45");
    expect_failure(
        &[
            "run",
            "--overwrite",
            "--model",
            "sketch",
            "--state",
            &png,
            "--steps",
            "1",
            "--out",
            &out,
        ],
        "holds no state",
    );
    // Where nothing can be written, nothing is computed.
    let (nowhere, fresh) = (path("no/out"), path("fresh"));
    for (out, picture, wrong) in [(&nowhere, None, &nowhere), (&fresh, Some(&shown), &shown)] {
        let mut arguments = vec!["run", "--model", "no-such-model", "--frame", &png];
        arguments.extend(["--steps", "1", "--out", out]);
        arguments.extend(picture.iter().flat_map(|picture| ["--picture", picture]));
        expect_failure(&arguments, wrong);
    }
}

/// Many errors tell their cause, and have it for a cause too.
#[test]
fn a_reason_is_given_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (text, picture) = (path("film.mp4"), path("a.png"));
    std::fs::write(&text, "no model at all").unwrap();
    std::fs::write(&picture, "no picture at all").unwrap();
    let out = path("out");
    let (folder, broken) = (path("."), path("no/such/a.flo"));
    for (arguments, reason) in [
        (&["info", &text][..], "it is neither a safetensors file"),
        (&["info", &folder], "irectory"),
        (&["convert", "sketch", &path("no/a.pt")], "No such file"),
        (
            &[
                "run", "--model", "sketch", "--frame", &picture, "--steps", "1", "--out", &out,
            ],
            "ormat",
        ),
        (
            &[
                "run", "--model", "sketch", "--state", &broken, "--steps", "1", "--out", &out,
            ],
            "No such file",
        ),
        (
            &[
                "run", "--model", "sketch", "--state", &text, "--steps", "1", "--out", &out,
            ],
            "holds no state",
        ),
    ] {
        let output = nca_model(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.matches(reason).count(), 1, "{said}");
        assert!(!said.contains("os error"), "{said}");
    }
}

#[test]
fn consistency_is_measured() {
    let output = nca_model(&[
        "consistency",
        "--model",
        "sketch",
        "--motion",
        "off",
        "--steps",
        "1",
        "--json",
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let reports: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let reports = reports.as_array().unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0]["motion"], "off");
    let scenes = reports[0]["consistency"].as_array().unwrap();
    assert_eq!(scenes.len(), 6);
    let of = |scene: &str, value: &str| {
        let row = scenes.iter().find(|row| row["scene"] == scene).unwrap();
        row[value].as_f64().unwrap()
    };
    // Brought back by whole pixels, or not moved at all, frames are the same.
    assert!(of("pan", "input_e1") < 1e-6 && of("still", "input_e10") < 1e-6);
    assert!(of("rotation", "input_e1") > 1e-3);
    // A state that stays where it is does not move with the picture.
    assert!(of("pan", "e1") > 2.0 * of("still", "e1"));
    assert!(of("still", "detail") > 0.5);
    let noise = reports[0]["noise"]["input"].as_f64().unwrap();
    assert!((noise - 5.0 / 255.0).abs() < 1e-3, "{noise}");

    expect_failure(
        &["consistency", "--model", "sketch", "--photos", "nowhere"],
        "nowhere",
    );
}

#[test]
fn consistency_of_a_clip_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let clip = |name: &str, frames: usize, value: &dyn Fn(u32, u32, u32) -> u8| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        for t in 0..frames as u32 {
            let picture = image::GrayImage::from_fn(160, 120, |x, y| image::Luma([value(x, y, t)]));
            picture.save(path.join(format!("{t:03}.png"))).unwrap();
        }
        path.to_str().unwrap().to_owned()
    };
    let texture = |x: u32, y: u32| {
        let (x, y) = (x as f32, y as f32);
        (127.0 + 50.0 * (x * 0.21 + (y * 0.1).sin()).sin() + 50.0 * (y * 0.17 - x * 0.05).cos())
            as u8
    };
    let source = clip("source", 4, &|x, y, t| texture(x + 3 * t, y));
    let moving = clip("moving", 4, &|x, y, t| 255 - texture(x + 3 * t, y));
    let glued = clip("glued", 4, &|x, y, _| texture(x, y));
    let short = clip("short", 3, &|x, y, _| texture(x, y));
    let measure = |video: &str| {
        let output = nca_model(&[
            "consistency",
            "--video",
            video,
            "--against",
            &source,
            "--json",
        ]);
        assert!(output.status.success());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["compared"].as_f64().unwrap() > 0.9);
        assert_eq!(report["pairs"], 3);
        report["e1"].as_f64().unwrap()
    };
    assert!(measure(&moving) < 0.01);
    assert!(measure(&glued) > 0.05);
    expect_failure(
        &["consistency", "--video", &short, "--against", &source],
        "one for each frame",
    );
}

#[test]
fn a_clip_is_restyled_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    // A texture that pans for longer than the state remembers.
    for t in 0..16 {
        let picture = image::RgbImage::from_fn(160, 120, |x, y| {
            let (x, y) = ((x + 4 * t) as f32, y as f32);
            let wave = (x * 0.21 + (y * 0.1).sin()).sin() + (y * 0.17 - x * 0.05).cos();
            image::Rgb([0.0, 1.0, 2.0].map(|c| (127.0 + 60.0 * (wave + c).sin()) as u8))
        });
        picture
            .save(folder.path().join(format!("{t:03}.png")))
            .unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let arguments = ["consistency", "--model", "sketch", "--clip", path, "--json"];
    let output = nca_model(&arguments);
    assert!(output.status.success());
    let reports: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |motion: &str, what: &str| {
        let mut reports = reports.as_array().unwrap().iter();
        let report = reports.find(|report| report["motion"] == motion).unwrap();
        report[what].as_f64().unwrap()
    };
    assert_eq!(of("fast", "pairs"), 15.0);
    assert!(of("fast", "e1") < 0.5 * of("off", "e1"));
    assert!(of("restart", "astray") < 0.02);
    assert!(of("fast", "astray") < of("off", "astray"));
    image::RgbImage::new(8, 8)
        .save(folder.path().join("x.png"))
        .unwrap();
    expect_failure(&arguments, "8x8");
}

/// A .flo file in which every pixel goes the same way.
fn flo(size: [i32; 2], vector: [f32; 2]) -> Vec<u8> {
    let mut bytes = b"PIEH".to_vec();
    bytes.extend(size.map(i32::to_le_bytes).as_flattened());
    let vector = vector.map(f32::to_le_bytes);
    for _ in 0..size[0] * size[1] {
        bytes.extend(vector.as_flattened());
    }
    bytes
}

#[test]
fn true_motion_is_taken_where_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [clip, truth] = ["clip", "truth"].map(path);
    for folder in [&clip, &truth, &path("truth/occlusions")] {
        std::fs::create_dir(folder).unwrap();
    }
    // No estimator finds a motion of noise by half of the picture.
    let noise = |x: u32, y: u32| (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 24;
    let (width, height) = (64, 48);
    for t in 0..2 {
        let picture = image::GrayImage::from_fn(width, height, |x, y| {
            image::Luma([noise(x + 24 * t, y) as u8])
        });
        picture.save(format!("{clip}/{t}.png")).unwrap();
    }
    // What leaves the picture, and a row more.
    let mask = image::GrayImage::from_fn(width, height, |x, y| {
        image::Luma([if x < 24 || y == 0 { 255 } else { 0 }])
    });
    mask.save(path("truth/occlusions/0.png")).unwrap();
    let arguments = [
        "consistency",
        "--video",
        &clip,
        "--against",
        &clip,
        "--truth",
        &truth,
        "--json",
    ];

    let of_nothing = ["consistency", "--model", "sketch", "--truth", &truth];
    assert_eq!(nca_model(&of_nothing).status.code(), Some(2));
    expect_failure(&arguments, "0.flo");
    std::fs::write(path("truth/0.flo"), flo([64, 48], [-24.0, 0.0])).unwrap();
    let output = nca_model(&arguments);
    assert!(output.status.success());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["e1"], 0.0);
    assert_eq!(report["compared"], 40.0 * 47.0 / (64.0 * 48.0));

    for (bytes, needle) in [
        (flo([64, 40], [0.0; 2]), "the mask"),
        (b"PIE".to_vec(), "shorter than its header"),
        (vec![0; 5000], "PIEH"),
        (flo([64, 48], [0.0; 2])[..999].to_vec(), "987 bytes"),
    ] {
        std::fs::write(path("truth/0.flo"), bytes).unwrap();
        expect_failure(&arguments, needle);
    }
    std::fs::remove_dir_all(path("truth/occlusions")).unwrap();
    std::fs::write(path("truth/0.flo"), flo([48, 64], [0.0; 2])).unwrap();
    expect_failure(&arguments, "the true motion is that of 48x64 pixels");
}

#[test]
fn wrong_usage_is_told_apart() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["info"],
        &["run", "--model", "sketch", "--steps", "1", "--out", "x"],
        &["consistency"],
        &["consistency", "--video", "x"],
        &["consistency", "--model", "sketch", "--motion", "sideways"],
    ] {
        assert_eq!(nca_model(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn hostile_models_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, attack) in attacks::all() {
        let (bytes, words) = attack();
        let path = folder.path().join(format!("{name}.pt"));
        std::fs::write(&path, bytes).unwrap();
        expect_failure(&["info", path.to_str().unwrap()], words);
    }
    let cases = common::workspace().join("../shared/cases/models");
    let Ok(cases) = std::fs::read_dir(&cases) else {
        println!(
            "skipped: there are no hostile models at {}",
            cases.display()
        );
        return;
    };
    for case in cases {
        let path = case.unwrap().path();
        expect_failure(&["info", path.to_str().unwrap()], "is not a usable model");
    }
}

/// As on a full disk.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_become_so_large_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("in.png");
    image::RgbImage::new(64, 64).save(&picture).unwrap();
    let out = folder.path().join("out");
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 8 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_nca-model"))
        .args([
            "run",
            "--model",
            "sketch",
            "--backend",
            "cpu",
            "--steps",
            "1",
        ])
        .args(["--frame".as_ref(), picture.as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
