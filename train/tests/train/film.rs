//! Films as content.

use std::path::Path;
use std::process::{Command, Stdio};

use nca_train::TrainError;
use nca_train::data::content::Content;
use tch::Device;

/// A film of four seconds, 1000x200 pixels; `None` where GStreamer's programs are not installed.
fn film(path: &Path) -> Option<()> {
    let made = Command::new("gst-launch-1.0")
        .args(["-q", "videotestsrc", "num-buffers=40", "pattern=ball", "!"])
        .args(["video/x-raw,width=1000,height=200,framerate=10/1", "!"])
        .args(["jpegenc", "!", "avimux", "!", "filesink"])
        .arg(format!("location={}", path.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    made.is_ok_and(|status| status.success()).then_some(())
}

#[test]
fn frames_are_spread_over_a_film() {
    let folder = tempfile::tempdir().unwrap();
    // Such names are to be no trouble.
    let path = folder.path().join("a film, of mine.AVI");
    if film(&path).is_none() {
        eprintln!("skipped: gst-launch-1.0, or a plugin of it, is not installed");
        return;
    }
    for named in [&path, folder.path()] {
        let content = Content::read(&[named.to_path_buf()], Device::Cpu).unwrap();
        assert!((7..=9).contains(&content.len()), "{}", content.len());
        assert_eq!(content.extent(0), [800, 160]);
        assert_eq!(content.skipped, 0);
        let difference = (content.picture(0) - content.picture(content.len() - 1)).abs();
        assert!(difference.max().double_value(&[]) > 0.5);
    }
}

#[test]
fn what_only_looks_like_a_film() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.mp4");
    std::fs::write(&path, "no film").unwrap();
    let read = |path: &Path| Content::read(&[path.into()], Device::Cpu);

    // Whether or not there is a program to read it with.
    let error = read(&path).err().unwrap();
    assert!(matches!(error, TrainError::Film { .. }), "{error}");
    assert!(error.to_string().contains("broken.mp4"), "{error}");

    // Among pictures it is left out.
    let picture = folder.path().join("a.png");
    image::RgbImage::new(40, 40).save(picture).unwrap();
    let content = read(folder.path()).unwrap();
    assert_eq!((content.len(), content.skipped), (1, 1));
}
