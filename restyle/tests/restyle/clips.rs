//! Videos keep what they had.

use gst::ClockTime;

use crate::command::{finish, must, restyle, succeeded};
use crate::inspect::{assert_same_times, inspect};
use crate::samples::{Folder, bars, film, h264, push, tone};

const SMALL: &str = "width=64,height=48,framerate=24/1";

#[test]
fn sound_frames_and_duration_are_kept_in_every_container() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let before = inspect(&film);
    for (name, sound) in [
        ("out.mp4", "audio/mpeg"),
        ("out.m4v", "audio/mpeg"),
        ("out.mov", "audio/mpeg"),
        ("out.mkv", "audio/mpeg"),
        ("out.webm", "audio/x-opus"),
    ] {
        let output = folder.path(name);
        must(&film, &output, &[]);
        let after = inspect(&output);
        assert_same_times(&before.frames, &after.frames);
        assert_eq!(after.frames.len(), 24, "{name}");
        assert_eq!(after.audio, [sound], "{name}");
        assert_eq!(after.framerate, before.framerate, "{name}");
        let longest = after.duration.max(before.duration);
        let apart = longest - after.duration.min(before.duration);
        assert!(apart < ClockTime::from_mseconds(60), "{name}: {apart}");
        assert_eq!(
            (after.info.width(), after.info.height()),
            (64, 48),
            "{name}"
        );
    }
}

#[test]
fn sound_can_be_left_out() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let output = folder.path("out.mp4");
    must(&film, &output, &["--no-audio"]);
    assert!(inspect(&output).audio.is_empty());
}

#[test]
fn several_sound_tracks_are_all_kept() {
    let folder = Folder::new();
    let pipeline = format!(
        "{} {} {}",
        tone("opusenc"),
        tone("audioconvert ! vorbisenc"),
        h264(24, SMALL, "matroskamux")
    );
    let Some(film) = folder.make("film.mkv", &pipeline) else {
        return;
    };
    let (copied, mixed) = (folder.path("out.mkv"), folder.path("out.mp4"));
    must(&film, &copied, &[]);
    must(&film, &mixed, &[]);
    let mut kinds = inspect(&copied).audio;
    kinds.sort();
    assert_eq!(kinds, ["audio/x-opus", "audio/x-vorbis"]);
    let mut kinds = inspect(&mixed).audio;
    kinds.sort();
    assert_eq!(kinds, ["audio/mpeg", "audio/x-opus"]);
}

#[test]
fn vp9_with_opus() {
    let folder = Folder::new();
    let pipeline = format!(
        "{} {} ! vp9enc ! webmmux name=mux",
        tone("opusenc"),
        bars(24, SMALL)
    );
    let Some(film) = folder.make("film.webm", &pipeline) else {
        return;
    };
    let before = inspect(&film);
    for name in ["out.webm", "out.mkv", "out.mp4"] {
        let output = folder.path(name);
        must(&film, &output, &[]);
        let after = inspect(&output);
        assert_same_times(&before.frames, &after.frames);
        assert_eq!(after.audio, ["audio/x-opus"], "{name}");
    }
}

#[test]
fn motion_jpeg_with_uncompressed_sound() {
    let folder = Folder::new();
    let pipeline = format!(
        "{} {} ! jpegenc ! avimux name=mux",
        tone("audio/x-raw,format=S16LE"),
        bars(24, SMALL)
    );
    let Some(film) = folder.make("film.avi", &pipeline) else {
        return;
    };
    for (name, sound) in [("out.mp4", "audio/mpeg"), ("out.mkv", "audio/x-raw")] {
        let output = folder.path(name);
        must(&film, &output, &[]);
        let after = inspect(&output);
        assert_eq!(after.frames.len(), 24, "{name}");
        assert_eq!(after.audio, [sound], "{name}");
    }
}

#[test]
fn a_film_without_sound() {
    let folder = Folder::new();
    let Some(film) = folder.make("film.mkv", &h264(10, SMALL, "matroskamux")) else {
        return;
    };
    let output = folder.path("out.mp4");
    must(&film, &output, &[]);
    let after = inspect(&output);
    assert_eq!(after.frames.len(), 10);
    assert!(after.audio.is_empty());
}

#[test]
fn fractional_frame_rates() {
    let folder = Folder::new();
    for (numerator, name) in [(24000, "film"), (30000, "tv")] {
        let caps = format!("width=64,height=48,framerate={numerator}/1001");
        let sample = folder.make(&format!("{name}.mp4"), &h264(48, &caps, "mp4mux"));
        let Some(sample) = sample else { return };
        let output = folder.path(&format!("{name}-out.mp4"));
        must(&sample, &output, &[]);
        let after = inspect(&output);
        assert_same_times(&inspect(&sample).frames, &after.frames);
        assert_eq!(after.framerate, gst::Fraction::new(numerator, 1001));
    }
}

#[test]
fn frames_at_irregular_times() {
    const TIMES: [u64; 10] = [0, 40, 57, 120, 133, 400, 440, 1000, 1001, 1500];
    let folder = Folder::new();
    let pipeline = "appsrc name=frames format=time \
         caps=video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! \
         jpegenc ! matroskamux";
    let sample = folder.make_with("irregular.mkv", pipeline, |pipeline| {
        let frames = TIMES.windows(2).map(|pair| (pair[0], pair[1] - pair[0]));
        let frames: Vec<_> = frames
            .chain([(1500, 40)])
            .enumerate()
            .map(|(index, (start, duration))| {
                (start, duration, vec![20 * index as u8; 64 * 48 * 3 / 2])
            })
            .collect();
        push(pipeline, "frames", &frames);
    });
    let Some(sample) = sample else { return };
    let before = inspect(&sample);
    assert_eq!(before.frames.len(), TIMES.len());
    for name in ["out.mp4", "out.mkv", "out.webm"] {
        let output = folder.path(name);
        must(&sample, &output, &[]);
        assert_same_times(&before.frames, &inspect(&output).frames);
    }
}

#[test]
fn subtitles_are_kept_where_there_is_a_place_for_them() {
    let folder = Folder::new();
    let pipeline = format!(
        "appsrc name=text format=time caps=text/x-raw,format=utf8 ! mux.subtitle_0 {}",
        h264(72, SMALL, "matroskamux")
    );
    let sample = folder.make_with("film.mkv", &pipeline, |pipeline| {
        let cues = [
            (200, 500, b"<i>Good</i> morning".to_vec()),
            (2500, 300, b"Tom & Jerry".to_vec()),
        ];
        push(pipeline, "text", &cues);
    });
    let Some(sample) = sample else { return };
    assert_eq!(inspect(&sample).subtitles, 1);
    for (name, text) in [
        ("out.mkv", "<i>Good</i> morning"),
        ("out.mp4", "Good morning"),
    ] {
        let output = folder.path(name);
        must(&sample, &output, &[]);
        let after = inspect(&output);
        assert_eq!((after.subtitles, after.frames.len()), (1, 72), "{name}");
        let bytes = std::fs::read(&output).unwrap();
        for text in [text, "Tom & Jerry"] {
            let mut windows = bytes.windows(text.len());
            assert!(
                windows.any(|window| window == text.as_bytes()),
                "{name}: {text}"
            );
        }
    }
    let output = folder.path("out.webm");
    let errors = must(&sample, &output, &[]);
    assert!(errors.contains("subtitles"), "{errors}");
    assert_eq!(inspect(&output).subtitles, 0);
}

#[test]
fn a_turned_film_is_upright() {
    let folder = Folder::new();
    for (tag, transform) in [
        ("rotate-90", "clockwise"),
        ("rotate-180", "rotate-180"),
        ("rotate-270", "counterclockwise"),
        ("flip-rotate-0", "horizontal-flip"),
    ] {
        let bars = bars(6, "width=96,height=48,framerate=24/1");
        let encode = "x264enc pass=qual quantizer=10 ! video/x-h264,profile=high";
        let turned = format!("{bars} ! {encode} ! taginject tags=image-orientation={tag} ! mp4mux");
        let upright = format!(
            "{bars} ! videoflip video-direction=identity method={transform} ! {encode} ! mp4mux"
        );
        let (Some(turned), Some(upright)) = (
            folder.make("turned.mp4", &turned),
            folder.make("upright.mp4", &upright),
        ) else {
            return;
        };
        if inspect(&turned).orientation.as_deref() != Some(tag) {
            println!("skipped: this GStreamer does not write the orientation {tag}");
            continue;
        }
        let expected = inspect(&upright);
        for name in ["out.mp4", "out.mkv"] {
            let output = folder.path(name);
            must(&turned, &output, &["--overwrite"]);
            let after = inspect(&output);
            assert!(
                matches!(after.orientation.as_deref(), None | Some("rotate-0")),
                "{tag}: {:?}",
                after.orientation
            );
            let size = (after.info.width(), after.info.height());
            assert_eq!(
                size,
                (expected.info.width(), expected.info.height()),
                "{tag}"
            );
            let difference = after.frames[0].difference(&expected.frames[0]);
            assert!(
                difference.iter().all(|levels| *levels < 4.0),
                "{tag}: {difference:?}"
            );
        }
    }
}

#[test]
fn odd_sizes() {
    let folder = Folder::new();
    let pipeline = format!(
        "{} ! vp9enc ! webmmux",
        bars(5, "width=101,height=75,framerate=24/1")
    );
    let Some(sample) = folder.make("odd.webm", &pipeline) else {
        return;
    };
    for (name, size) in [
        ("out.webm", (101, 75)),
        ("out.mp4", (102, 76)),
        ("out.mkv", (102, 76)),
    ] {
        let output = folder.path(name);
        must(&sample, &output, &[]);
        let after = inspect(&output);
        assert_eq!((after.info.width(), after.info.height()), size, "{name}");
        assert_eq!(after.frames.len(), 5, "{name}");
    }
}

#[test]
fn the_shape_of_pixels_is_kept() {
    let folder = Folder::new();
    let caps = "width=60,height=48,framerate=24/1,pixel-aspect-ratio=16/15";
    let Some(sample) = folder.make("wide.mp4", &h264(5, caps, "mp4mux")) else {
        return;
    };
    for name in ["out.mp4", "out.mkv"] {
        let output = folder.path(name);
        must(&sample, &output, &[]);
        assert_eq!(
            inspect(&output).info.par(),
            gst::Fraction::new(16, 15),
            "{name}"
        );
    }
    let output = folder.path("square.mp4");
    must(&sample, &output, &["--size", "x48"]);
    let after = inspect(&output).info;
    assert_eq!((after.width(), after.par()), (64, gst::Fraction::new(1, 1)));
}

#[test]
fn the_size_can_be_chosen() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    for (request, size) in [
        ("32x", (32, 24)),
        ("x96", (128, 96)),
        ("50x50", (50, 50)),
        ("33x", (34, 26)),
    ] {
        let output = folder.path("out.mp4");
        must(&film, &output, &["--overwrite", "--size", request]);
        let after = inspect(&output).info;
        assert_eq!((after.width(), after.height()), size, "{request}");
    }
}

#[test]
fn a_part_can_be_chosen() {
    let folder = Folder::new();
    let sound = tone("audioconvert ! avenc_aac").replace("num-buffers=47", "num-buffers=188");
    let video = h264(96, SMALL, "mp4mux");
    let Some(film) = folder.make("film.mp4", &format!("{sound} {video}")) else {
        return;
    };
    let before = inspect(&film);
    for (name, options, first, frames) in [
        (
            "both.mp4",
            &["--start", "1.5", "--duration", "1"][..],
            36,
            24,
        ),
        (
            "both.mkv",
            &["--start", "0:01.5", "--duration", "1"],
            36,
            24,
        ),
        ("both.webm", &["--start", "1.5", "--duration", "1"], 36, 24),
        ("start.mp4", &["--start", "3"], 72, 24),
        ("duration.mp4", &["--duration", "0.5"], 0, 12),
        ("long.mp4", &["--start", "3.5", "--duration", "60"], 84, 12),
    ] {
        let output = folder.path(name);
        must(&film, &output, options);
        let after = inspect(&output);
        assert_eq!(after.frames.len(), frames, "{name}");
        assert_eq!(after.audio.len(), 1, "{name}");
        let expected = ClockTime::from_mseconds(1000 * frames as u64 / 24);
        let apart = after.duration.max(expected) - after.duration.min(expected);
        assert!(
            apart < ClockTime::from_mseconds(60),
            "{name}: {}",
            after.duration
        );
        // The picture has noise in it, so that no two frames are alike.
        let nearest = (0..before.frames.len()).min_by(|a, b| {
            let distance = |index: usize| after.frames[0].difference(&before.frames[index])[0];
            distance(*a).total_cmp(&distance(*b))
        });
        assert_eq!(nearest, Some(first), "{name} starts elsewhere");
    }
}

#[test]
fn a_part_of_a_file_with_subtitles() {
    let folder = Folder::new();
    let pipeline = format!(
        "appsrc name=text format=time caps=text/x-raw,format=utf8 ! mux.subtitle_0 {}",
        h264(96, SMALL, "matroskamux")
    );
    let sample = folder.make_with("film.mkv", &pipeline, |pipeline| {
        let cues = [
            (100, 200, b"before".to_vec()),
            (1700, 300, b"within".to_vec()),
            (3500, 200, b"after".to_vec()),
        ];
        push(pipeline, "text", &cues);
    });
    let Some(sample) = sample else { return };
    let output = folder.path("out.mkv");
    must(&sample, &output, &["--start", "1", "--duration", "1.5"]);
    assert_eq!(inspect(&output).frames.len(), 36);
    let bytes = std::fs::read(&output).unwrap();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(holds(b"within"));
    assert!(!holds(b"before") && !holds(b"after"));
}

#[test]
fn quality_and_bit_rate_change_the_size() {
    let folder = Folder::new();
    let noise = "videotestsrc pattern=snow num-buffers=24 ! \
         video/x-raw,width=128,height=96,framerate=24/1 ! jpegenc ! avimux";
    let Some(noise) = folder.make("noise.avi", noise) else {
        return;
    };
    for name in ["out.mp4", "out.webm"] {
        let size = |options: &[&str]| {
            let output = folder.path(name);
            must(&noise, &output, &[options, &["--overwrite"]].concat());
            assert_eq!(inspect(&output).frames.len(), 24, "{name} {options:?}");
            output.metadata().unwrap().len()
        };
        assert!(
            size(&["--quality", "45"]) < size(&["--quality", "10"]),
            "{name}"
        );
        assert!(
            size(&["--bitrate", "200"]) < size(&["--bitrate", "2000"]),
            "{name}"
        );
    }
}

#[test]
fn other_encoders() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    for (encoder, name) in [
        ("openh264enc", "openh264.mp4"),
        ("openh264enc", "openh264.mkv"),
        ("x265enc", "x265.mp4"),
        ("vp8enc", "vp8.webm"),
        ("vp9enc", "vp9.mkv"),
        ("av1enc", "av1.mp4"),
        ("av1enc", "av1.webm"),
    ] {
        if gst::ElementFactory::find(encoder).is_none() {
            println!("skipped: {encoder} is not installed");
            continue;
        }
        let output = folder.path(name);
        must(&film, &output, &["--encoder", encoder]);
        let after = inspect(&output);
        assert_eq!((after.frames.len(), after.audio.len()), (24, 1), "{name}");
    }
}

#[test]
fn the_style_is_seen_and_repeats_exactly() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let run = |name: &str, options: &[&str]| {
        let output = folder.path(name);
        let mut command = restyle([&film, &output]);
        command
            .args(["--steps", "2", "--warmup", "8"])
            .args(options);
        succeeded(finish(command.spawn().unwrap()));
        inspect(&output).frames
    };
    let original = inspect(&film).frames;
    let once = run("once.mp4", &[]);
    let again = run("again.mp4", &["--threads", "1"]);
    let other = run("other.mp4", &["--seed", "7"]);
    assert_eq!(once.len(), original.len());
    assert!(once[23].difference(&original[23])[0] > 5.0, "no style");
    assert!(once.iter().zip(&again).all(|(a, b)| a.planes == b.planes));
    assert!(once.iter().zip(&other).any(|(a, b)| a.planes != b.planes));
}
