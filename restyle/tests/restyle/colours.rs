//! Colours come through.

use std::path::{Path, PathBuf};

use crate::command::must;
use crate::inspect::inspect;
use crate::samples::Folder;

/// bt601 and bt709, limited and full range, in GStreamer's notation of range, matrix, transfer
/// function and primaries.
const COLORIMETRIES: [(&str, &str); 4] = [
    ("bt601 limited", "bt601"),
    ("bt601 full", "1:4:16:4"),
    ("bt709 limited", "bt709"),
    ("bt709 full", "1:3:5:1"),
];

fn sample(folder: &Folder, name: &str, pattern: &str, colorimetry: &str) -> Option<PathBuf> {
    let muxer = if name.ends_with("mkv") {
        "matroskamux"
    } else {
        "mp4mux"
    };
    folder.make(
        name,
        &format!(
            "videotestsrc {pattern} num-buffers=3 ! \
             video/x-raw,format=I420,width=64,height=48,colorimetry=(string){colorimetry} ! \
             x264enc pass=quant quantizer=4 ! video/x-h264,profile=high ! {muxer}"
        ),
    )
}

#[test]
fn values_and_colorimetry_are_kept() {
    let folder = Folder::new();
    for (name, colorimetry) in COLORIMETRIES {
        // What GStreamer reads out of Matroska is right, so that it can be asked.
        let Some(reference) = sample(&folder, "in.mkv", "pattern=smpte75", colorimetry) else {
            return;
        };
        let before = inspect(&reference);
        assert_eq!(before.info.colorimetry().to_string(), colorimetry, "{name}");
        let Some(in_mp4) = sample(&folder, "in.mp4", "pattern=smpte75", colorimetry) else {
            return;
        };
        for (input, output) in [
            (&reference, "out.mkv"),
            (&reference, "out.webm"),
            (&in_mp4, "out.mkv"),
            (&in_mp4, "out.webm"),
        ] {
            let output = folder.path(output);
            must(input, &output, &["--overwrite", "--quality", "4"]);
            let after = inspect(&output);
            let case = format!("{name}, {} to {}", input.display(), output.display());
            let (was, is) = (before.info.colorimetry(), after.info.colorimetry());
            assert_eq!(
                (is.matrix(), is.range()),
                (was.matrix(), was.range()),
                "{case}"
            );
            let difference = before.frames[1].difference(&after.frames[1]);
            let near = difference.iter().all(|levels| *levels < 2.5);
            assert!(near, "{case}: {difference:?} levels");
        }
        for input in [&reference, &in_mp4] {
            let output = folder.path("out.mp4");
            must(input, &output, &["--overwrite"]);
            assert_eq!(stored_in_mp4(&output), stored_in_mp4(&in_mp4), "{name}");
        }
    }
}

/// Primaries, transfer function, matrix and range as the box for colours of an MP4 file has them.
fn stored_in_mp4(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let name = b"colrnclx";
    let at = bytes.windows(name.len()).position(|window| window == name);
    let start = at.expect("no colours") + name.len();
    bytes[start..start + 7].to_vec()
}

#[test]
fn brightness_does_not_shift() {
    let folder = Folder::new();
    for (name, colorimetry) in COLORIMETRIES {
        for (colour, value) in [
            ("black", 0xff00_0000_u32),
            ("grey", 0xff80_8080),
            ("white", 0xffff_ffff),
        ] {
            let pattern = format!("pattern=solid-color foreground-color={value}");
            let Some(sample) = sample(&folder, "in.mp4", &pattern, colorimetry) else {
                return;
            };
            let output = folder.path("out.mp4");
            must(&sample, &output, &["--overwrite", "--quality", "4"]);
            let difference = inspect(&sample).frames[0].difference(&inspect(&output).frames[0]);
            assert!(
                difference.iter().all(|levels| *levels <= 2.0),
                "{name} {colour}: {difference:?} levels"
            );
        }
    }
}
