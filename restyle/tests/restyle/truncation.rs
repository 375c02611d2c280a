//! A file whose end is missing: what there is of it, a warning, and an exit code of its own.

use std::path::Path;

use crate::command::{must, unchanged};
use crate::ffmpeg::{ffmpeg, has_ffmpeg, times};
use crate::inspect::inspect;
use crate::samples::{Folder, bars, film, h264, write};

fn truncate(path: &Path, of_a_hundred: usize) {
    let bytes = std::fs::read(path).unwrap();
    write(path, &bytes[..bytes.len() * of_a_hundred / 100]);
}

fn incomplete(input: &Path, output: &Path) {
    let done = unchanged(input, output, &["--motion", "off", "--overwrite"]);
    let errors = String::from_utf8(done.stderr).unwrap();
    let name = input.file_name().unwrap().to_str().unwrap();
    assert_eq!(done.status.code(), Some(3), "{name}: {errors}");
    assert!(
        errors.contains("warning") && errors.contains(name),
        "{errors}"
    );
    assert!(errors.contains("its end is missing"), "{errors}");
    let quiet = unchanged(
        input,
        output,
        &["--motion", "off", "--overwrite", "--quiet"],
    );
    assert_eq!(quiet.status.code(), Some(3), "{name}");
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "", "{name}");
}

#[test]
fn films() {
    let folder = Folder::new();
    let output = folder.path("out.mkv");
    let caps = "width=64,height=48,framerate=24/1";
    let flv = format!("{} ! x264enc ! h264parse ! flvmux", bars(96, caps));
    let ogg = format!("{} ! theoraenc ! oggmux", bars(96, caps));
    for (name, pipeline) in [
        ("a.mp4", h264(96, caps, "mp4mux faststart=true")),
        ("a.mov", h264(96, caps, "qtmux faststart=true")),
        ("a.mkv", h264(96, caps, "matroskamux")),
        ("a.avi", h264(96, caps, "avimux")),
        ("a.flv", flv),
        ("a.ogv", ogg),
    ] {
        let Some(input) = folder.make(name, &pipeline) else {
            continue;
        };
        must(&input, &output, &["--motion", "off", "--overwrite"]);
        let all = inspect(&output).frames.len();
        truncate(&input, 60);
        incomplete(&input, &output);
        let some = inspect(&output).frames.len();
        assert!(some > 0 && some < all, "{name}: {some} of {all} frames");
    }
}

#[test]
fn pictures() {
    let folder = Folder::new();
    let noise = image::RgbImage::from_fn(160, 120, |x, y| {
        image::Rgb([x as u8 ^ y as u8, (x * y) as u8, (x * 7 + y * 3) as u8])
    });
    let output = folder.path("out.png");
    let input = folder.path("a.jpg");
    noise.save(&input).unwrap();
    must(&input, &output, &["--overwrite"]);
    truncate(&input, 60);
    incomplete(&input, &output);
    assert_eq!(image::image_dimensions(&output).unwrap(), (160, 120));
    std::fs::remove_file(&output).unwrap();
    // Of the others nothing is shown that is not all there.
    for name in ["a.png", "a.webp", "a.bmp", "a.tif", "a.gif"] {
        let input = folder.path(name);
        noise.save(&input).unwrap();
        must(&input, &output, &["--overwrite"]);
        std::fs::remove_file(&output).unwrap();
        truncate(&input, 60);
        let done = unchanged(&input, &output, &[]);
        let errors = String::from_utf8(done.stderr).unwrap();
        assert!(
            [Some(1), Some(3)].contains(&done.status.code()),
            "{name}: {errors}"
        );
        assert!(errors.contains(name), "{errors}");
        let _ = std::fs::remove_file(&output);
    }
}

/// Other people's.
#[test]
fn found_ones() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases");
    let folder = Folder::new();
    for (name, output) in [
        ("films/truncated-faststart.mp4", "out.mp4"),
        ("pictures/truncated.jpg", "out.png"),
    ] {
        let input = cases.join(name);
        if input.exists() {
            incomplete(&input, &folder.path(output));
        } else {
            println!("skipped: there is no {}", input.display());
        }
    }
}

#[test]
fn one_that_is_whole_is_not_taken_for_truncated() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    assert_eq!(
        must(&film, &folder.path("out.mp4"), &["--motion", "off"]),
        ""
    );
}

/// In the middle of its index, where the sizes of the frames are.
#[test]
fn a_film_whose_index_is_damaged() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let (film, output) = (folder.path("a.mp4"), folder.path("out.mkv"));
    ffmpeg(
        "-f lavfi -i testsrc2=s=96x64:r=20:d=6 -f lavfi -i sine=d=6 -c:v libx264 -c:a aac",
        &film,
    );
    let bytes = std::fs::read(&film).unwrap();
    let find = |name: &[u8]| bytes.windows(4).position(|it| it == name).unwrap();
    for (place, value) in [
        // The size of the tenth frame, and how many samples the first chunk has.
        (find(b"stsz") + 16 + 9 * 4, 0xff),
        (find(b"stsc") + 16, 0xff),
        // Where the first frames are.
        (find(b"stco") + 12, 0x7f),
    ] {
        let mut bytes = bytes.clone();
        bytes[place] = value;
        write(&film, &bytes);
        let done = unchanged(&film, &output, &["--motion", "off", "--overwrite"]);
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(!said.contains("CRITICAL"), "{said}");
        let is_said = match done.status.code() {
            Some(0) => times(&output, "v").len() == 120,
            Some(3) => said.contains("it is damaged"),
            Some(1) => said.contains("a.mp4"),
            _ => false,
        };
        assert!(is_said, "{place}: {:?}, {said}", done.status.code());
    }
}
