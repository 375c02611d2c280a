use std::io;
use std::path::PathBuf;

/// Why training cannot begin or go on. Every message is a sentence for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A folder or file of pictures cannot be looked into.
    #[error("cannot read the content {}: {source}", path.display())]
    Content {
        /// What was named.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to train on.
    #[error(
        "there are no pictures to train on in {}{}; a few dozen photographs (PNG, JPEG, WebP, BMP, \
         TIFF) or a film are needed",
        list(paths),
        unreadable(*skipped)
    )]
    NoContent {
        /// What was named.
        paths: Vec<PathBuf>,
        /// Files that are no pictures.
        skipped: usize,
    },
    /// A picture cannot be read.
    #[error("cannot read the picture {}: {source}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: image::ImageError,
    },
    /// A film cannot be read.
    #[error("cannot read the film {}: {why}", path.display())]
    Film {
        /// The file.
        path: PathBuf,
        /// A clause.
        why: String,
    },
    /// A file of network weights cannot be used.
    #[error("{} is not a usable network: {why}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// A clause.
        why: String,
    },
    /// A sentence cannot be understood.
    #[error("cannot take the prompt {0}")]
    Prompt(String),
    /// Weights are nowhere to be found.
    #[error("{0}")]
    NoWeights(String),
    /// The device is not there.
    #[error("there is no device {name:?}: {why}")]
    Device {
        /// What was asked for.
        name: String,
        /// A clause.
        why: String,
    },
    /// The device has too little memory.
    #[error(
        "there is not enough memory: a smaller --size, --batch or --pool needs less; libtorch says: {0}"
    )]
    OutOfMemory(
        /// The first line of what libtorch said.
        String,
    ),
    /// libtorch, or the graphics card under it, failed.
    #[error("libtorch failed: {0}")]
    Torch(
        /// The first line of what libtorch said.
        String,
    ),
    /// Something cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A run cannot be gone on with.
    #[error("cannot go on with the run in {}: {why}", path.display())]
    Resume {
        /// The run's folder.
        path: PathBuf,
        /// A clause.
        why: String,
    },
    /// Training does not settle.
    #[error(
        "training went out of bounds {0} times, each time from the last good state and with half \
         the learning rate; a lower --rate or smaller weights of the losses may help"
    )]
    Diverged(u32),
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    names.join(", ")
}

fn unreadable(skipped: usize) -> String {
    match skipped {
        0 => String::new(),
        1 => " (one file is no picture)".into(),
        n => format!(" ({n} files are no pictures)"),
    }
}
