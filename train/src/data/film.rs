//! Frames of films, read by whichever of two programs is installed: training is not linked to a decoder.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::TrainError;
use nca::internals::unfinished::Folder;

/// How names of films end.
const EXTENSIONS: [&str; 9] = [
    "avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "webm",
];
/// Frames that are read of a second of film.
const RATE: u32 = 2;
/// Frames that are read at most: half an hour.
const MOST: u32 = 30 * 60 * RATE;
/// Longest side of a frame in pixels.
const LONGEST: u32 = 800;

/// Whether a file is a film, by its name.
pub fn is_film(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|film| extension.eq_ignore_ascii_case(film))
    })
}

/// Two frames of each second of a film, of its first half hour, as JPEG files in a folder that goes
/// with the value. No side is longer than 800 pixels.
pub fn frames(film: &Path) -> Result<Folder, TrainError> {
    let failed = |why: String| TrainError::Film {
        path: film.into(),
        why,
    };
    let folder = Folder::new().map_err(|error| failed(error.to_string()))?;
    for (program, args) in [
        ("ffmpeg", ffmpeg(film, folder.path())),
        ("gst-launch-1.0", gst_launch(film, folder.path())),
    ] {
        let output = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output();
        match output {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(format!("{program} cannot be run: {error}"))),
            Ok(output) if output.status.success() => return Ok(folder),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.lines().find(|line| !line.trim().is_empty());
                let said = said.unwrap_or("nothing").trim();
                return Err(failed(format!("{program} says: {said}")));
            }
        }
    }
    Err(failed(
        "films are read by ffmpeg or gst-launch-1.0, and neither is installed; pictures need neither"
            .into(),
    ))
}

fn ffmpeg(film: &Path, folder: &Path) -> Vec<OsString> {
    let filter = format!(
        "fps={RATE},scale='min({LONGEST},iw)':'min({LONGEST},ih)':force_original_aspect_ratio=decrease"
    );
    let mut args = words("-nostdin -v error -i");
    args.push(film.into());
    args.extend(words("-vf"));
    args.push(filter.into());
    args.extend(words(&format!("-frames:v {MOST} -q:v 2")));
    args.push(folder.join("%06d.jpg").into());
    args
}

fn gst_launch(film: &Path, folder: &Path) -> Vec<OsString> {
    let location = |path: &Path| {
        let mut location = OsString::from("location=");
        location.push(path);
        location
    };
    let mut args = words("-q filesrc");
    args.push(location(film));
    args.extend(words(&format!(
        "! decodebin ! videoconvert ! videorate ! videoscale ! \
         video/x-raw,framerate={RATE}/1,pixel-aspect-ratio=1/1,width=[1,{LONGEST}],height=[1,{LONGEST}] ! \
         identity eos-after={MOST} ! jpegenc quality=95 ! multifilesink"
    )));
    args.push(location(&folder.join("%06d.jpg")));
    args
}

fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}
