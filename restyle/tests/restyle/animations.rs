//! Pictures that move become videos with their own frame times.

use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::webp::WebPEncoder;
use image::{Delay, Frame, Rgba, RgbaImage};

use crate::command::{finish, must, unchanged};
use crate::inspect::inspect;
use crate::samples::{Folder, write};

/// What is shown for how many milliseconds.
const FRAMES: [([u8; 3], u32); 4] = [
    ([200, 0, 0], 200),
    ([0, 200, 0], 500),
    // Browsers take it for no time that was asked for, and show it for a tenth of a second.
    ([0, 0, 200], 0),
    ([200, 200, 0], 300),
];
const TIMES: [u64; 4] = [0, 200, 700, 800];

fn pixels([r, g, b]: [u8; 3]) -> RgbaImage {
    RgbaImage::from_pixel(32, 24, Rgba([r, g, b, 255]))
}

/// Repeats for ever, as most do.
fn gif(path: &Path, frames: usize) {
    let mut encoder = GifEncoder::new(std::fs::File::create(path).unwrap());
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for (colour, ms) in &FRAMES[..frames] {
        let delay = Delay::from_numer_denom_ms(*ms, 1);
        let frame = Frame::from_parts(pixels(*colour), 0, 0, delay);
        encoder.encode_frame(frame).unwrap();
    }
}

fn png(path: &Path) {
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), 32, 24);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_animated(FRAMES.len() as u32, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for (colour, ms) in FRAMES {
        writer.set_frame_delay(ms as u16, 1000).unwrap();
        writer.write_image_data(&pixels(colour)).unwrap();
    }
    writer.finish().unwrap();
}

/// A chunk of a WebP file.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u32).to_le_bytes();
    let mut chunk = [&name[..], &size, content].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

fn webp(path: &Path) {
    const ANIMATED: u8 = 2;
    let size = [31, 0, 0, 23, 0, 0];
    let mut content = b"WEBP".to_vec();
    content.extend(chunk(b"VP8X", &[&[ANIMATED, 0, 0, 0][..], &size].concat()));
    content.extend(chunk(b"ANIM", &[255, 255, 255, 255, 0, 0]));
    for (colour, ms) in FRAMES {
        let mut still = Vec::new();
        let encoder = WebPEncoder::new_lossless(&mut still);
        encoder
            .encode(&pixels(colour), 32, 24, image::ExtendedColorType::Rgba8)
            .unwrap();
        let mut frame = vec![0; 6];
        frame.extend(size);
        frame.extend(&ms.to_le_bytes()[..3]);
        // Not blended with what was there before.
        frame.push(2);
        // After the header, the compressed picture.
        frame.extend(&still[12..]);
        content.extend(chunk(b"ANMF", &frame));
    }
    write(path, &chunk(b"RIFF", &content));
}

/// The length is exact to what an MP4 muxer makes of the last frame.
fn check(path: &Path, times: &[u64], duration: u64) {
    let after = inspect(path);
    let shown: Vec<_> = after.frames.iter().map(|frame| frame.time).collect();
    assert_eq!(
        shown,
        times
            .iter()
            .map(|ms| gst::ClockTime::from_mseconds(*ms))
            .collect::<Vec<_>>(),
        "{}",
        path.display()
    );
    let is_mp4 = path.extension().is_some_and(|extension| extension == "mp4");
    let tolerance = if is_mp4 { 100 } else { 1 };
    let length = after.duration.mseconds();
    assert!(
        length.abs_diff(duration) <= tolerance,
        "{}: {length}",
        path.display()
    );
}

#[test]
fn they_are_shown_once_with_their_times() {
    let folder = Folder::new();
    let [a, b, c] = ["a.gif", "b.png", "c.webp"].map(|name| folder.path(name));
    gif(&a, FRAMES.len());
    png(&b);
    webp(&c);
    for input in [a, b, c] {
        for output in ["out.mp4", "out.mkv"] {
            let output = folder.path(output);
            must(&input, &output, &["--overwrite", "--motion", "off"]);
            check(&output, &TIMES, 1100);
        }
    }
}

#[test]
fn a_part_keeps_the_times_of_its_frames() {
    let folder = Folder::new();
    let (input, output) = (folder.path("a.gif"), folder.path("out.mkv"));
    gif(&input, FRAMES.len());
    let part = ["--overwrite", "--motion", "off", "--start", "0.3"];
    must(&input, &output, &part);
    check(&output, &[0, 400, 500], 800);
    must(
        &input,
        &output,
        &[&part[..], &["--duration", "0.45"]].concat(),
    );
    check(&output, &[0, 400], 450);
    let before = std::fs::read(&output).unwrap();
    let done = unchanged(&input, &output, &["--overwrite", "--start", "1.2"]);
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{errors}");
    assert!(errors.contains("before the start"), "{errors}");
    assert_eq!(std::fs::read(&output).unwrap(), before);
}

#[test]
fn a_gif_that_does_not_move_is_a_picture() {
    let folder = Folder::new();
    let input = folder.path("still.gif");
    gif(&input, 1);
    for output in ["out.mp4", "out.webm"] {
        let done = unchanged(&input, &folder.path(output), &[]);
        let errors = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains("does not move") && errors.contains(".png"),
            "{errors}"
        );
    }
    let output = folder.path("out.png");
    must(&input, &output, &[]);
    assert_eq!(
        image::open(&output).unwrap().into_rgba8(),
        pixels(FRAMES[0].0)
    );
    assert_eq!(folder.names(), ["out.png", "still.gif"]);
}

/// Of a picture that moves, a picture shows the first frame.
#[test]
fn a_picture_of_one_that_moves() {
    let folder = Folder::new();
    let (input, output) = (folder.path("a.gif"), folder.path("out.png"));
    gif(&input, FRAMES.len());
    must(&input, &output, &[]);
    assert_eq!(
        image::open(&output).unwrap().into_rgba8(),
        pixels(FRAMES[0].0)
    );
}

#[test]
fn what_there_is_of_a_damaged_one_is_shown() {
    let folder = Folder::new();
    let (input, output) = (folder.path("a.gif"), folder.path("out.mkv"));
    gif(&input, FRAMES.len());
    let bytes = std::fs::read(&input).unwrap();
    write(&input, &bytes[..bytes.len() * 5 / 8]);
    let done = unchanged(&input, &output, &["--motion", "off"]);
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(3), "{errors}");
    assert!(errors.contains("a.gif"), "{errors}");
    assert!(!inspect(&output).frames.is_empty());
}

/// What is transparent lies on white, where what is written is not.
#[test]
fn what_is_transparent_lies_on_white() {
    let folder = Folder::new();
    let (input, output) = (folder.path("a.png"), folder.path("out.mkv"));
    let mut encoder = png::Encoder::new(std::fs::File::create(&input).unwrap(), 32, 24);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for _ in 0..2 {
        writer.set_frame_delay(1, 10).unwrap();
        let hidden = RgbaImage::from_pixel(32, 24, Rgba([0, 0, 0, 0]));
        writer.write_image_data(&hidden).unwrap();
    }
    writer.finish().unwrap();
    must(&input, &output, &["--motion", "off"]);
    for frame in inspect(&output).frames {
        assert!(frame.planes[0].iter().all(|level| *level >= 230));
    }
    let options = ["--fps", "30"];
    let mut command = crate::command::restyle([&input, &folder.path("x.mkv")]);
    let done = finish(command.args(options).spawn().unwrap());
    assert_eq!(done.status.code(), Some(1));
}

/// What has no pixels, or says that it has more than there is memory for, in a hundred bytes.
#[cfg(target_os = "linux")]
#[test]
fn sizes_that_cannot_be_are_refused() {
    use crate::command::restyle_limited;

    let folder = Folder::new();
    for (width, height, limit, words) in [
        (0, 0, "-v 8000000", "0x0 pixels"),
        (0, 7, "-v 8000000", "0x7 pixels"),
        (16_384, 16_384, "-v 6000000", "not enough memory"),
    ] {
        let input = folder.path("in.gif");
        let [w, h] = [width, height].map(u16::to_le_bytes);
        let start = [b"GIF89a", &w[..], &h, &[0x80, 0, 0], &[0; 3], &[0xff; 3]].concat();
        // Two pictures of a pixel each, in the corner.
        let delay = [0x21, 0xf9, 4, 0, 10, 0, 0, 0];
        let pixel = [0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x4c, 1, 0];
        let picture = [&delay[..], &pixel].concat();
        write(&input, &[&start[..], &picture, &picture, b";"].concat());
        for (output, words) in [("out.png", "in.gif: "), ("out.mp4", words)] {
            let output = folder.path(output);
            let mut command = restyle_limited(limit, [&input, &output]);
            let done = finish(command.args(["--threads", "1"]).spawn().unwrap());
            let errors = String::from_utf8(done.stderr).unwrap();
            assert_eq!(done.status.code(), Some(1), "{errors}");
            assert!(errors.contains(words), "{errors}");
            assert_eq!(folder.names(), ["in.gif"]);
        }
    }
}
