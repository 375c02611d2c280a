//! Films of every kind into films of every kind, whole and in part.

use std::path::{Path, PathBuf};

use crate::command::must;
use crate::ffmpeg::{assert_same, beginning, ffmpeg, has_ffmpeg, length, likeness, sound, times};
use crate::samples::Folder;

const OUTPUTS: [&str; 4] = ["mp4", "mov", "mkv", "webm"];

/// 2.4 seconds, a beep that begins at 1.25 s.
const SOURCE: &str = "-f lavfi -i testsrc2=s=96x64:r=25:d=2.4 \
    -f lavfi -i aevalsrc='if(between(t,1.25,1.5),0.6*sin(2*PI*880*t),0)':d=2.4:s=48000";

/// How long a frame of it is shown, in seconds.
const FRAME: f64 = 0.04;

fn film(folder: &Folder, name: &str, encoding: &str) -> PathBuf {
    let film = folder.path(name);
    ffmpeg(&format!("{SOURCE} -g 20 {encoding}"), &film);
    film
}

/// How long after the first frame the beep begins, in seconds.
fn beep(film: &Path) -> f64 {
    let sound = sound(film);
    let begin = sound.iter().position(|value| value.abs() > 0.3);
    let begin = begin.map_or(f64::NAN, |begin| begin as f64 / 48_000.0);
    begin + beginning(film) - times(film, "v")[0]
}

/// A film comes out whole and in part with its frames, their times, and the sound where it was.
fn comes_through(name: &str, encoding: &str) {
    const PART: (&[&str], f64, f64) = (&["--start", "1", "--duration", "1"], 1.0, 2.0);
    come_through(name, encoding, &[(&[], 0.0, 2.4), PART]);
}

/// Parts: how they are asked for, their beginning and their end.
fn come_through(name: &str, encoding: &str, parts: &[(&[&str], f64, f64)]) {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    come_through_as(&folder, &film(&folder, name, encoding), None, parts);
}

/// `whole`: what the film is compared with, if not itself.
fn come_through_as(
    folder: &Folder,
    film: &Path,
    whole: Option<&Path>,
    parts: &[(&[&str], f64, f64)],
) {
    let name = film.file_name().unwrap().display();
    let whole = whole.unwrap_or(film);
    let before = times(whole, "v");
    // In MPEG's streams, times are any, and the film begins with the first.
    let beginning = if before[0] > 0.1 { before[0] } else { 0.0 };
    let before: Vec<f64> = before.iter().map(|time| time - beginning).collect();
    assert_eq!(before.len(), 60, "{name}");
    let beeped = beep(whole);
    for kind in OUTPUTS {
        for &(part, start, end) in parts {
            let what = format!("{name} to {kind}, {start} to {end}");
            let output = folder.path(&format!("{start}.{kind}"));
            must(film, &output, part);

            // What is on screen at the start is shown for the rest of its time.
            let is_over = |time: &f64| start > 0.0 && time + FRAME - 0.001 <= start;
            let first = before.iter().take_while(|time| is_over(time)).count();
            let frames = before[first..].iter().copied();
            let shown: Vec<f64> = frames
                .take_while(|time| start == 0.0 || time + 0.001 < end)
                .map(|time| time.max(start))
                .collect();
            assert_same(&shown, &times(&output, "v"), &what);
            let asked = end - start;
            let long = length(&output);
            assert!((long - asked).abs() < 0.13, "{what}: {long} s long");

            // Opus at the beginning of a part is not yet what it will be.
            let apart = beep(&output) - (beeped + before[0] - shown[0]);
            assert!(apart.abs() < 0.012, "{what}: sound {apart} s later");

            let alike = likeness(whole, first..first + shown.len(), &output);
            println!("{what}: {alike} dB, sound {apart}");
            assert!(alike > 27.0, "{what}: {alike} dB");
        }
    }
}

#[test]
fn mp4() {
    comes_through("in.mp4", "-c:v libx264 -bf 2 -c:a aac");
}

#[test]
fn mp4_without_b_frames() {
    comes_through("in.mp4", "-c:v libx264 -bf 0 -c:a libmp3lame");
}

#[test]
fn quicktime() {
    comes_through(
        "in.mov",
        "-c:v libx265 -x265-params log-level=none -c:a pcm_s16le",
    );
}

#[test]
fn matroska() {
    comes_through("in.mkv", "-c:v libx264 -bf 3 -c:a flac");
}

#[test]
fn webm() {
    comes_through("in.webm", "-c:v libvpx -b:v 2M -c:a libopus");
}

#[test]
fn avi() {
    comes_through("in.avi", "-c:v mpeg4 -q:v 2 -c:a ac3");
}

/// Parts that begin on a key frame, shortly after one, and shortly before the next.
const PARTS: [(&[&str], f64, f64); 3] = [
    (&["--start", "1"], 1.0, 2.4),
    (&["--start", "1.13", "--duration", "0.5"], 1.13, 1.63),
    (&["--start", "0.9", "--duration", "0.6"], 0.9, 1.5),
];

#[test]
fn avi_with_b_frames() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = film(&folder, "in.avi", "-c:v mpeg4 -bf 2 -q:v 2 -c:a ac3");
    // ffmpeg does not know the times of all frames.
    let whole = folder.path("whole.mkv");
    must(&film, &whole, &[]);
    come_through_as(&folder, &film, Some(&whole), &PARTS);
}

#[test]
fn mpeg_4_part_2() {
    come_through("in.mp4", "-c:v mpeg4 -bf 2 -q:v 2 -c:a aac", &PARTS);
}

#[test]
fn parts_between_key_frames() {
    come_through("in.mp4", "-c:v libx264 -bf 2 -c:a aac", &PARTS);
    come_through("in.mkv", "-c:v libx264 -bf 3 -c:a flac", &PARTS);
}

#[test]
fn flash() {
    comes_through("in.flv", "-c:v libx264 -bf 0 -c:a aac");
}

#[test]
fn transport_stream() {
    comes_through("in.ts", "-c:v libx264 -bf 2 -c:a aac");
}

#[test]
fn program_stream() {
    comes_through("in.mpg", "-c:v mpeg2video -bf 0 -q:v 2 -c:a mp2");
}

#[test]
fn ogg() {
    comes_through("in.ogv", "-c:v libtheora -q:v 10 -c:a libvorbis");
}
