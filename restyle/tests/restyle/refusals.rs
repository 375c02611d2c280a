//! What cannot be done is said in one sentence, and nothing is touched.

use std::path::Path;

use crate::command::{finish, restyle, succeeded, unchanged};
use crate::ffmpeg::{ffmpeg, has_ffmpeg};
use crate::samples::{Folder, film, tone, write};

/// That it fails with one line that holds these words, and leaves the folder as it was.
pub fn refused(folder: &Folder, input: &Path, output: &Path, options: &[&str], words: &[&str]) {
    let before = folder.names();
    let done = unchanged(input, output, options);
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for word in words {
        assert!(errors.contains(word), "{word} is not in: {errors}");
    }
    assert_eq!(folder.names(), before);
}

#[test]
fn an_existing_output_is_kept_unless_told() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let output = folder.path("out.mp4");
    write(&output, b"precious");
    refused(&folder, &film, &output, &[], &["out.mp4", "--overwrite"]);
    assert_eq!(std::fs::read(&output).unwrap(), b"precious");
    // A failure later on keeps it too.
    let options = ["--overwrite", "--model", "no-such-model"];
    refused(&folder, &film, &output, &options, &["no-such-model"]);
    // Nor is a reason given twice.
    let picture = folder.path("in.png");
    image::RgbImage::new(16, 16).save(&picture).unwrap();
    let options = ["--model", film.to_str().unwrap()];
    let done = unchanged(&picture, &folder.path("out.png"), &options);
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(errors.matches("it is neither").count(), 1, "{errors}");
    std::fs::remove_file(picture).unwrap();
    assert_eq!(std::fs::read(&output).unwrap(), b"precious");
    succeeded(unchanged(&film, &output, &["--overwrite"]));
    assert_ne!(std::fs::read(&output).unwrap(), b"precious");
}

/// The picture begins after the sound.
#[test]
fn a_part_without_a_frame_replaces_nothing() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let (film, late) = (folder.path("film.mp4"), folder.path("late.mkv"));
    ffmpeg(
        "-f lavfi -i testsrc2=s=96x64:r=20:d=1 -f lavfi -i sine=d=5 -c:v libx264 -c:a aac",
        &film,
    );
    let name = film.display();
    ffmpeg(
        &format!("-itsoffset 4 -i {name} -i {name} -map 0:v -map 1:a -c copy"),
        &late,
    );
    for name in ["out.mp4", "out.mkv", "out.webm"] {
        let output = folder.path(name);
        write(&output, b"precious");
        for part in [
            &["--duration", "1"][..],
            &["--start", "2", "--duration", "1"],
        ] {
            let options = [&["--overwrite", "--motion", "off"], part].concat();
            refused(&folder, &late, &output, &options, &["late.mkv", "no frame"]);
            assert_eq!(std::fs::read(&output).unwrap(), b"precious");
        }
    }
}

#[test]
fn the_input_is_never_replaced() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let before = std::fs::read(&film).unwrap();
    let link = folder.path("link.mp4");
    std::fs::hard_link(&film, &link).unwrap();
    for output in [&film, &link] {
        let done = unchanged(&film, output, &["--overwrite"]);
        let errors = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{errors}");
        assert!(errors.contains("same file"), "{errors}");
    }
    assert_eq!(std::fs::read(&film).unwrap(), before);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::new();
    let output = folder.path("out.mp4");
    let missing = folder.path("missing.mp4");
    refused(
        &folder,
        &missing,
        &output,
        &[],
        &["missing.mp4", "No such file or directory"],
    );
    let text = folder.path("text.mp4");
    write(
        &text,
        b"This is not a film at all, whatever its name says.\n",
    );
    refused(&folder, &text, &output, &[], &["text.mp4"]);
    let empty = folder.path("empty.mp4");
    write(&empty, b"");
    refused(&folder, &empty, &output, &[], &["empty.mp4"]);
    let noise = folder.path("noise.mp4");
    let bytes: Vec<u8> = (0..100_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    write(&noise, &bytes);
    refused(&folder, &noise, &output, &[], &["noise.mp4"]);
    let broken = folder.path("broken.png");
    write(&broken, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    refused(
        &folder,
        &broken,
        &folder.path("out.png"),
        &[],
        &["broken.png", "picture"],
    );
    for (name, bytes, kind) in [
        ("a.heic", &b"\0\0\0\x18ftypheic\0\0\0\0"[..], "HEIC"),
        ("a.avif", b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        ("a.jxl", b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    ] {
        let input = folder.path(name);
        write(&input, bytes);
        for output in ["out.png", "out.mp4"] {
            let output = folder.path(output);
            let words = [name, kind, "PNG, JPEG, WebP, BMP, TIFF and GIF"];
            refused(&folder, &input, &output, &[], &words);
        }
    }
    std::fs::create_dir(folder.path("folder")).unwrap();
    let done = unchanged(&folder.path("folder"), &output, &[]);
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{errors}");
    assert!(errors.contains("has no files"), "{errors}");
}

#[test]
fn sound_alone_is_no_film() {
    let folder = Folder::new();
    let sound = tone("vorbisenc").replace("mux.", "oggmux");
    let Some(sound) = folder.make(
        "sound.ogg",
        &sound.replace("! vorbisenc", "! audioconvert ! vorbisenc"),
    ) else {
        return;
    };
    refused(
        &folder,
        &sound,
        &folder.path("out.mp4"),
        &[],
        &["sound.ogg", "no video"],
    );
}

#[test]
fn damaged_films_end() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let bytes = std::fs::read(&film).unwrap();
    let damaged = folder.path("damaged.mp4");
    for seed in 0..12_usize {
        let mut bytes = bytes.clone();
        if seed < 4 {
            bytes.truncate(bytes.len() * (seed + 1) / 5);
        } else {
            for index in 0..20 {
                let at = (index * 7919 + seed * 104_729) % bytes.len();
                bytes[at] ^= 0x55;
            }
        }
        write(&damaged, &bytes);
        let output = folder.path("out.mkv");
        let done = unchanged(&damaged, &output, &["--overwrite"]);
        let errors = String::from_utf8(done.stderr).unwrap();
        // Damage that decoders conceal is no failure; what fails leaves no file.
        match done.status.code() {
            Some(0 | 3) => std::fs::remove_file(&output).unwrap(),
            code => assert_eq!(code, Some(1), "{errors}"),
        }
        assert!(!errors.contains("panicked"), "{errors}");
        assert_eq!(folder.names(), ["damaged.mp4", "film.mp4"]);
    }
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let nowhere = folder.path("no/such/folder.mp4");
    refused(
        &folder,
        &film,
        &nowhere,
        &[],
        &["folder.mp4", "cannot be written"],
    );
    for name in ["out.txt", "out", "out.gif", "out.heic", "out.avif"] {
        let kinds = [
            name, ".mp4", ".webm", ".png", ".jpg", ".webp", ".bmp", ".tif",
        ];
        refused(&folder, &film, &folder.path(name), &[], &kinds);
    }
    refused(
        &folder,
        &film,
        &folder.path("out.png"),
        &[],
        &["out.png", "video"],
    );
}

#[test]
fn options_that_do_not_go_together() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let (mp4, webm) = (folder.path("out.mp4"), folder.path("out.webm"));
    refused(
        &folder,
        &film,
        &mp4,
        &["--encoder", "nosuchenc"],
        &["nosuchenc"],
    );
    refused(
        &folder,
        &film,
        &mp4,
        &["--encoder", "videoconvert"],
        &["not a video encoder"],
    );
    refused(
        &folder,
        &film,
        &webm,
        &["--encoder", "x264enc"],
        &["WebM", "x264enc"],
    );
    refused(
        &folder,
        &film,
        &mp4,
        &["--encoder", "vp9enc"],
        &["VP9", ".webm"],
    );
    refused(&folder, &film, &mp4, &["--quality", "60"], &["51"]);
    refused(&folder, &film, &mp4, &["--start", "100"], &["ends at"]);
    refused(&folder, &film, &mp4, &["--fps", "30"], &["--fps"]);
}

/// As `nca-restyle ... 2>&1 | head -1` does it.
#[test]
fn nobody_has_to_read_what_is_said() {
    let folder = Folder::new();
    let mut command = restyle([folder.path("missing.mp4"), folder.path("out.mp4")]);
    let mut child = command.spawn().unwrap();
    drop(child.stderr.take());
    drop(child.stdout.take());
    assert_eq!(finish(child).status.code(), Some(1));
}

#[test]
fn wrong_usage_has_a_code_of_its_own() {
    for args in [
        &[][..],
        &["one.mp4"],
        &["a.mp4", "b.mp4", "c.mp4"],
        &["a.mp4", "b.mp4", "--steps", "-1"],
        &["a.mp4", "b.mp4", "--strength", "2"],
        &["a.mp4", "b.mp4", "--size", "big"],
        &["a.mp4", "b.mp4", "--start", "soon"],
        &["a.mp4", "b.mp4", "--bitrate", "100", "--quality", "20"],
        &["a.mp4", "b.mp4", "--no-such-option"],
    ] {
        let done = finish(restyle(args).spawn().unwrap());
        assert_eq!(done.status.code(), Some(2), "{args:?}");
        assert!(!done.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn several_files_go_on_after_a_failure() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let picture = folder.path("picture.png");
    image::RgbImage::new(16, 16).save(&picture).unwrap();
    let text = folder.path("text.avi");
    write(&text, b"not a film");
    let into = folder.path("into");
    let mut command = restyle([&film, &text, &picture]);
    command.arg("-o").arg(&into).args(["--steps", "1"]);
    let done = finish(command.spawn().unwrap());
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("text.avi") && errors.contains("1 of 3"),
        "{errors}"
    );
    assert!(into.join("film.mp4").is_file() && into.join("picture.png").is_file());
    assert_eq!(std::fs::read_dir(&into).unwrap().count(), 2);
}
