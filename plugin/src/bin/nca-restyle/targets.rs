//! Which files are read and which are written, decided as `cp` does it.

use std::path::{Path, PathBuf};

use crate::container::Container;
use crate::picture;

/// One file to read and one to write.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    pub input: PathBuf,
    pub output: PathBuf,
    /// Made before the output is written, if it is absent.
    pub folder: Option<PathBuf>,
}

/// Pairs inputs with outputs.
///
/// # Errors
/// A sentence on how to call the program, when the paths do not tell what is meant.
pub fn plan(paths: &[PathBuf], folder: Option<&Path>) -> Result<Vec<Target>, String> {
    if let Some(folder) = folder {
        return into_folder(paths, folder);
    }
    match paths {
        [] | [_] => Err("the file or folder to write is missing".to_owned()),
        [inputs @ .., last] if is_folder(last) => into_folder(inputs, last),
        [input, output] => Ok(vec![Target {
            input: input.clone(),
            output: output.clone(),
            folder: None,
        }]),
        [.., last] => Err(format!(
            "with several files to restyle the last path must be a folder, but {} is none; a / at \
             its end makes one",
            last.display()
        )),
    }
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/')
}

fn into_folder(inputs: &[PathBuf], folder: &Path) -> Result<Vec<Target>, String> {
    let mut targets: Vec<Target> = Vec::new();
    for input in inputs {
        let name = input
            .file_name()
            .ok_or_else(|| format!("{} is not a file to restyle", input.display()))?;
        let mut output = folder.join(name);
        if let Some(extension) = replaced_extension(input) {
            output.set_extension(extension);
        }
        if let Some(earlier) = targets.iter().find(|target| target.output == output) {
            return Err(format!(
                "{} and {} would both be written to {}",
                earlier.input.display(),
                input.display(),
                output.display()
            ));
        }
        targets.push(Target {
            input: input.clone(),
            output,
            folder: Some(folder.to_owned()),
        });
    }
    Ok(targets)
}

/// The ending that stands for an input's own where files of that kind are not written.
fn replaced_extension(input: &Path) -> Option<&'static str> {
    if Container::of(input).is_some() || picture::format_of(input).is_some() {
        None
    } else {
        Some("mp4")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(paths: &[&str], folder: Option<&str>) -> Result<Vec<(String, String)>, String> {
        let paths: Vec<_> = paths.iter().map(PathBuf::from).collect();
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        Ok(plan(&paths, folder.map(Path::new))?
            .into_iter()
            .map(|target| (text(target.input), text(target.output)))
            .collect())
    }

    #[test]
    fn one_file_to_one_file() {
        let pair = ("in.avi".to_owned(), "out.mp4".to_owned());
        assert_eq!(pairs(&["in.avi", "out.mp4"], None), Ok(vec![pair]));
    }

    #[test]
    fn files_into_a_folder_keep_their_names() {
        let expected = vec![
            ("a/x.webm".to_owned(), "out/x.webm".to_owned()),
            ("y.avi".to_owned(), "out/y.mp4".to_owned()),
            ("z.jpg".to_owned(), "out/z.jpg".to_owned()),
        ];
        let inputs = ["a/x.webm", "y.avi", "z.jpg"];
        assert_eq!(pairs(&inputs, Some("out")), Ok(expected.clone()));
        let last = ["a/x.webm", "y.avi", "z.jpg", "out/"];
        assert_eq!(pairs(&last, None), Ok(expected));
    }

    #[test]
    fn what_is_unclear_is_wrong_usage() {
        assert!(pairs(&["in.mp4"], None).is_err());
        assert!(pairs(&["a.mp4", "b.mp4", "c.mp4"], None).is_err());
        assert!(pairs(&["a/x.mp4", "b/x.mp4", "out/"], None).is_err());
        assert!(pairs(&[".."], Some("out")).is_err());
    }
}
