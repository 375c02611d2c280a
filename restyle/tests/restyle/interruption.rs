//! Ctrl-C.

#![cfg(unix)]

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::command::{finish_within, restyle};
use crate::samples::{Folder, h264};

/// Five seconds at most, and much more for a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(30);

fn signal(child: &Child, signal: &str) -> bool {
    let kill = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .stderr(Stdio::null())
        .status();
    if kill.is_err() {
        println!("skipped: there is no program kill");
    }
    kill.is_ok()
}

fn left_nothing(folder: &Folder, before: &[String], done: Output) {
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(130), "{errors}");
    assert_eq!(folder.names(), before, "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

fn interrupted_leaves_nothing(input: &str, output: &str, signal: &str) {
    let folder = Folder::new();
    let caps = "width=320,height=240,framerate=24/1";
    let Some(film) = folder.make("film.mp4", &h264(240, caps, "mp4mux")) else {
        return;
    };
    if input == "picture.png" {
        image::RgbImage::new(320, 240)
            .save(folder.path(input))
            .unwrap();
        std::fs::remove_file(film).unwrap();
    }
    let before = folder.names();
    let mut command = restyle([folder.path(input), folder.path(output)]);
    // Hours of work, so that it is in the middle of it whenever the signal comes.
    command.args(["--steps", "1024", "--duration", "10"]);
    let mut child = command.spawn().unwrap();
    while folder.names() == before && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    if self::signal(&child, signal) {
        left_nothing(&folder, &before, finish_within(SOON, child));
    } else {
        child.kill().unwrap();
    }
}

/// A picture or a frame of very many steps, which takes minutes.
fn in_the_middle_of_a_frame(output: &str, signals: &[&str]) {
    let folder = Folder::new();
    let input = folder.path("in.png");
    image::RgbImage::from_pixel(3000, 3000, image::Rgb([90, 120, 60]))
        .save(&input)
        .unwrap();
    let before = folder.names();
    let mut command = restyle([&input, &folder.path(output)]);
    command.args(["--backend", "cpu", "--steps", "1024", "--warmup", "1024"]);
    let mut child = command.spawn().unwrap();
    while folder.names() == before && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    // By now it is in it.
    std::thread::sleep(Duration::from_secs(2));
    if signals.iter().all(|name| signal(&child, name)) {
        left_nothing(&folder, &before, finish_within(SOON, child));
    } else {
        child.kill().unwrap();
    }
}

#[test]
fn in_the_middle_of_a_picture() {
    in_the_middle_of_a_frame("out.png", &["-INT"]);
}

#[test]
fn in_the_middle_of_a_frame_of_a_clip() {
    in_the_middle_of_a_frame("out.mp4", &["-TERM"]);
}

#[test]
fn twice() {
    in_the_middle_of_a_frame("out.mkv", &["-INT", "-INT"]);
}

/// The file after one that is interrupted is not begun.
#[test]
fn of_the_first_of_several() {
    let folder = Folder::new();
    let [one, two] = ["one.png", "two.png"].map(|name| folder.path(name));
    image::RgbImage::new(1500, 1500).save(&one).unwrap();
    image::RgbImage::new(16, 16).save(&two).unwrap();
    let into = folder.path("into");
    let mut command = restyle([&one, &two]);
    command.arg("-o").arg(&into).args(["--steps", "1024"]);
    let mut child = command.spawn().unwrap();
    while !into.is_dir() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let is_sent = signal(&child, "-INT");
    let done = finish_within(SOON, child);
    if is_sent {
        assert_eq!(done.status.code(), Some(130));
        assert_eq!(std::fs::read_dir(&into).unwrap().count(), 0);
    }
}

#[test]
fn of_a_film() {
    interrupted_leaves_nothing("film.mp4", "out.mp4", "-INT");
}

#[test]
fn of_a_growing_clip() {
    interrupted_leaves_nothing("picture.png", "out.webm", "-INT");
}

#[test]
fn a_request_to_terminate_is_as_good() {
    interrupted_leaves_nothing("film.mp4", "out.mkv", "-TERM");
}
