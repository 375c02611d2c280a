//! Pictures become pictures, or clips in which the style grows.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::tiff::TiffDecoder;
use image::{
    ExtendedColorType, ImageDecoder, ImageEncoder, ImageReader, Rgb, RgbImage, Rgba, RgbaImage,
};
use moxcms::ColorProfile;

use crate::command::{finish, must, restyle, succeeded, unchanged};
use crate::inspect::inspect;
use crate::samples::Folder;

fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(255 * x / width) as u8, (255 * y / height) as u8, 90])
    })
}

#[test]
fn a_picture_becomes_a_picture() {
    let folder = Folder::new();
    let (input, output) = (folder.path("in.png"), folder.path("out.png"));
    let original = gradient(61, 47);
    original.save(&input).unwrap();
    must(&input, &output, &[]);
    assert_eq!(image::open(&output).unwrap().into_rgb8(), original);

    let run = |name: &str, steps: &str| {
        let output = folder.path(name);
        let mut command = restyle([&input, &output]);
        succeeded(finish(command.args(["--steps", steps]).spawn().unwrap()));
        image::open(&output).unwrap().into_rgb8()
    };
    let (few, many, jpeg) = (
        run("few.png", "4"),
        run("many.png", "40"),
        run("many.jpg", "40"),
    );
    assert_eq!(few.dimensions(), (61, 47));
    assert_eq!(jpeg.dimensions(), (61, 47));
    assert_ne!(few, original);
    assert_ne!(few, many);
}

#[test]
fn transparency_is_kept() {
    let folder = Folder::new();
    let (input, output) = (folder.path("in.png"), folder.path("out.png"));
    RgbaImage::from_fn(20, 20, |x, y| Rgba([200, 100, 50, (x * y / 2) as u8]))
        .save(&input)
        .unwrap();
    let mut command = restyle([&input, &output]);
    succeeded(finish(command.args(["--steps", "4"]).spawn().unwrap()));
    let after = image::open(&output).unwrap().into_rgba8();
    for (x, y, pixel) in after.enumerate_pixels() {
        assert_eq!(u32::from(pixel[3]), x * y / 2);
    }
}

#[test]
fn the_size_of_a_picture_can_be_chosen() {
    let folder = Folder::new();
    let (input, output) = (folder.path("in.png"), folder.path("out.webp"));
    gradient(60, 40).save(&input).unwrap();
    must(&input, &output, &["--size", "31x"]);
    let after = image::open(&output).unwrap();
    assert_eq!((after.width(), after.height()), (31, 21));
}

#[test]
fn what_a_file_holds_counts_and_not_its_name() {
    let folder = Folder::new();
    let (input, output) = (folder.path("picture"), folder.path("out.png"));
    let original = gradient(16, 16);
    original
        .save_with_format(&input, image::ImageFormat::Png)
        .unwrap();
    must(&input, &output, &[]);
    assert_eq!(image::open(&output).unwrap().into_rgb8(), original);
}

#[test]
fn the_style_grows_over_a_picture() {
    let folder = Folder::new();
    let input = folder.path("in.png");
    gradient(63, 48).save(&input).unwrap();
    for (name, size) in [
        ("out.mp4", (64, 48)),
        ("out.webm", (63, 48)),
        ("out.mkv", (64, 48)),
    ] {
        let output = folder.path(name);
        let mut command = restyle([&input, &output]);
        command.args(["--duration", "1.5", "--fps", "20"]);
        succeeded(finish(command.spawn().unwrap()));
        let after = inspect(&output);
        assert_eq!(after.frames.len(), 30, "{name}");
        assert_eq!(after.framerate, gst::Fraction::new(20, 1), "{name}");
        assert_eq!((after.info.width(), after.info.height()), size, "{name}");
        let (first, last) = (&after.frames[0], &after.frames[29]);
        assert!(first.difference(last)[0] > 3.0, "{name}: nothing grows");
    }
}

#[test]
fn options_for_videos_are_refused_for_pictures() {
    let folder = Folder::new();
    let input = folder.path("in.png");
    gradient(16, 16).save(&input).unwrap();
    for (output, option) in [
        ("out.png", "--bitrate"),
        ("out.png", "--fps"),
        ("out.mp4", "--start"),
    ] {
        let mut command = restyle([input.clone(), folder.path(output)]);
        let done = finish(command.args([option, "5"]).spawn().unwrap());
        let errors = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{errors}");
        assert!(errors.contains(option), "{errors}");
    }
    assert_eq!(folder.names(), ["in.png"]);
}

/// A PNG that begins as one of this size, with next to nothing in it.
fn bomb(path: &Path, width: u32, height: u32) {
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[]).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_picture_that_is_too_large_is_refused_and_the_next_is_done() {
    use crate::command::restyle_limited;

    let folder = Folder::new();
    let good = folder.path("good.png");
    gradient(16, 16).save(&good).unwrap();
    let [square, wide, high, memory] =
        ["square.png", "wide.png", "high.png", "memory.png"].map(|name| folder.path(name));
    bomb(&square, 65_536, 65_536);
    bomb(&wide, 16_385, 1);
    bomb(&high, 1, 1_000_000);
    // Within the limit, but beyond what may be taken here.
    bomb(&memory, 16_384, 16_384);
    for (input, words) in [
        (&square, ["65536x65536", "16384 a side"]),
        (&wide, ["16385x1", "16384 a side"]),
        (&high, ["1x1000000", "16384 a side"]),
        (&memory, ["16384x16384", "not enough memory"]),
    ] {
        let into = folder.path("into");
        let mut command = restyle_limited("-v 1300000", [input, &good]);
        command.args(["--backend", "cpu", "--threads", "1", "--steps", "1"]);
        let done = finish(command.arg("-o").arg(&into).spawn().unwrap());
        let errors = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{errors}");
        assert!(words.iter().all(|word| errors.contains(word)), "{errors}");
        assert!(errors.contains("1 of 2"), "{errors}");
        let names: Vec<_> = std::fs::read_dir(&into).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        std::fs::remove_dir_all(&into).unwrap();
        // Nor does one become a clip.
        let mut command = restyle_limited("-v 1300000", [input, &folder.path("out.mp4")]);
        let done = finish(command.spawn().unwrap());
        assert_eq!(done.status.code(), Some(1));
    }
}

#[test]
fn a_size_that_is_too_large_is_refused() {
    let folder = Folder::new();
    let input = folder.path("in.png");
    gradient(16, 24).save(&input).unwrap();
    let done = unchanged(&input, &folder.path("out.png"), &["--size", "16384x"]);
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{errors}");
    assert!(errors.contains("16384 a side"), "{errors}");
    assert_eq!(folder.names(), ["in.png"]);
}

/// Black, and nothing of it to be seen in the left half.
fn half_hidden(path: &Path) {
    RgbaImage::from_fn(40, 30, |x, _| Rgba([0, 0, 0, if x < 20 { 0 } else { 255 }]))
        .save(path)
        .unwrap();
}

#[test]
fn what_is_transparent_lies_on_white_where_nothing_can_be() {
    let folder = Folder::new();
    let input = folder.path("in.png");
    half_hidden(&input);
    for output in ["out.jpg", "out.bmp"] {
        let output = folder.path(output);
        must(&input, &output, &[]);
        let after = image::open(&output).unwrap().into_rgba8();
        for (x, expected) in [(2, 255_u8), (37, 0)] {
            let pixel = after.get_pixel(x, 15).0;
            let is_close = |value: &u8| value.abs_diff(expected) < 8;
            assert!(pixel[..3].iter().all(is_close), "{pixel:?}");
            assert_eq!(pixel[3], 255);
        }
    }
    for output in ["out.png", "out.webp", "out.tif"] {
        let output = folder.path(output);
        must(&input, &output, &[]);
        let after = image::open(&output).unwrap().into_rgba8();
        assert_eq!(after, image::open(&input).unwrap().into_rgba8());
    }
    for output in ["out.mp4", "out.webm"] {
        let output = folder.path(output);
        must(&input, &output, &["--duration", "0.1"]);
        let luma = &inspect(&output).frames[0].planes[0];
        let row = 15 * 40;
        assert!(luma[row + 2] > 220 && luma[row + 37] < 30, "{output:?}");
    }
}

/// A pixel's colour goes into those around it only as far as it is seen.
#[test]
fn what_is_hidden_stays_so_at_another_size() {
    let folder = Folder::new();
    let (input, output) = (folder.path("in.png"), folder.path("out.png"));
    let (hidden, shown) = (Rgba([255, 0, 0, 0]), Rgba([0, 0, 200, 255]));
    RgbaImage::from_fn(40, 30, |x, _| if x < 20 { hidden } else { shown })
        .save(&input)
        .unwrap();
    must(&input, &output, &["--size", "16x"]);
    let after = image::open(&output).unwrap().into_rgba8();
    for pixel in after.pixels().filter(|pixel| pixel[3] > 8) {
        assert!(pixel[0] <= 2 && pixel[2].abs_diff(200) <= 8, "{pixel:?}");
    }
}

fn profile_of(path: &Path) -> Option<Vec<u8>> {
    if path.extension().is_some_and(|extension| extension == "tif") {
        let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        return TiffDecoder::new(file).unwrap().icc_profile().unwrap();
    }
    let reader = ImageReader::open(path).unwrap();
    let reader = reader.with_guessed_format().unwrap();
    reader.into_decoder().unwrap().icc_profile().unwrap()
}

/// A picture of one colour, with a profile.
fn coloured(encoder: impl ImageEncoder, colour: [u8; 3], profile: Vec<u8>) {
    let mut encoder = encoder;
    encoder.set_icc_profile(profile).unwrap();
    let pixels = RgbImage::from_pixel(20, 20, Rgb(colour));
    encoder
        .write_image(&pixels, 20, 20, ExtendedColorType::Rgb8)
        .unwrap();
}

fn colour_of(path: &Path) -> Rgb<u8> {
    *image::open(path).unwrap().into_rgb8().get_pixel(10, 10)
}

const GREEN: [u8; 3] = [60, 200, 40];

/// It is kept where a file can hold it, and computed with elsewhere.
#[test]
fn a_profile_of_rgb_goes_with_the_picture() {
    let folder = Folder::new();
    let input = folder.path("in.png");
    let profile = ColorProfile::new_display_p3().encode().unwrap();
    let file = std::fs::File::create(&input).unwrap();
    coloured(PngEncoder::new(file), GREEN, profile.clone());
    for output in ["out.png", "out.jpg", "out.webp", "out.tif"] {
        let output = folder.path(output);
        must(&input, &output, &[]);
        assert_eq!(profile_of(&output).as_ref(), Some(&profile), "{output:?}");
    }
    // And back.
    let output = folder.path("back.png");
    must(&folder.path("out.tif"), &output, &[]);
    assert_eq!(profile_of(&output).as_ref(), Some(&profile));
    let output = folder.path("out.bmp");
    must(&input, &output, &[]);
    assert_eq!(profile_of(&output), None);
    // It is a green that sRGB does not have: red goes to its end.
    let pixel = colour_of(&output);
    assert!(pixel[0] == 0 && pixel[1] > 200, "{pixel:?}");
}

#[test]
fn levels_of_grey_become_those_of_srgb() {
    let folder = Folder::new();
    let (input, output) = (folder.path("in.jpg"), folder.path("out.png"));
    // Linear light: a fifth of it is nearly the middle of sRGB.
    let profile = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    let file = std::fs::File::create(&input).unwrap();
    let mut encoder = JpegEncoder::new_with_quality(file, 100);
    encoder.set_icc_profile(profile).unwrap();
    encoder
        .write_image(&[55; 400], 20, 20, ExtendedColorType::L8)
        .unwrap();
    must(&input, &output, &[]);
    assert_eq!(profile_of(&output), None);
    let pixel = colour_of(&output);
    assert!(
        pixel.0.iter().all(|value| value.abs_diff(127) <= 2),
        "{pixel:?}"
    );
    let clip = folder.path("out.mkv");
    must(&input, &clip, &["--duration", "0.1"]);
    // 16 is black, and 235 white.
    let level = inspect(&clip).frames[0].planes[0][0];
    assert!(level.abs_diff(125) <= 3, "{level}");
}

/// Of a JPEG of inks the decoder makes RGB. What its profile says is of no use then, nor is what is
/// no profile at all.
#[test]
fn a_profile_of_inks_goes() {
    let folder = Folder::new();
    let (input, output) = (folder.path("in.jpg"), folder.path("out.png"));
    let mut inks = ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
    inks[16..20].copy_from_slice(b"CMYK");
    for profile in [inks, b"nothing".to_vec()] {
        let file = std::fs::File::create(&input).unwrap();
        coloured(JpegEncoder::new_with_quality(file, 100), GREEN, profile);
        must(&input, &output, &["--overwrite"]);
        assert_eq!(profile_of(&output), None);
        let pixel = colour_of(&output);
        let is_close = |(a, b): (&u8, u8)| a.abs_diff(b) <= 3;
        assert!(pixel.0.iter().zip(GREEN).all(is_close), "{pixel:?}");
    }
}

/// Other people's.
#[test]
fn found_ones() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/pictures");
    if !cases.exists() {
        println!("skipped: there is no {}", cases.display());
        return;
    }
    let folder = Folder::new();
    let (input, output) = (cases.join("gray-icc-profile.jpg"), folder.path("out.png"));
    must(&input, &output, &[]);
    assert_eq!(profile_of(&output), None);
    let mean = |path: &Path| {
        let pixels = image::open(path).unwrap().into_luma8();
        pixels.iter().map(|value| f64::from(*value)).sum::<f64>() / pixels.len() as f64
    };
    // As the press that the profile is of prints them, levels are others than sRGB's.
    let (before, after) = (mean(&input), mean(&output));
    assert!(after - before > 10.0, "{before} {after}");

    let (input, output) = (
        cases.join("colours-under-alpha-0.png"),
        folder.path("out.jpg"),
    );
    must(&input, &output, &[]);
    let before = image::open(&input).unwrap().into_rgba8();
    let after = image::open(&output).unwrap().into_rgb8();
    let hidden = before.pixels().zip(after.pixels());
    let hidden = hidden.filter(|(before, _)| before[3] == 0);
    let off: Vec<_> = hidden
        .map(|(_, after)| f64::from(255 - after.0.into_iter().min().unwrap()))
        .collect();
    let off = off.iter().sum::<f64>() / off.len() as f64;
    assert!(off < 5.0, "what is hidden is {off} levels from white");
}
