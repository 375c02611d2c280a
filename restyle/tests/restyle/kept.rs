//! What of a film is kept beside its frames and its sound, and what is said of the rest.

use std::path::{Path, PathBuf};

use crate::command::{must, unchanged};
use crate::ffmpeg::{
    ffmpeg, first_frame, has_ffmpeg, length, likeness, probe, probe_stream, times,
};
use crate::samples::Folder;

const PICTURE: &str = "-f lavfi -i testsrc2=s=96x64:r=10:d=4";

/// A film of 4 seconds with two chapters, two titled sound tracks of which the second is the default, and
/// subtitles.
fn furnished(folder: &Folder, name: &str) -> PathBuf {
    let chapters = folder.path("chapters.txt");
    let words = folder.path("words.srt");
    std::fs::write(
        &chapters,
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=One\n\
         [CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=Two\n",
    )
    .unwrap();
    std::fs::write(&words, "1\n00:00:02,500 --> 00:00:03,000\nHello\n").unwrap();
    let film = folder.path(name);
    let kind = if name.ends_with("mkv") {
        "srt"
    } else {
        "mov_text"
    };
    ffmpeg(
        &format!(
            "{PICTURE} -f lavfi -i sine=d=4 -f lavfi -i sine=300:d=4 -i {} -i {} -map_metadata 4 \
             -map 0 -map 1 -map 2 -map 3 -c:v libx264 -c:a aac -c:s {kind} \
             -metadata:s:a:0 title=Main -metadata:s:a:0 language=eng \
             -metadata:s:a:1 title=Comments -metadata:s:a:1 language=deu \
             -disposition:a:0 0 -disposition:a:1 default",
            words.display(),
            chapters.display()
        ),
        &film,
    );
    film
}

fn defaults(film: &Path) -> Vec<bool> {
    let said = probe(film, "stream_disposition=default");
    said.lines().map(|line| line.ends_with('1')).collect()
}

#[test]
fn titles_languages_and_defaults_are_kept() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for input in ["in.mkv", "in.mp4"] {
        let film = furnished(&folder, input);
        for output in ["out.mkv", "out.mp4", "out.mov", "out.webm"] {
            let what = format!("{input} to {output}");
            let output = folder.path(output);
            must(&film, &output, &["-y"]);
            assert_eq!(defaults(&output)[1..3], [false, true], "{what}");
            let said = probe(&output, "stream_tags=language").to_lowercase();
            assert!(said.contains("=eng"), "{what}: {said}");
            assert!(
                said.contains("=deu") || said.contains("=ger"),
                "{what}: {said}"
            );
            // GStreamer does not read the titles of an MP4 file's tracks.
            if input == "in.mkv" {
                let bytes = std::fs::read(&output).unwrap();
                let title = if what.ends_with("mkv") || what.ends_with("webm") {
                    b"\x53\x6e\x89Comments".as_slice()
                } else {
                    b"\0\0\0\x10nameComments"
                };
                let found = bytes.windows(title.len()).filter(|it| *it == title).count();
                assert_eq!(found, 1, "{what}");
            }
        }
    }
}

#[test]
fn chapters_are_cut_with_the_picture() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = furnished(&folder, "in.mkv");
    let chapters = |output: &Path| -> Vec<(String, f64, f64)> {
        let said = probe(output, "chapter=start_time,end_time:chapter_tags=title");
        let chapters = said.lines().filter(|line| line.starts_with("chapter"));
        chapters
            .map(|line| {
                let field = |name: &str| {
                    let found = line.split('|').find_map(|it| it.strip_prefix(name));
                    found.unwrap_or_default().to_owned()
                };
                let time = |name| field(name).parse().unwrap();
                (field("tag:title="), time("start_time="), time("end_time="))
            })
            .collect()
    };
    let chapter = |name: &str, start, end| (name.to_owned(), start, end);
    for output in ["out.mkv", "out.webm"] {
        let output = folder.path(output);
        for (part, expected) in [
            (
                &[][..],
                vec![chapter("One", 0.0, 2.0), chapter("Two", 2.0, 4.0)],
            ),
            (&["-y", "--start", "3"], vec![chapter("Two", 0.0, 1.0)]),
            (
                &["-y", "--start", "1", "--duration", "2"],
                vec![chapter("One", 0.0, 1.0), chapter("Two", 1.0, 2.0)],
            ),
            (&["-y", "--duration", "1"], vec![chapter("One", 0.0, 1.0)]),
        ] {
            must(&film, &output, part);
            let found = chapters(&output);
            assert_eq!(found.len(), expected.len(), "{part:?}: {found:?}");
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.0, expected.0, "{part:?}");
                // The last chapter of a film is as long as ffmpeg had taken it to be.
                assert!((found.1 - expected.1).abs() < 0.03, "{part:?}: {found:?}");
                assert!((found.2 - expected.2).abs() < 0.03, "{part:?}: {found:?}");
            }
        }
    }
}

#[test]
fn what_is_left_out_is_said() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let words = folder.path("words.vtt");
    std::fs::write(&words, "WEBVTT\n\n00:00.000 --> 00:00.500\nHello\n").unwrap();
    let web = folder.path("in.webm");
    let vp8 = "-c:v libvpx -b:v 1M -c:s webvtt";
    ffmpeg(&format!("{PICTURE} -i {} {vp8}", words.display()), &web);
    let matroska = furnished(&folder, "in.mkv");
    let mp4 = furnished(&folder, "in.mp4");
    for (film, output, expected) in [
        (
            &web,
            "out.mkv",
            "without its subtitles: GStreamer does not read this kind",
        ),
        (
            &matroska,
            "out.mp4",
            "without its chapters: MP4 files are written without them",
        ),
        (
            &mp4,
            "out.mkv",
            "without its chapters: GStreamer does not read those",
        ),
        (
            &matroska,
            "out.webm",
            "without its subtitles: WebM files do not hold this kind",
        ),
    ] {
        let said = must(film, &folder.path(output), &["-y"]);
        assert!(said.contains(expected), "{said}");
    }
    let said = must(&matroska, &folder.path("all.mkv"), &[]);
    assert_eq!(said, "", "everything is kept");
}

#[test]
fn what_cannot_be_decoded_is_named() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = furnished(&folder, "in.mp4");
    let bytes = std::fs::read(&film).unwrap();
    let renamed = |from: &[u8; 4], to: &[u8; 4]| {
        let mut bytes = bytes.clone();
        for at in 0..bytes.len() - 4 {
            if bytes[at..at + 4] == *from {
                bytes[at..at + 4].copy_from_slice(to);
            }
        }
        let film = folder.path("renamed.mp4");
        std::fs::write(&film, bytes).unwrap();
        film
    };
    let refused = unchanged(&renamed(b"avc1", b"vvc1"), &folder.path("out.mp4"), &[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("no decoder for 'vvc1' here"), "{said}");

    let said = must(&renamed(b"mp4a", b"xyz1"), &folder.path("out.mp4"), &["-y"]);
    let expected = "without its sound: GStreamer has nothing here that reads 'xyz1'";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_is_encrypted_is_refused_as_such() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.mp4");
    let key = "0123456789abcdef0123456789abcdef";
    let encryption = format!("-encryption_scheme cenc-aes-ctr -encryption_key {key}");
    let encoding = format!("-c:v libx264 {encryption} -encryption_kid {key}");
    ffmpeg(&format!("{PICTURE} {encoding}"), &film);
    let refused = unchanged(&film, &folder.path("out.mp4"), &[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("it is encrypted"), "{said}");
    assert_eq!(folder.names(), ["in.mp4"]);
}

#[test]
fn transparency_becomes_white_and_is_said() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let half = "-vf format=rgba,geq=r=20:g=40:b=60:a='if(lt(X\\,48)\\,0\\,255)'";
    for (name, encoding) in [
        (
            "vp8.webm",
            "-c:v libvpx -auto-alt-ref 0 -b:v 1M -pix_fmt yuva420p",
        ),
        ("vp9.webm", "-c:v libvpx-vp9 -b:v 1M -pix_fmt yuva420p"),
        (
            "prores.mov",
            "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le",
        ),
        ("animation.mov", "-c:v qtrle"),
    ] {
        let film = folder.path(name);
        ffmpeg(&format!("{PICTURE} -t 0.5 {half} {encoding}"), &film);
        let output = folder.path("out.mp4");
        let said = must(&film, &output, &["-y"]);
        assert!(
            said.contains("without transparency: it becomes white"),
            "{said}"
        );
        let frame = first_frame(&output);
        let pixel = |x: usize| [0, 1, 2].map(|at| i32::from(frame[(32 * 96 + x) * 3 + at]));
        let far =
            |pixel: [i32; 3], other: [i32; 3]| (0..3).map(|at| (pixel[at] - other[at]).abs()).max();
        assert!(
            far(pixel(10), [255; 3]) <= Some(3),
            "{name}: {:?}",
            pixel(10)
        );
        assert!(
            far(pixel(80), [20, 40, 60]) <= Some(6),
            "{name}: {:?}",
            pixel(80)
        );
    }
}

#[test]
fn transparency_that_is_promised_and_not_there_is_passed_over() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.webm");
    ffmpeg(
        &format!("{PICTURE} -c:v libvpx-vp9 -b:v 1M -metadata:s:v alpha_mode=1"),
        &film,
    );
    for output in ["out.webm", "out.mp4"] {
        let output = folder.path(output);
        must(&film, &output, &["-y"]);
        assert_eq!(times(&output, "v").len(), 40);
    }
}

#[test]
fn a_full_range_without_a_matrix_stays_full() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.mp4");
    let level = |film: &Path| first_frame(film)[(32 * 96 + 20) * 3];
    for value in [71, 192] {
        let grey = format!("-f lavfi -i color=s=96x64:d=1 -vf geq=lum={value}:cb=128:cr=128");
        let range = "-c:v libx264 -qp 1 -pix_fmt yuv420p -color_range pc";
        ffmpeg(&format!("{grey} {range}"), &film);
        for output in ["out.mp4", "out.mkv", "out.webm"] {
            let output = folder.path(output);
            must(&film, &output, &["-y"]);
            let apart = i32::from(level(&output)) - i32::from(level(&film));
            assert!(apart.abs() <= 2, "{value} in {}: {apart}", output.display());
        }
    }
}

#[test]
fn pixels_of_an_impossible_shape_are_square() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.avi");
    ffmpeg(&format!("{PICTURE} -c:v rawvideo -pix_fmt bgr24"), &film);
    for output in ["out.mp4", "out.webm"] {
        let output = folder.path(output);
        must(&film, &output, &["-y"]);
        assert!(likeness(&film, 0..40, &output) > 25.0);
    }
}

#[test]
fn a_single_frame_is_as_long_as_its_film() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.webm");
    ffmpeg(
        "-f lavfi -i testsrc2=s=96x64:r=2 -frames:v 1 -c:v libvpx -b:v 1M",
        &film,
    );
    for output in ["out.mp4", "out.mkv", "out.webm"] {
        let output = folder.path(output);
        must(&film, &output, &["-y"]);
        assert_eq!(times(&output, "v").len(), 1);
        assert!((length(&output) - 0.5).abs() < 0.01, "{}", length(&output));
    }
}

#[test]
fn what_is_too_small_for_the_encoder_is_enlarged() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.webm");
    ffmpeg(
        "-f lavfi -i testsrc2=s=8x12:r=10:d=0.5 -c:v libvpx -b:v 1M",
        &film,
    );
    let output = folder.path("out.mp4");
    must(&film, &output, &["-y"]);
    let said = probe(&output, "stream=width,height");
    assert!(said.contains("width=16|height=24"), "{said}");
    ffmpeg(
        "-f lavfi -i testsrc2=s=2x3000:r=10:d=0.5 -c:v libvpx -b:v 1M",
        &film,
    );
    let refused = unchanged(&film, &output, &["-y"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("its picture of 2x3000 pixels"), "{said}");
}

#[test]
fn the_length_includes_a_track_that_begins_late() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.mkv");
    let sound = "-itsoffset 2.5 -f lavfi -i sine=d=3 -c:v libx264 -c:a ac3";
    ffmpeg(&format!("{PICTURE} {sound}"), &film);
    for output in ["out.webm", "out.mkv", "out.mp4"] {
        let output = folder.path(output);
        must(&film, &output, &["-y"]);
        let long = length(&output);
        assert!((long - 5.5).abs() < 0.1, "{}: {long}", output.display());
    }
}

#[test]
fn a_film_without_its_index_is_refused_at_once() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = furnished(&folder, "in.mp4");
    let refused = |film: &Path| {
        let refused = unchanged(film, &folder.path("out.mp4"), &[]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        said
    };
    let bytes = std::fs::read(&film).unwrap();
    let index = bytes.windows(4).rposition(|it| it == b"moov").unwrap();
    std::fs::write(&film, &bytes[..index - 4]).unwrap();
    let said = refused(&film);
    assert!(said.contains("its index is missing"), "{said}");

    let nothing = folder.path("nothing.mp4");
    std::fs::write(&nothing, b"\0\0\0\x08free".repeat(1 << 20)).unwrap();
    let said = refused(&nothing);
    assert!(said.contains("its index is missing"), "{said}");

    // One that is full of nothing.
    let parts = b"\0\0\0\x08free".repeat(1 << 20);
    let mut crowded = b"\0\0\0\x0cftypisom".to_vec();
    crowded.extend((parts.len() as u32 + 8).to_be_bytes());
    crowded.extend(b"moov");
    crowded.extend(parts);
    std::fs::write(&nothing, crowded).unwrap();
    let said = refused(&nothing);
    assert!(said.contains("its index is damaged"), "{said}");

    // Pictures of the same form have none.
    let picture = folder.path("in.heic");
    let bytes = b"\0\0\0\x14ftypheic\0\0\0\0heic\0\0\0\x08meta\0\0\0\x08mdat";
    std::fs::write(&picture, bytes).unwrap();
    let said = refused(&picture);
    assert!(!said.contains("index"), "{said}");
}

#[test]
fn sound_is_kept_or_its_loss_is_said() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for seconds in [1, 2, 3] {
        let sound = folder.path("sound.m4a");
        ffmpeg(&format!("-f lavfi -i sine=d={seconds} -c:a aac"), &sound);
        let film = folder.path("in.mp4");
        let both = format!("-t 6 -i {} -map 0 -map 1 -c:a copy", sound.display());
        ffmpeg(&format!("{PICTURE} {both} -c:v libx264"), &film);
        let output = folder.path("out.mp4");
        let said = must(&film, &output, &["-y"]);
        let is_kept = probe(&output, "stream=codec_type").contains("audio");
        assert!(
            is_kept || said.contains("without its sound"),
            "{seconds}: {said}"
        );
    }
}

/// Formats whose sizes are even enlarge by a row and a column, and none of them is black.
#[test]
fn odd_sizes_are_filled_to_the_edge() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for (width, height) in [(101, 33), (33, 101), (64, 49), (63, 48)] {
        let film = folder.path("in.webm");
        ffmpeg(
            &format!("-f lavfi -i color=white:s={width}x{height}:d=0.2 -c:v libvpx"),
            &film,
        );
        for kind in ["mp4", "mkv"] {
            let output = folder.path(&format!("out.{kind}"));
            must(&film, &output, &["-y"]);
            let darkest = first_frame(&output).into_iter().min().unwrap();
            assert!(darkest > 240, "{width}x{height} to {kind}: {darkest}");
        }
    }
}

/// More samples a second than MP4 and QuickTime have room for.
#[test]
fn fast_sound_plays_at_its_speed() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for (name, rate) in [("in.mkv", 96_000), ("in.avi", 88_200), ("in.mkv", 192_000)] {
        let film = folder.path(name);
        let sound = format!("-f lavfi -i sine=d=1:r={rate} -c:a pcm_s16le");
        ffmpeg(&format!("{PICTURE} {sound} -c:v libx264"), &film);
        for kind in ["mov", "mp4"] {
            let output = folder.path(&format!("out.{kind}"));
            must(&film, &output, &["-y"]);
            let sound = times(&output, "a");
            let last = sound.last().unwrap() - sound[0];
            assert!(
                (0.9..1.1).contains(&last),
                "{name}, {rate} to {kind}: {last}"
            );
            let found = probe_stream(&output, "a", "stream=sample_rate");
            let found: u32 = found.trim().parse().unwrap();
            assert!(
                (44_100..=96_000).contains(&found),
                "{name}, {rate}: {found}"
            );
        }
    }
}

/// What was written as a stream has no index, and seeks end where no frame can be decoded.
#[test]
fn parts_of_matroska_streams_have_no_broken_frames() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let film = folder.path("in.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=96x64:r=20:d=3 -c:v libx264 -g 40 -bf 0 -live 1 -cluster_time_limit 300",
        &film,
    );
    let output = folder.path("out.mkv");
    let options = ["-y", "--start", "1.5", "--duration", "0.4"];
    must(&film, &output, &options);
    assert_eq!(times(&output, "v").len(), 8);
    let likeness = likeness(&film, 30..38, &output);
    assert!(likeness > 25.0, "{likeness} dB");
}
