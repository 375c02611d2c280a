//! Which files are read and which are written, decided as `cp` does it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::container::Container;
use crate::{output, picture};

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
/// A sentence on how to call the program, when the paths do not tell what is meant, or when a file
/// would be written to that is also read, or twice.
pub fn plan(paths: &[PathBuf], folder: Option<&Path>) -> Result<Vec<Target>, String> {
    let targets = pair(paths, folder)?;
    refuse_overlaps(&targets)?;
    Ok(targets)
}

fn pair(paths: &[PathBuf], folder: Option<&Path>) -> Result<Vec<Target>, String> {
    if let Some(folder) = folder {
        return into_folder(paths, folder);
    }
    match paths {
        [] | [_] => Err("the file or folder to write is missing".to_owned()),
        [inputs @ .., last] if is_folder(last) => into_folder(inputs, last),
        [input, output] if input.is_dir() => into_folder(std::slice::from_ref(input), output),
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
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            files.extend(files_in(input)?);
        } else {
            files.push(input.clone());
        }
    }
    let mut targets: Vec<Target> = Vec::new();
    for input in &files {
        let name = input
            .file_name()
            .ok_or_else(|| format!("{} is not a file to restyle", input.display()))?;
        let mut output = folder.join(name);
        if let Some(extension) = replaced_extension(input) {
            output.set_extension(extension);
        }
        targets.push(Target {
            input: input.clone(),
            output,
            folder: Some(folder.to_owned()),
        });
    }
    Ok(targets)
}

/// The files in a folder, but not those of its folders nor those that are hidden, by their names.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect()
    };
    let mut files = read().map_err(|error| {
        let reason = nca::internals::sentence(&error);
        format!("{} cannot be read: {reason}", folder.display())
    })?;
    let is_hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(b".")
    };
    files.retain(|path| !is_hidden(path) && !path.is_dir());
    files.sort();
    if files.is_empty() {
        return Err(format!("the folder {} has no files", folder.display()));
    }
    Ok(files)
}

/// Makes sure that a file of settings that is written replaces no file that is restyled, nor the model.
///
/// # Errors
/// A sentence, when it would.
pub fn refuse_to_lose(
    targets: &[Target],
    model: Option<&str>,
    settings: &Path,
) -> Result<(), String> {
    let place = Place::of(settings);
    let inputs = targets.iter().map(|target| target.input.as_path());
    let mut read = inputs.chain(model.map(Path::new));
    match read.find(|read| Place::of(read) == place) {
        Some(read) => Err(format!(
            "{} is read and would be replaced by the file of settings",
            read.display()
        )),
        None => Ok(()),
    }
}

fn refuse_overlaps(targets: &[Target]) -> Result<(), String> {
    let inputs: HashMap<Place, &Path> = targets
        .iter()
        .map(|target| (Place::of(&target.input), target.input.as_path()))
        .collect();
    let mut outputs: HashMap<Place, &Path> = HashMap::new();
    for target in targets {
        let place = Place::of(&target.output);
        if place == Place::of(&target.input) {
            return Err(format!(
                "{} and {} are the same file; a restyled file never replaces its own input",
                target.input.display(),
                target.output.display()
            ));
        }
        if let Some(input) = inputs.get(&place) {
            return Err(format!(
                "{} is to be restyled and would be replaced by the restyled {}",
                input.display(),
                target.input.display()
            ));
        }
        if let Some(earlier) = outputs.insert(place, &target.input) {
            return Err(format!(
                "{} and {} would both be written to {}",
                earlier.display(),
                target.input.display(),
                target.output.display()
            ));
        }
    }
    Ok(())
}

/// Which file a path means, however it is written and wherever links lead.
#[derive(PartialEq, Eq, Hash)]
enum Place {
    /// Device and number of one that exists.
    #[cfg(unix)]
    File(u64, u64),
    Path(PathBuf),
}

impl Place {
    fn of(path: &Path) -> Self {
        #[cfg(unix)]
        if let Ok(file) = std::fs::metadata(path) {
            use std::os::unix::fs::MetadataExt;
            return Self::File(file.dev(), file.ino());
        }
        let path = output::behind_links(path);
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let folder = std::fs::canonicalize(folder)
            .or_else(|_| std::path::absolute(folder))
            .unwrap_or_else(|_| folder.to_owned());
        Self::Path(folder.join(path.file_name().unwrap_or_default()))
    }
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
    fn a_folder_stands_for_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["b.jpg", "a.avi", ".hidden.jpg"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::create_dir(path("deeper")).unwrap();
        std::fs::write(path("deeper/c.jpg"), "").unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let expected = vec![
            (text(path("a.avi")), "out/a.mp4".to_owned()),
            (text(path("b.jpg")), "out/b.jpg".to_owned()),
        ];
        let input = text(folder.path().into());
        assert_eq!(pairs(&[&input], Some("out")), Ok(expected.clone()));
        assert_eq!(pairs(&[&input, "out/"], None), Ok(expected.clone()));
        assert_eq!(pairs(&[&input, "out"], None), Ok(expected));
        let itself = pairs(&[&input], Some(&input)).unwrap_err();
        assert!(itself.contains("b.jpg"), "{itself}");
        let deeper = text(path("deeper"));
        assert!(pairs(&[&input, &deeper], Some("out")).is_ok());
        std::fs::remove_file(path("deeper/c.jpg")).unwrap();
        let empty = pairs(&[&deeper], Some("out")).unwrap_err();
        assert_eq!(empty, format!("the folder {deeper} has no files"));
    }

    #[test]
    fn settings_are_not_saved_over_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let film = path("film.json");
        let targets = plan(&[film.clone(), path("out.mp4")], None).unwrap();
        assert!(refuse_to_lose(&targets, None, &film).is_err());
        assert!(refuse_to_lose(&targets, None, &path("./film.json")).is_err());
        let model = path("model.json");
        assert!(refuse_to_lose(&targets, model.to_str(), &model).is_err());
        assert!(refuse_to_lose(&targets, model.to_str(), &path("look.json")).is_ok());
    }

    #[test]
    fn what_is_unclear_is_wrong_usage() {
        assert!(pairs(&["in.mp4"], None).is_err());
        assert!(pairs(&["a.mp4", "b.mp4", "c.mp4"], None).is_err());
        assert!(pairs(&["a/x.mp4", "b/x.mp4", "out/"], None).is_err());
        assert!(pairs(&[".."], Some("out")).is_err());
    }
}
