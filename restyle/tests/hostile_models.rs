//! Models that are made to do harm, and files that are none, are refused.

#[path = "../../tests/common/attacks.rs"]
#[allow(dead_code, reason = "what assembles a file is not used")]
mod attacks;

use std::process::Command;

#[test]
fn refused_in_one_line_with_nothing_left() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("in.png");
    image::RgbImage::new(16, 16).save(&picture).unwrap();
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    for (path, words) in attacks::files(&models) {
        let output = Command::new(env!("CARGO_BIN_EXE_nca-restyle"))
            .args([&picture, &folder.path().join("out.png")])
            .args(["--backend", "cpu", "--model"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", path.display());
        assert!(said.contains(words), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 2, "nothing is left of {}", path.display());
    }
}
