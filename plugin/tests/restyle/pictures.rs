//! Pictures become pictures, or clips in which the style grows.

use image::{Rgb, RgbImage, Rgba, RgbaImage};

use crate::command::{finish, must, restyle, succeeded};
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
