//! Ctrl-C.

#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command::{finish, restyle};
use crate::samples::{Folder, h264};

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
    let id = child.id().to_string();
    let kill = Command::new("kill")
        .args([signal, &id])
        .stderr(Stdio::null())
        .status();
    if kill.is_err() {
        println!("skipped: there is no program kill");
        return;
    }
    let done = finish(child);
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(130), "{errors}");
    assert_eq!(folder.names(), before, "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
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
