//! The bar, on a terminal.

#![cfg(unix)]

use std::process::{Command, Stdio};

use crate::samples::{Folder, film};

/// What a file says of its length is never quite that of its frames.
#[test]
fn it_ends_at_all_of_it() {
    let folder = Folder::new();
    let Some(film) = film(&folder) else { return };
    for output in ["out.mp4", "out.webm"] {
        let run = format!(
            "stty cols 120; '{}' --motion off --steps 1 '{}' '{}'",
            env!("CARGO_BIN_EXE_nca-restyle"),
            film.display(),
            folder.path(output).display()
        );
        let script = Command::new("script")
            .args(["-q", "-e", "-c", &run, "/dev/null"])
            .stdin(Stdio::null())
            .output();
        let Ok(output) = script else {
            println!("skipped: there is no program script");
            return;
        };
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{shown}");
        let percents: Vec<_> = shown
            .split('%')
            .filter_map(|text| text.rsplit(' ').next()?.parse::<u32>().ok())
            .collect();
        assert_eq!(percents.last(), Some(&100), "{shown}");
    }
}
