use std::io;
use std::path::PathBuf;

use super::InvalidArchitecture;

/// Why a model or a layer cannot be made of what is given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidModel {
    /// The architecture cannot be run.
    #[error("the architecture {0}")]
    Architecture(#[from] InvalidArchitecture),
    /// The layers of a network are not those of its architecture.
    #[error(
        "the {network} has layers of the shapes {found:?} (outputs, inputs); its architecture needs \
         {needed:?}"
    )]
    Layers {
        /// `update rule` or `painter`.
        network: &'static str,
        /// Outputs and inputs of each, first to last.
        found: Vec<(usize, usize)>,
        /// Outputs and inputs of each, first to last.
        needed: Vec<(usize, usize)>,
    },
    /// A layer has more or fewer values than its shape says.
    #[error(
        "a layer of {outputs} outputs and {inputs} inputs has {weights} weights{}; it needs one for each \
         output and input, and in its bias one for each output",
        bias.map_or_else(String::new, |bias| format!(" and {bias} values of its bias"))
    )]
    Values {
        /// Outputs of the layer.
        outputs: usize,
        /// Inputs of the layer.
        inputs: usize,
        /// Weights that there are.
        weights: usize,
        /// Values of the bias that there are, where there is one.
        bias: Option<usize>,
    },
    /// Infinities or NaN among the values of a layer.
    #[error("a layer has values that are not finite")]
    NotFinite,
    /// It is to take more steps than it can: a clause.
    #[error("{0}")]
    Playback(String),
}

/// Why a model cannot be had or written. Every message is a sentence for the person who asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// There is no such file, and no bundled model of this name.
    #[error("there is no model {name:?}: {hint}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// What there is.
        hint: String,
    },
    /// The file could not be read.
    #[error("cannot read the model file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a model, or a broken or unsupported one.
    #[error("{} is not a usable model: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        source: FormatError,
    },
    /// The name to write to says neither `.safetensors` nor `.pt`.
    #[error("cannot write a model to {}: its name must end in .safetensors or .pt", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be written; what stood there before still does.
    #[error("cannot write the model file {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a model file: a clause that follows "FILE is not a usable model: ".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Larger than any model.
    #[error("it has {found} bytes, more than the {limit} that a model file can have")]
    TooLarge {
        /// Bytes of the file.
        found: u64,
        /// Most that are accepted.
        limit: u64,
    },
    /// Neither of the two kinds of file.
    #[error("it is neither a safetensors file nor a PyTorch archive (.pt)")]
    Unknown,
    /// A PyTorch file from before version 1.6.
    #[error(
        "it is in PyTorch's format from before version 1.6; load it in Python and save it again"
    )]
    LegacyPytorch,
    /// A TorchScript program.
    #[error("it is a TorchScript program; save the module's state_dict() instead")]
    TorchScript,
    /// Broken as a safetensors file.
    #[error("it is a broken safetensors file: {}", short(.0))]
    Safetensors(String),
    /// Broken as a PyTorch archive.
    #[error("it is a broken PyTorch archive: {}", short(.0))]
    Archive(String),
    /// Something in the pickle that a model has no use for and that is never executed.
    #[error(
        "its pickle wants to call {}, which a model has no use for; nothing was executed",
        short(.0)
    )]
    ForbiddenCall(String),
    /// The pickle is well-formed but holds no model.
    #[error(
        "it holds {}, not a state dict or a module with layers w1, w2, ...",
        short(found)
    )]
    NoModel {
        /// What was found.
        found: String,
    },
    /// The description that travels with the weights cannot be read.
    #[error("its description ({})", short(.0))]
    Config(String),
    /// The description is of a later version.
    #[error(
        "its description is of format {found}; this version reads the formats {} to {}",
        super::config::FORMATS[0],
        super::config::FORMATS[super::config::FORMATS.len() - 1]
    )]
    Version {
        /// Format of the file.
        found: u64,
    },
    /// The description cannot be run.
    #[error("its architecture {0}")]
    Architecture(#[from] InvalidArchitecture),
    /// Without a description, and not one of those that need none.
    #[error(
        "it has no description of its architecture, which can be told from the weights only for \
         automata of 18 channels with 9 outputs (published) or 15 (notebook); these have {0}"
    )]
    NotInferable(String),
    /// A layer is absent.
    #[error("it has no tensor {0:?}")]
    MissingTensor(String),
    /// A tensor that belongs to no layer.
    #[error("it has a tensor {:?}, which belongs to no layer of its architecture", short(.0))]
    UnexpectedTensor(String),
    /// A tensor of numbers that are not floats.
    #[error(
        "its tensor {:?} is of type {}; it must be float32, float64, float16 or bfloat16",
        short(name),
        short(found)
    )]
    Type {
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// A tensor of the wrong shape.
    #[error(
        "its tensor {:?} has the shape {}; the architecture needs {expected:?}",
        short(name),
        short_shape(found)
    )]
    Shape {
        /// The tensor.
        name: String,
        /// What the architecture needs.
        expected: Vec<usize>,
        /// What the file has.
        found: Vec<usize>,
    },
    /// Infinities or NaN among the weights.
    #[error("its tensor {0:?} has values that are not finite")]
    NotFinite(String),
    /// Made to keep whoever reads it busy.
    #[error(
        "reading it takes more than {limit} steps, the most that its size explains; no model needs \
         so many"
    )]
    TooMuchWork {
        /// Most that are taken.
        limit: u64,
    },
    /// Whoever wanted it does not any more.
    #[error("the reading of it was cancelled")]
    Cancelled,
}

/// Most characters of what is quoted from a file, which may be as long as it.
const MAX_QUOTE: usize = 300;

/// A text from a file, as a part of a sentence: of bounded length and on one line.
pub(crate) fn short(text: &str) -> String {
    let mut chars = text.chars();
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = chars.by_ref().take(MAX_QUOTE).map(plain).collect();
    if chars.next().is_some() {
        short.push_str("...");
    }
    short
}

fn short_shape(shape: &[usize]) -> String {
    const MOST: usize = 8;
    if shape.len() > MOST {
        format!("of {} dimensions", shape.len())
    } else {
        format!("{shape:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_from_a_file_is_short_and_on_one_line() {
        let long = "a\x1b[31m\n".repeat(10_000);
        let errors = [
            FormatError::Safetensors(long.clone()),
            FormatError::Archive(long.clone()),
            FormatError::ForbiddenCall(long.clone()),
            FormatError::NoModel {
                found: long.clone(),
            },
            FormatError::Config(long.clone()),
            FormatError::UnexpectedTensor(long.clone()),
            FormatError::Type {
                name: long.clone(),
                found: long.clone(),
            },
            FormatError::Shape {
                name: long.clone(),
                expected: vec![1; 4],
                found: vec![1; 10_000],
            },
        ];
        for error in errors {
            let said = error.to_string();
            assert!(said.chars().count() < 3 * MAX_QUOTE, "{said}");
            assert!(!said.chars().any(char::is_control), "{said:?}");
        }
    }
}
