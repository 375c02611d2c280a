use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use super::super::FormatError;
use super::super::tensors::{Contents, Tensor};
use super::pickle::{Id, Pickle, TensorPlace, Value};

/// Deepest nesting of modules that is looked through.
const MAX_DEPTH: usize = 8;
/// Most tensors that are read; a model has at most ten.
const MAX_TENSORS: usize = 64;
/// Where training scripts put the state dict among other things.
const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Reads a state dict, with or without a `config`, or a whole pickled module.
pub(in super::super) fn read(bytes: &[u8]) -> Result<Contents, FormatError> {
    let mut archive = Archive::open(bytes)?;
    let pickle = Pickle::parse(&archive.file("data.pkl")?)?;

    let mut places = BTreeMap::new();
    let mut config = None;
    match pickle.get(pickle.root) {
        Value::Dict(dict) => {
            let nested = NESTED.iter().find_map(|key| {
                let id = pickle.entry(dict, key)?;
                match pickle.get(id) {
                    Value::Dict(nested) => Some(nested),
                    _ => None,
                }
            });
            if let Some(id) = pickle.entry(dict, "config")
                && let Value::Text(json) = pickle.get(id)
            {
                config = Some(json.clone());
            }
            collect(&pickle, nested.unwrap_or(dict), "", &mut places)?;
        }
        Value::Object { .. } => collect_module(&pickle, pickle.root, "", 0, &mut places)?,
        other => {
            return Err(FormatError::NoModel {
                found: describe(other).into(),
            });
        }
    }
    if places.is_empty() {
        return Err(FormatError::NoModel {
            found: "no tensors".into(),
        });
    }
    let tensors = places
        .into_iter()
        .map(|(name, place)| {
            let tensor = archive.tensor(&name, place)?;
            // Wrappers for several devices and for compiling put their names before.
            let name = ["module.", "_orig_mod."]
                .iter()
                .fold(name.as_str(), |name, prefix| {
                    name.strip_prefix(prefix).unwrap_or(name)
                });
            Ok((name.to_owned(), tensor))
        })
        .collect::<Result<_, FormatError>>()?;
    Ok(Contents { config, tensors })
}

type Places<'p> = BTreeMap<String, &'p TensorPlace>;

/// The tensors of a dictionary.
fn collect<'p>(
    pickle: &'p Pickle,
    dict: &[(Id, Id)],
    prefix: &str,
    places: &mut Places<'p>,
) -> Result<(), FormatError> {
    for &(key, value) in dict {
        if let (Value::Text(key), Value::Tensor(place)) = (pickle.get(key), pickle.get(value)) {
            places.insert(format!("{prefix}{key}"), place);
        }
        if places.len() > MAX_TENSORS {
            return Err(FormatError::NoModel {
                found: format!("more than {MAX_TENSORS} tensors"),
            });
        }
    }
    Ok(())
}

/// The parameters of a module and of the modules in it.
fn collect_module<'p>(
    pickle: &'p Pickle,
    module: Id,
    prefix: &str,
    depth: usize,
    places: &mut Places<'p>,
) -> Result<(), FormatError> {
    let Value::Object { class, state } = pickle.get(module) else {
        return Ok(());
    };
    let dict = |id: Option<Id>| match id.map(|id| pickle.get(id)) {
        Some(Value::Dict(dict)) => Some(dict),
        _ => None,
    };
    let state = dict(*state).ok_or_else(|| FormatError::NoModel {
        found: format!("an object of the class {class}"),
    })?;
    if let Some(parameters) = dict(pickle.entry(state, "_parameters")) {
        collect(pickle, parameters, prefix, places)?;
    }
    if depth < MAX_DEPTH
        && let Some(modules) = dict(pickle.entry(state, "_modules"))
    {
        for &(name, module) in modules {
            if let Value::Text(name) = pickle.get(name) {
                let prefix = format!("{prefix}{name}.");
                collect_module(pickle, module, &prefix, depth + 1, places)?;
            }
        }
    }
    Ok(())
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Other => "a plain value",
        Value::Int(_) => "a number",
        Value::Text(_) => "a text",
        Value::Sequence(_) => "a list",
        Value::Dict(_) => "a dictionary",
        Value::Global(_) => "the name of a function or class",
        Value::Object { .. } => "an object",
        Value::Storage(_) => "bare memory",
        Value::Tensor(_) => "a single tensor",
    }
}

/// The zip archive; torch compresses nothing, so that whatever is in it is smaller than it is.
struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    bytes: usize,
    /// Folder that everything lies in, with the slash.
    root: String,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
        let mut roots = zip.file_names().filter_map(|name| {
            let root = name.ok()?.strip_suffix("data.pkl")?.to_owned();
            (root.ends_with("/") && root.matches("/").count() == 1).then_some(root)
        });
        let (Some(root), None) = (roots.next(), roots.next()) else {
            return Err(broken("it is a zip file without a data.pkl"));
        };
        drop(roots);
        if zip
            .index_for_name(&format!("{root}constants.pkl"))
            .is_some()
        {
            return Err(FormatError::TorchScript);
        }
        let mut archive = Self {
            zip,
            bytes: bytes.len(),
            root,
        };
        let order = format!("{}byteorder", archive.root);
        if archive.zip.index_for_name(&order).is_some() && archive.file("byteorder")? != b"little" {
            return Err(broken("its numbers are big-endian"));
        }
        Ok(archive)
    }

    fn file(&mut self, name: &str) -> Result<Vec<u8>, FormatError> {
        let file = self.zip.by_name(&format!("{}{name}", self.root));
        let mut file = file.map_err(|error| broken(format!("{name}: {error}")))?;
        if file.compression() != CompressionMethod::Stored || file.size() > self.bytes as u64 {
            return Err(broken(format!(
                "{name} is compressed, which torch never does"
            )));
        }
        let mut bytes = Vec::new();
        (&mut file)
            .take(self.bytes as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| broken(format!("{name}: {error}")))?;
        Ok(bytes)
    }

    fn tensor(&mut self, name: &str, place: &TensorPlace) -> Result<Tensor, FormatError> {
        let TensorPlace {
            storage,
            offset,
            shape,
            strides,
        } = place;
        let number = storage.number.clone().map_err(|found| FormatError::Type {
            name: name.into(),
            found,
        })?;
        // A name in the archive, never a path out of it.
        if !storage.key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(broken(format!(
                "the memory of {name} has the name {:?}",
                storage.key
            )));
        }
        let memory = self.file(&format!("data/{}", storage.key))?;
        let length = memory.len() / number.bytes();

        let outside = || broken(format!("the tensor {name:?} reaches beyond its memory"));
        let count = shape
            .iter()
            .try_fold(1_usize, |count, &length| count.checked_mul(length));
        // A tensor that repeats its memory could take any amount of it.
        let count = count.filter(|&count| count <= length).ok_or_else(outside)?;
        if shape.len() != strides.len() {
            return Err(broken(format!("the tensor {name:?} has no strides")));
        }
        let reach =
            |(&length, &stride): (&usize, &usize)| length.saturating_sub(1).checked_mul(stride);
        let last = shape
            .iter()
            .zip(strides)
            .try_fold(*offset, |at, axis| at.checked_add(reach(axis)?));
        if count > 0 && last.is_none_or(|last| last >= length) {
            return Err(outside());
        }
        let values = (0..count)
            .map(|i| {
                let mut at = *offset;
                let mut rest = i;
                for (&length, &stride) in shape.iter().zip(strides).rev() {
                    at += rest % length * stride;
                    rest /= length;
                }
                number.read(&memory[at * number.bytes()..][..number.bytes()])
            })
            .collect();
        Ok(Tensor {
            shape: shape.clone(),
            values,
        })
    }
}

fn broken(what: impl ToString) -> FormatError {
    FormatError::Archive(what.to_string())
}
