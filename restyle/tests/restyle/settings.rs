//! Files of settings, and what is written to them.

use std::path::{Path, PathBuf};

use image::RgbImage;

use crate::command::{finish, restyle, succeeded};
use crate::inspect::inspect;
use crate::samples::{Folder, film, write};

/// A model with a painter, on cells of 2x2 pixels.
fn painter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/painter/cells-2.safetensors")
}

fn picture(folder: &Folder) -> PathBuf {
    let path = folder.path("in.png");
    let colour = |x: u32, y: u32| image::Rgb([(5 * x) as u8, (7 * y) as u8, (x * y / 3) as u8]);
    RgbImage::from_fn(48, 36, colour).save(&path).unwrap();
    path
}

fn run(args: &[&Path], options: &[&str]) -> (i32, String) {
    let mut command = restyle(args);
    let done = finish(command.args(options).spawn().unwrap());
    let said = String::from_utf8(done.stderr).unwrap();
    (done.status.code().unwrap(), said)
}

#[test]
fn settings_are_saved_and_read() {
    let folder = Folder::new();
    let input = picture(&folder);
    let look = folder.path("look.json");
    let look = look.to_str().unwrap();
    let pixels = |name: &str, options: &[&str]| {
        let output = folder.path(name);
        let mut command = restyle([&input, &output]);
        succeeded(finish(command.args(options).spawn().unwrap()));
        image::open(output).unwrap().into_rgb8()
    };
    let options = [
        "--steps",
        "5",
        "--strength",
        "0.5",
        "--model",
        "wave",
        "--seed",
        "9",
    ];
    let first = pixels(
        "first.png",
        &[&options[..], &["--save-settings", look]].concat(),
    );
    assert_eq!(first, pixels("again.png", &["--settings", look]));
    assert_eq!(first, pixels("options.png", &options));
    assert_ne!(first, pixels("plain.png", &["--steps", "5"]));
    // Options win over the file, wherever they stand.
    let over = ["--strength", "1", "--settings", look, "--seed", "9"];
    let full = pixels("full.png", &over);
    assert_ne!(first, full);
    assert_eq!(
        full,
        pixels(
            "all.png",
            &["--steps", "5", "--model", "wave", "--seed", "9"]
        )
    );

    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(look).unwrap()).unwrap();
    let expected = serde_json::json!({"version": 1, "settings": {
        "model": "wave", "steps": 5, "strength": 0.5, "seed": 9, "motion-quality": "balanced",
    }});
    assert_eq!(json, expected);
}

/// With nothing to restyle, and with a file to begin with.
#[test]
fn settings_alone_are_saved() {
    let folder = Folder::new();
    let (one, two) = (folder.path("one.json"), folder.path("two.json"));
    let [first, second] = [&one, &two].map(|path| path.to_str().unwrap());
    assert_eq!(
        run(&[], &["--save-settings", first, "--stroke", "2"]),
        (0, String::new())
    );
    let options = [
        "--settings",
        first,
        "--save-settings",
        second,
        "--scale",
        "0.5",
    ];
    assert_eq!(run(&[], &options), (0, String::new()));
    let text = std::fs::read_to_string(&two).unwrap();
    assert_eq!(
        text,
        "{\n  \"version\": 1,\n  \"settings\": {\n    \"scale\": 0.5,\n    \"stroke\": 2.0,\n    \
         \"motion-quality\": \"balanced\"\n  }\n}\n"
    );
    assert_eq!(folder.names(), ["one.json", "two.json"]);
}

#[test]
fn what_is_there_is_not_replaced_by_settings() {
    let folder = Folder::new();
    let input = picture(&folder);
    let before = std::fs::read(&input).unwrap();
    let (look, output) = (folder.path("look.json"), folder.path("out.png"));
    write(&look, b"precious");
    let save = ["--save-settings", look.to_str().unwrap()];
    let (code, said) = run(&[&input, &output], &save);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("look.json exists already; --overwrite"),
        "{said}"
    );
    assert_eq!(std::fs::read(&look).unwrap(), b"precious");
    // A film is not taken for settings, whatever is said.
    let slip = ["--overwrite", "--save-settings", input.to_str().unwrap()];
    let (code, said) = run(&[&input, &output], &slip);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("in.png is read and would be replaced"),
        "{said}"
    );
    let other = folder.path("other.mp4");
    let slip = ["--save-settings", other.to_str().unwrap()];
    let (code, said) = run(&[&input, &output], &slip);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("other.mp4") && said.contains("must end in .json"),
        "{said}"
    );
    assert_eq!(std::fs::read(&input).unwrap(), before);
    let nowhere = ["--save-settings", "/no/such/folder/look.json"];
    let (code, said) = run(&[&input, &output], &nowhere);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("the folder /no/such/folder does not exist"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(folder.names(), ["in.png", "look.json"]);
    let (code, said) = run(&[], &[&save[..], &["--overwrite"]].concat());
    assert_eq!(code, 0, "{said}");
    assert_ne!(std::fs::read(&look).unwrap(), b"precious");
}

#[test]
fn settings_that_cannot_be_read() {
    let folder = Folder::new();
    let (input, output) = (picture(&folder), folder.path("out.png"));
    let look = folder.path("look.json");
    for (content, words) in [
        (
            "{\"version\": 1,\n\"settings\": {\"scale\": 5}}",
            "line 2: scale is 5; a number from 0.1 to 1 is needed",
        ),
        (
            "{\"version\": 1, \"settings\": {\"colour\": 5}}",
            "there is no setting \"colour\"",
        ),
        ("not json", "a file of settings is {"),
    ] {
        write(&look, content.as_bytes());
        let (code, said) = run(&[&input, &output], &["--settings", look.to_str().unwrap()]);
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains("look.json: ") && said.contains(words),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let missing = ["--settings", "/no/such.json"];
    let (code, said) = run(&[&input, &output], &missing);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("/no/such.json: No such file"), "{said}");
    assert!(!output.exists());
}

/// What cannot be meant is still wrong usage: only settings that are saved need nothing to restyle.
#[test]
fn paths_may_be_left_out_only_to_save() {
    for options in [&["--settings", "look.json"][..], &["--stroke", "2"]] {
        assert_eq!(run(&[], options).0, 2, "{options:?}");
    }
    assert_eq!(
        run(&[Path::new("one.png")], &["--save-settings", "look.json"]).0,
        2
    );
    assert!(!Path::new("look.json").exists());
}

#[test]
fn stroke_changes_what_a_painter_paints() {
    let folder = Folder::new();
    let input = picture(&folder);
    let painter = painter();
    for (model, changes) in [(painter.to_str().unwrap(), true), ("sketch", false)] {
        let pixels = |stroke: &str| {
            let output = folder.path("out.png");
            let options = [
                "--overwrite",
                "--steps",
                "4",
                "--model",
                model,
                "--stroke",
                stroke,
            ];
            let mut command = restyle([&input, &output]);
            succeeded(finish(command.args(options).spawn().unwrap()));
            image::open(output).unwrap().into_rgb8()
        };
        let plain = pixels("1");
        assert_eq!(plain.dimensions(), (48, 36));
        assert_eq!(plain != pixels("3"), changes, "{model}");
    }
}

#[test]
fn a_film_takes_settings_of_a_file() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    // Beside the file, and named without a folder.
    std::fs::copy(painter(), folder.path("brush.safetensors")).unwrap();
    let look = folder.path("look.json");
    let settings = r#"{"version": 1, "settings": {"model": "brush.safetensors", "stroke": 3, "steps": 1,
        "warmup": 4, "backend": "cpu", "motion": "off"}}"#;
    write(&look, settings.as_bytes());
    let frames = |name: &str, options: &[&str]| {
        let output = folder.path(name);
        let mut command = restyle([&film, &output]);
        command.args(["--settings", look.to_str().unwrap()]);
        succeeded(finish(command.args(options).spawn().unwrap()));
        inspect(&output).frames
    };
    let (wide, usual) = (
        frames("wide.mkv", &[]),
        frames("usual.mkv", &["--stroke", "1"]),
    );
    assert_eq!(wide.len(), usual.len());
    let [luma, ..] = wide[0].difference(&usual[0]);
    assert!(luma > 1.0, "strokes of another size: {luma}");
}
