//! Films made and looked into with ffmpeg and ffprobe, which are another's.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// Whether ffmpeg is there.
pub fn has_ffmpeg() -> bool {
    let there = ["ffmpeg", "ffprobe"]
        .iter()
        .all(|name| Command::new(name).arg("-version").output().is_ok());
    if !there {
        eprintln!("skipped: ffmpeg and ffprobe are not installed");
    }
    there
}

/// Makes a film with ffmpeg.
pub fn ffmpeg(arguments: &str, film: &Path) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(arguments.split_whitespace())
        .arg(film)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// What ffprobe says of the frames of a stream that are shown: a field of each.
pub fn frames(film: &Path, stream: &str, field: &str) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream])
        .args(["-show_entries", &format!("frame={field}")])
        .args(["-of", "default=nokey=1:noprint_wrappers=1"])
        .arg(film)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

pub fn times(film: &Path, stream: &str) -> Vec<f64> {
    frames(film, stream, "best_effort_timestamp_time")
}

/// When the last frame ends: the film's length.
pub fn length(film: &Path) -> f64 {
    seconds(film, "duration")
}

/// The time with which the film begins.
pub fn beginning(film: &Path) -> f64 {
    seconds(film, "start_time")
}

fn seconds(film: &Path, field: &str) -> f64 {
    let said = probe(film, &format!("format={field}"));
    let (_, said) = said.trim().rsplit_once('=').unwrap();
    said.parse().unwrap()
}

/// All are where they were, to a millisecond, counted from the first.
pub fn assert_same(before: &[f64], after: &[f64], what: &str) {
    assert_eq!(before.len(), after.len(), "{what}: frames");
    for (a, b) in before.iter().zip(after) {
        let apart = (a - before[0]) - (b - after[0]);
        assert!(apart.abs() < 0.0015, "{what}: {a} became {b}");
    }
}

/// What ffprobe says of a film: lines such as `stream|codec_name=h264|...`.
pub fn probe(film: &Path, entries: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "compact", "-show_entries", entries])
        .arg(film)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What ffprobe says of one kind of a film's streams, `v`, `a` or `s`: lines of fields with commas.
pub fn probe_stream(film: &Path, stream: &str, entries: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0", "-select_streams", stream])
        .args(["-show_entries", entries])
        .arg(film)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The sound, 48,000 samples a second, as a player plays it from the film's beginning on.
pub fn sound(film: &Path) -> Vec<f32> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(film)
        .args(["-map", "a:0", "-af", "aresample=async=1:first_pts=0"])
        .args(["-ac", "1", "-ar", "48000", "-f", "f32le", "-"])
        .output()
        .unwrap();
    let (samples, _) = output.stdout.as_chunks::<4>();
    samples.iter().map(|it| f32::from_le_bytes(*it)).collect()
}

/// How alike the frames of two films are, in decibels; 100: they are the same. Of the first, only the
/// frames with these numbers.
pub fn likeness(first: &Path, frames: Range<usize>, second: &Path) -> f64 {
    // Frame by frame, whatever their times.
    let filter = format!(
        "[0:v]trim=start_frame={}:end_frame={},settb=1/1000,setpts=N*40[a];\
         [1:v]settb=1/1000,setpts=N*40[b];[a][b]psnr",
        frames.start, frames.end
    );
    let output = Command::new("ffmpeg")
        .arg("-i")
        .arg(first)
        .arg("-i")
        .arg(second)
        .args(["-lavfi", &filter, "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let average = text.rsplit_once("average:").unwrap().1;
    let average = average.split_whitespace().next().unwrap();
    average.parse::<f64>().unwrap().min(100.0)
}

/// The values of the pixels of a film's first frame, red, green and blue.
pub fn first_frame(film: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(film)
        .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap();
    output.stdout
}
