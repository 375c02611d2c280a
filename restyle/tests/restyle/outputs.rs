//! What is in the way of the file that is written.

#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::command::{finish, must, restyle, restyle_limited, succeeded, unchanged};
use crate::inspect::inspect;
use crate::samples::{Folder, film, h264, write};

/// That it failed with a code, one or more words, and without leaving anything.
fn failed(folder: &Folder, before: &[String], done: Output, code: i32, words: &[&str]) {
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(code), "{errors}");
    for word in words {
        assert!(errors.contains(word), "{word} is not in: {errors}");
    }
    assert_eq!(folder.names(), before, "{errors}");
}

#[test]
fn what_is_no_file_is_not_written_to() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let picture = folder.path("in.png");
    image::RgbImage::new(16, 16).save(&picture).unwrap();
    let [pipe, pipe_of_a_picture, socket] =
        ["pipe.mp4", "pipe.png", "socket.mkv"].map(|name| folder.path(name));
    for pipe in [&pipe, &pipe_of_a_picture] {
        assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    }
    let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let device = folder.path("device.mp4");
    symlink("/dev/null", &device).unwrap();
    let before = folder.names();
    for (input, output) in [
        (&film, &pipe),
        (&picture, &pipe_of_a_picture),
        (&film, &socket),
        (&film, &device),
    ] {
        for options in [&["--overwrite"][..], &[]] {
            let done = unchanged(input, output, options);
            failed(
                &folder,
                &before,
                done,
                1,
                &["not a file that can be written"],
            );
        }
    }
    // As an input neither.
    let done = unchanged(&pipe, &folder.path("out.mp4"), &[]);
    failed(&folder, &before, done, 1, &["not an ordinary file"]);
    assert!(Path::new("/dev/null").exists());
}

#[test]
fn a_link_to_nothing_yet_leads_to_where_the_file_is_written() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let (link, behind) = (folder.path("link.mp4"), folder.path("behind.mp4"));
    symlink("behind.mp4", &link).unwrap();
    must(&film, &link, &["--motion", "off"]);
    assert!(behind.is_file() && link.is_symlink());
}

/// Whenever it happens, there is an end, and no file of the same name in another place.
#[test]
fn a_folder_that_goes_while_it_is_written_to() {
    let folder = Folder::new();
    let caps = "width=320,height=240,framerate=24/1";
    let Some(film) = folder.make("film.mp4", &h264(480, caps, "mp4mux")) else {
        return;
    };
    let before = folder.names();
    let into = folder.path("into");
    for (name, options) in [
        ("out.mp4", &[][..]),
        ("out.mp4", &["--start", "1"]),
        ("out.mkv", &[]),
    ] {
        for wait in [0, 100, 200, 300, 600] {
            std::fs::create_dir(&into).unwrap();
            let mut command = restyle([&film, &into.join(name)]);
            command
                .args(["--motion", "off", "--steps", "1"])
                .args(options);
            let mut child = command.spawn().unwrap();
            let is_empty = || std::fs::read_dir(&into).unwrap().next().is_none();
            while is_empty() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(wait));
            // A file may be made in it meanwhile.
            while std::fs::remove_dir_all(&into).is_err() && into.exists() {}
            failed(&folder, &before, finish(child), 1, &["film.mp4: "]);
        }
    }
}

/// As on a full disk.
#[test]
fn a_file_that_cannot_become_so_large() {
    let folder = Folder::new();
    let caps = "width=320,height=240,framerate=24/1";
    let Some(film) = folder.make("film.mp4", &h264(240, caps, "mp4mux")) else {
        return;
    };
    let picture = folder.path("in.png");
    let noise = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) as u8;
    image::RgbImage::from_fn(300, 300, |x, y| {
        image::Rgb([noise(x, y), noise(y, x * 3), noise(x + 77, y * y)])
    })
    .save(&picture)
    .unwrap();
    let before = folder.names();
    for (input, output) in [
        (&film, "out.mp4"),
        (&film, "out.mkv"),
        (&film, "out.webm"),
        (&picture, "out.png"),
        (&picture, "out.tif"),
    ] {
        let output = folder.path(output);
        let args = [input.as_os_str(), output.as_os_str()];
        let mut command = restyle_limited("-f 20", args);
        command.args(["--motion", "off", "--steps", "1", "--quiet"]);
        let done = finish(command.spawn().unwrap());
        failed(&folder, &before, done, 1, &["written", "File too large"]);
    }
}

#[test]
fn a_file_that_is_also_to_be_read_is_wrong_usage() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    let (into, elsewhere) = (folder.path("into"), folder.path("elsewhere"));
    std::fs::create_dir(&into).unwrap();
    std::fs::create_dir(&elsewhere).unwrap();
    let precious = into.join("film.mp4");
    write(&precious, b"precious");
    let other = folder.path("other.mp4");
    let linked = elsewhere.join("film.mp4");
    std::fs::copy(&film, &other).unwrap();
    // Links to the output of the first, one after the other.
    let (soft, hard) = (folder.path("soft.mp4"), folder.path("hard.mp4"));
    symlink("into/film.mp4", &soft).unwrap();
    std::fs::hard_link(&precious, &hard).unwrap();
    // The input's own output, and the folder, by other names.
    std::fs::hard_link(&film, &linked).unwrap();
    let alias = folder.path("alias");
    symlink("into", &alias).unwrap();
    // Another input whose output is a link to the first one's.
    symlink("film.mp4", into.join("other.mp4")).unwrap();
    let before = folder.names();
    let dotted = folder.path("into/../into/film.mp4");
    for (inputs, into) in [
        (vec![&film, &soft], &into),
        (vec![&film, &hard], &into),
        (vec![&soft, &film], &into),
        (vec![&film, &dotted], &alias),
        (vec![&film, &other], &into),
        (vec![&film, &folder.path("./film.mp4")], &into),
        (vec![&film], &elsewhere),
    ] {
        let mut command = restyle(&inputs);
        command.arg("--overwrite").arg("-o").arg(into);
        let done = finish(command.args(["--steps", "1"]).spawn().unwrap());
        failed(&folder, &before, done, 2, &["film.mp4", "--help"]);
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
        assert_eq!(
            std::fs::read_dir(into).unwrap().count(),
            if *into == elsewhere { 1 } else { 2 }
        );
    }
    // To a folder that is not there yet.
    let mut command = restyle([&film, &folder.path("./film.mp4")]);
    command.arg("-o").arg(folder.path("new"));
    failed(
        &folder,
        &before,
        finish(command.spawn().unwrap()),
        2,
        &["both"],
    );
    // What only looks alike is something else.
    let mut command = restyle([&film, &other]);
    command.arg("-o").arg(folder.path("new"));
    command.args(["--steps", "1", "--motion", "off"]);
    succeeded(finish(command.spawn().unwrap()));
}

#[test]
fn the_smallest_size_is_named() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    for (output, encoder, smallest) in [
        ("out.mp4", "x264enc", "16x16"),
        ("out.mov", "x265enc", "16x16"),
        ("out.webm", "vp9enc", "16x16"),
        ("out.webm", "vp8enc", "16x16"),
    ] {
        if gst::ElementFactory::find(encoder).is_none() {
            println!("skipped: there is no {encoder}");
            continue;
        }
        let output = folder.path(output);
        for size in ["14x14", "2x2", "100x8"] {
            let before = folder.names();
            let options = ["--size", size, "--encoder", encoder, "--overwrite"];
            let done = unchanged(&film, &output, &options);
            failed(&folder, &before, done, 1, &["too small", smallest]);
        }
        must(
            &film,
            &output,
            &["--size", smallest, "--encoder", encoder, "--overwrite"],
        );
    }
    // Matroska takes any.
    let output = folder.path("out.mkv");
    must(&film, &output, &["--size", "2x2"]);
    assert_eq!(inspect(&output).frames.len(), 24);
}
