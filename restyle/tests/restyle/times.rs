//! Times of frames and sound.

use std::path::Path;

use crate::command::must;
use crate::ffmpeg::{assert_same, ffmpeg, has_ffmpeg, length, likeness, probe_stream, times};
use crate::refusals::refused;
use crate::samples::Folder;

#[test]
fn all_frames_of_varying_length_are_shown() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.mkv");
    // Ten frames of a thirtieth of a second, then some of two thirds, and B-frames.
    ffmpeg(
        "-f lavfi -i testsrc2=s=128x96:r=30:d=4,select='lt(n,10)+not(mod(n,20))' -vsync vfr \
         -c:v libx264 -bf 2",
        &film,
    );
    let before = times(&film, "v");
    assert_eq!(before.len(), 15);
    for (name, encoder) in [
        ("out.mp4", "x264enc"),
        ("out.mov", "x264enc"),
        ("out.m4v", "x264enc"),
        ("out-265.mp4", "x265enc"),
        ("out.mkv", "x264enc"),
    ] {
        let output = folder.path(name);
        must(&film, &output, &["--encoder", encoder]);
        assert_same(&before, &times(&output, "v"), name);
        let shown = length(&output);
        assert!((3.3..3.45).contains(&shown), "{name}: {shown}");
    }
}

#[test]
fn sound_is_cut_with_the_picture() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let video = "-f lavfi -i testsrc2=s=128x96:r=25:d=6 -f lavfi -i sine=d=6 -c:v libx264 -g 250";
    for (name, sound) in [
        ("aac.mkv", "aac"),
        ("ac3.mkv", "ac3"),
        ("mp3.mkv", "libmp3lame"),
        ("flac.mkv", "flac"),
        ("aac.mp4", "aac"),
    ] {
        let film = folder.path(name);
        ffmpeg(&format!("{video} -c:a {sound}"), &film);
        for (part, end) in [
            (&["--start", "4"][..], 2.0),
            (&["--start", "3", "--duration", "1"], 1.0),
        ] {
            let output = folder.path(&format!("{name}-{end}.mkv"));
            must(&film, &output, part);
            let (picture, sound) = (times(&output, "v"), times(&output, "a"));
            let apart = sound[0] - picture[0];
            // A block of FLAC is 93 ms long, and what is copied begins with a whole one.
            assert!(apart.abs() < 0.1, "{name}, {part:?}: sound {apart} later");
            let last = sound.last().unwrap();
            assert!(
                (end - 0.2..end + 0.1).contains(last),
                "{name}, {part:?}: sound to {last}"
            );
        }
    }
}

#[test]
fn subtitles_are_cut_with_the_picture() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let words = folder.path("words.srt");
    let text =
        "1\n00:00:01,000 --> 00:00:02,000\nfirst\n\n2\n00:00:04,500 --> 00:00:05,000\nsecond\n";
    std::fs::write(&words, text).unwrap();
    let film = folder.path("in.mkv");
    ffmpeg(
        &format!(
            "-f lavfi -i testsrc2=s=128x96:r=25:d=6 -i {} -c:v libx264 -g 250 -c:s srt",
            words.display()
        ),
        &film,
    );
    // Shown at these times, in seconds.
    let shown = |part: &[&str]| -> Vec<(f64, f64)> {
        let output = folder.path("out.mkv");
        let said = must(&film, &output, &[part, &["-y"]].concat());
        assert_eq!(said, "");
        let packets = probe_stream(&output, "s", "packet=pts_time,duration_time");
        let mut numbers = packets.split([',', '\n']).filter_map(|it| it.parse().ok());
        std::iter::from_fn(|| Some((numbers.next()?, numbers.next()?))).collect()
    };
    for (part, expected) in [
        (&["--start", "4"][..], vec![(0.5, 0.5)]),
        // On screen at the start, and at the end.
        (&["--start", "1.5"], vec![(0.0, 0.5), (3.0, 0.5)]),
        (&["--duration", "1.25"], vec![(1.0, 0.25)]),
        (&["--start", "1.25", "--duration", "0.5"], vec![(0.0, 0.5)]),
    ] {
        let found = shown(part);
        assert_eq!(found.len(), expected.len(), "{part:?}: {found:?}");
        for (found, expected) in found.iter().zip(&expected) {
            let apart = (found.0 - expected.0)
                .abs()
                .max((found.1 - expected.1).abs());
            assert!(apart < 0.05, "{part:?}: {found:?}");
        }
    }
    let output = folder.path("short.mkv");
    must(&film, &output, &["--duration", "1.25"]);
    assert!((length(&output) - 1.25).abs() < 0.05, "{}", length(&output));
}

#[test]
fn frames_behind_the_end_that_is_named_are_shown() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.mp4");
    // Without an edit list the first frame is shown late, and the last ones after the film's length.
    ffmpeg(
        "-f lavfi -i testsrc2=s=96x64:r=25:d=2 -c:v libx264 -bf 3 -use_editlist 0",
        &film,
    );
    let before = times(&film, "v");
    assert_eq!(before.len(), 50);
    for name in ["out.mp4", "out.mkv"] {
        let output = folder.path(name);
        must(&film, &output, &[]);
        assert_same(&before, &times(&output, "v"), name);
    }
}

#[test]
fn a_picture_that_begins_late_is_cut_where_it_is() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.mp4");
    ffmpeg(
        "-f lavfi -i testsrc2=s=96x64:r=20:d=2 -f lavfi -i sine=d=6 -c:v libx264 -c:a aac",
        &film,
    );
    for name in ["late.mkv", "late.mp4"] {
        let late = folder.path(name);
        let both = format!(
            "-itsoffset 4 -i {0} -i {0} -map 0:v -map 1:a -c copy",
            film.display()
        );
        ffmpeg(&both, &late);
        let before = times(&late, "v");
        assert!(before[0] > 3.9, "{name}: {}", before[0]);
        for start in [2.0, 4.5] {
            let output = folder.path("out.mkv");
            must(&late, &output, &["-y", "--start", &start.to_string()]);
            let what = format!("{name} from {start}");
            let is_shown = |time: &&f64| **time + 0.049 > start;
            let shown: Vec<f64> = before
                .iter()
                .filter(is_shown)
                .map(|it| it.max(start))
                .collect();
            let (picture, sound) = (times(&output, "v"), times(&output, "a"));
            assert_same(&shown, &picture, &what);
            let apart = (picture[0] - sound[0]) - (shown[0] - start);
            assert!(apart.abs() < 0.03, "{what}: picture {apart} later");
            let last = sound.last().unwrap() - sound[0];
            assert!(
                (last - (6.0 - start)).abs() < 0.1,
                "{what}: sound to {last}"
            );
        }
    }
}

/// Where the sound is longer than the picture.
#[test]
fn a_part_after_the_last_frame_shows_it() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for name in ["in.mkv", "in.mp4", "in.ts"] {
        let film = folder.path(name);
        ffmpeg(
            "-f lavfi -i testsrc2=s=96x64:r=20:d=2 -f lavfi -i sine=d=6 -c:v libx264 -c:a aac",
            &film,
        );
        for kind in ["mp4", "mkv", "webm"] {
            let output = folder.path(&format!("out.{kind}"));
            must(&film, &output, &["-y", "--start", "4"]);
            assert_eq!(times(&output, "v").len(), 1, "{name} to {kind}");
            let long = length(&output);
            assert!((1.8..2.2).contains(&long), "{name} to {kind}: {long}");
        }
    }
}

/// Whether or not the length of the film is known before it is read to its end.
#[test]
fn a_part_after_the_end_of_the_film_is_refused() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let encodings = [
        ("in.mp4", "-c:v libx264"),
        ("part4.mp4", "-c:v mpeg4"),
        (
            "fragmented.mp4",
            "-c:v libx264 -movflags frag_keyframe+empty_moov",
        ),
        ("in.mkv", "-c:v libx264"),
        ("late.mkv", "-c:v libx264 -output_ts_offset 3"),
        ("in.ts", "-c:v libx264"),
        ("in.flv", "-c:v libx264"),
        ("in.avi", "-c:v mpeg4"),
        ("in.mpg", "-c:v mpeg2video"),
        ("in.ogv", "-c:v libtheora"),
    ];
    for (name, encoding) in encodings {
        for sound in ["", "-f lavfi -i sine=r=44100:d=2"] {
            let film = folder.path(name);
            ffmpeg(
                &format!("-f lavfi -i testsrc2=s=96x64:r=25:d=2 {sound} {encoding}"),
                &film,
            );
            for kind in ["mp4", "mkv"] {
                let output = folder.path(&format!("out.{kind}"));
                let words = ["it ends at 0:00:0", "before the start at 0:01:00"];
                refused(&folder, &film, &output, &["--start", "60"], &words);
            }
        }
    }
}

/// A track that is encoded anew and has nothing in the part.
#[test]
fn sound_that_ends_before_the_part_is_left_out() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for (name, sound) in [
        ("pcm.mov", "pcm_s16le"),
        ("vorbis.mkv", "libvorbis"),
        ("flac.mkv", "flac"),
        ("aac.ts", "aac"),
        ("aac.mp4", "aac"),
    ] {
        let film = folder.path(name);
        ffmpeg(
            &format!(
                "-f lavfi -i testsrc2=s=96x64:r=20:d=4 -f lavfi -i sine=d=1 -c:v libx264 -c:a {sound}"
            ),
            &film,
        );
        for kind in ["mp4", "mov", "mkv", "webm"] {
            let output = folder.path(&format!("out.{kind}"));
            must(&film, &output, &["-y", "--start", "2.5"]);
            let what = format!("{name} to {kind}");
            // Matroska rounds times, so that a frame may still be there at the start.
            assert!((30..=31).contains(&times(&output, "v").len()), "{what}");
            // A track without anything in it is one that players know.
            let sound = probe_stream(&output, "a", "stream=codec_type,codec_name");
            assert!(!sound.contains("unknown"), "{what}: {sound}");
            assert!((length(&output) - 1.5).abs() < 0.06, "{what}");
        }
    }
}

#[test]
fn a_part_that_begins_between_frames_far_apart_begins_with_the_one_on_screen() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for name in ["in.mkv", "in.mp4"] {
        let film = folder.path(name);
        // Twenty frames, an hour without any, then twenty more.
        ffmpeg(
            "-f lavfi -i testsrc2=s=96x64:r=20:d=2,setpts=PTS+gte(N\\,20)*3600/TB -vsync vfr \
             -c:v libx264 -video_track_timescale 1000",
            &film,
        );
        let output = folder.path("out.mkv");
        must(&film, &output, &["-y", "--start", "1800"]);
        let found = times(&output, "v");
        assert_eq!(found.len(), 21, "{name}");
        let waits = found[1] - found[0];
        assert!((waits - 1801.0).abs() < 0.01, "{name}: {waits}");
    }
}

#[test]
fn sound_that_begins_before_the_picture_stays_before_it() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.mp4");
    ffmpeg(
        "-f lavfi -i testsrc2=s=96x64:r=20:d=2 -f lavfi -i sine=d=2 -c:v libx264 -c:a aac",
        &film,
    );
    for (name, later) in [
        ("a.mkv", 0.023),
        ("b.mkv", 0.5),
        ("a.mp4", 0.023),
        ("b.mp4", 0.5),
    ] {
        let input = folder.path(name);
        let streams = format!(
            "-itsoffset {later} -i {0} -i {0} -map 0:v -map 1:a -c copy",
            film.display()
        );
        ffmpeg(&streams, &input);
        let lag = |film: &Path| times(film, "v")[0] - times(film, "a")[0];
        for kind in ["mkv", "mp4", "webm", "mov"] {
            let output = folder.path(&format!("out.{kind}"));
            must(&input, &output, &["-y"]);
            let (before, after) = (lag(&input), lag(&output));
            println!("{name} to {kind}: {before} became {after}");
            assert!(
                (before - after).abs() < 0.002,
                "{name} to {kind}: {before} became {after}"
            );
        }
    }
}

/// Films whose times do not begin at zero, or whose frames are shown later than their file says.
#[test]
fn parts_of_films_with_uncommon_times() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for (name, options) in [
        ("late.mkv", "-bf 3 -g 250 -output_ts_offset 3"),
        ("no-edit-list.mp4", "-bf 2 -use_editlist 0"),
        (
            "fragments.mp4",
            "-bf 2 -g 50 -movflags frag_keyframe+empty_moov",
        ),
    ] {
        let film = folder.path(name);
        ffmpeg(
            &format!(
                "-f lavfi -i testsrc2=s=96x64:r=25:d=4 -f lavfi -i sine=d=4 -c:v libx264 -c:a aac {options}"
            ),
            &film,
        );
        let whole = folder.path("whole.mkv");
        must(&film, &whole, &["-y"]);
        let all = times(&whole, "v");
        assert_eq!(all.len(), 100, "{name}");
        assert!(all[0] < 0.2, "{name}: {}", all[0]);
        for (part, start, end) in [
            (&["--start", "1"][..], 1.0, 9.0),
            (&["--start", "2.13", "--duration", "1"], 2.13, 3.13),
            (&["--duration", "0.7"], 0.0, 0.7),
        ] {
            let output = folder.path("out.mkv");
            must(&film, &output, &[part, &["-y"]].concat());
            let shown = |i: usize| {
                let next = all.get(i + 1).copied().unwrap_or(all[i] + 0.04);
                next > start + 0.001 && all[i] < end - 0.001
            };
            let shown: Vec<f64> = (0..all.len())
                .filter(|i| shown(*i))
                .map(|i| all[i].max(start))
                .collect();
            assert_same(&shown, &times(&output, "v"), &format!("{name}, {part:?}"));
            let first = all
                .iter()
                .position(|time| time + 0.04 > start + 0.001)
                .unwrap();
            let alike = likeness(&whole, first..first + shown.len(), &output);
            assert!(alike > 27.0, "{name}, {part:?}: {alike} dB");
        }
    }
}
