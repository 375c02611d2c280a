use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicBool;

use super::super::FormatError;
use super::super::budget::Budget;
use super::super::tensors::{Contents, MAX_NAME, MAX_TENSORS, too_many_tensors};
use super::archive::Archive;
use super::pickle::{Id, Pickle, Value};

/// Where training scripts put the state dict among other things.
const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Reads a state dict, with or without a `config`, or a whole pickled module.
pub(in super::super) fn read<'a>(
    bytes: &'a [u8],
    cancelled: &AtomicBool,
) -> Result<Contents<'a>, FormatError> {
    let mut archive = Archive::open(bytes)?;
    let pickle = archive.file("data.pkl")?;
    let mut budget = Budget::of(pickle.len(), cancelled);
    let found = find(pickle, &mut budget)?;
    let tensors = found
        .tensors
        .into_iter()
        .map(|(name, tensor)| {
            let place = found.pickle.place(&name, tensor)?;
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
    Ok(Contents {
        config: found.config,
        tensors,
    })
}

/// What a pickle has of a model.
struct Found<'a> {
    pickle: Pickle<'a>,
    config: Option<Cow<'a, str>>,
    tensors: Tensors,
}

/// Tensors of a pickle by their names, at least one and at most [`MAX_TENSORS`].
type Tensors = BTreeMap<String, Id>;

/// Looks for a model in a pickle.
fn find<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Found<'a>, FormatError> {
    let pickle = Pickle::parse(bytes, budget)?;
    let mut search = Search {
        pickle: &pickle,
        budget,
        tensors: Tensors::new(),
    };
    let mut config = None;
    match pickle.get(pickle.root) {
        Value::Dict(dict) => {
            let mut state_dict = dict;
            for key in NESTED {
                if let Some(nested) = search.dict(dict, key)? {
                    state_dict = nested;
                    break;
                }
            }
            if let Some(Value::Text(json)) = search.entry(dict, "config")? {
                config = Some(json.clone());
            }
            search.collect(state_dict, "")?;
        }
        Value::Object { .. } => search.modules()?,
        other => {
            return Err(FormatError::NoModel {
                found: describe(other).into(),
            });
        }
    }
    let tensors = search.tensors;
    if tensors.is_empty() {
        return Err(FormatError::NoModel {
            found: "no tensors".into(),
        });
    }
    Ok(Found {
        pickle,
        config,
        tensors,
    })
}

/// Goes through the values of a pickle and collects tensors. Every entry that it looks at is a step.
struct Search<'p, 'a, 'b, 'c> {
    pickle: &'p Pickle<'a>,
    budget: &'b mut Budget<'c>,
    tensors: Tensors,
}

impl<'p, 'a> Search<'p, 'a, '_, '_> {
    /// What a dictionary holds under a text key; later entries win.
    fn entry(
        &mut self,
        dict: &[(Id, Id)],
        key: &str,
    ) -> Result<Option<&'p Value<'a>>, FormatError> {
        self.budget.spend(dict.len())?;
        let found = dict
            .iter()
            .rev()
            .find(|(k, _)| matches!(self.pickle.get(*k), Value::Text(k) if k == key));
        Ok(found.map(|(_, value)| self.pickle.get(*value)))
    }

    /// The dictionary that a dictionary holds under a text key.
    fn dict(
        &mut self,
        dict: &[(Id, Id)],
        key: &str,
    ) -> Result<Option<&'p Vec<(Id, Id)>>, FormatError> {
        Ok(match self.entry(dict, key)? {
            Some(Value::Dict(dict)) => Some(dict),
            _ => None,
        })
    }

    /// The tensors of a dictionary.
    fn collect(&mut self, dict: &[(Id, Id)], prefix: &str) -> Result<(), FormatError> {
        for &(key, value) in dict {
            self.budget.spend(1)?;
            if let (Value::Text(key), Value::Tensor { .. }) =
                (self.pickle.get(key), self.pickle.get(value))
            {
                let name = self.name(prefix, key, "")?;
                self.tensors.insert(name, value);
                if self.tensors.len() > MAX_TENSORS {
                    return Err(too_many_tensors());
                }
            }
        }
        Ok(())
    }

    /// The parameters of the module that the pickle is of and of the modules in it.
    ///
    /// One that has modules in it is looked into once, however many hold it. One that has none may
    /// have several names, which share its weights.
    fn modules(&mut self) -> Result<(), FormatError> {
        let mut seen = HashSet::new();
        let mut waiting = vec![(self.pickle.root, String::new())];
        while let Some((module, prefix)) = waiting.pop() {
            self.budget.spend(1)?;
            let Value::Object { class, state } = self.pickle.get(module) else {
                continue;
            };
            let state = match state.map(|state| self.pickle.get(state)) {
                Some(Value::Dict(state)) => state,
                _ => {
                    return Err(FormatError::NoModel {
                        found: format!("an object of the class {}", self.pickle.name(*class)?),
                    });
                }
            };
            let modules = self.dict(state, "_modules")?;
            let modules = modules.map(Vec::as_slice).unwrap_or_default();
            if !modules.is_empty() && !seen.insert(module) {
                continue;
            }
            if let Some(parameters) = self.dict(state, "_parameters")? {
                self.collect(parameters, &prefix)?;
            }
            for &(name, module) in modules {
                self.budget.spend(1)?;
                if let (Value::Text(name), Value::Object { .. }) =
                    (self.pickle.get(name), self.pickle.get(module))
                {
                    waiting.push((module, self.name(&prefix, name, ".")?));
                }
            }
        }
        Ok(())
    }

    /// The name of something in something else.
    fn name(&mut self, prefix: &str, name: &str, end: &str) -> Result<String, FormatError> {
        let length = prefix.len() + name.len() + end.len();
        if length > MAX_NAME {
            return Err(FormatError::NoModel {
                found: format!("a name of {length} bytes"),
            });
        }
        self.budget.spend(length)?;
        Ok([prefix, name, end].concat())
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Other => "a plain value",
        Value::Int(_) => "a number",
        Value::Text(_) => "a text",
        Value::Sequence(_) => "a list",
        Value::Dict(_) => "a dictionary",
        Value::Global { .. } => "the name of a function or class",
        Value::Object { .. } => "an object",
        Value::Storage { .. } => "bare memory",
        Value::Tensor { .. } => "a single tensor",
    }
}

#[cfg(test)]
#[path = "../../../tests/common/attacks.rs"]
#[allow(dead_code, reason = "those without a pickle are not used")]
mod attacks;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::Model;

    /// Bytes of the pickle in a file, the steps that were taken, and what came of it.
    fn steps(file: &[u8]) -> (u64, u64, Result<(), FormatError>) {
        let cancelled = AtomicBool::new(false);
        let pickle = Archive::open(file).unwrap().file("data.pkl").unwrap();
        let mut budget = Budget::of(pickle.len(), &cancelled);
        let result = find(pickle, &mut budget).map(drop);
        (pickle.len() as u64, budget.spent(), result)
    }

    #[test]
    fn cycles_and_shared_modules_are_walked_once() {
        for attack in [
            attacks::modules_in_themselves,
            attacks::modules_in_each_other,
            attacks::one_module_under_many_names,
            attacks::modules_in_a_row,
        ] {
            let (bytes, steps, result) = steps(&attack().0);
            assert!(matches!(result, Err(FormatError::NoModel { .. })));
            assert!(steps < 3 * bytes, "{steps} steps for {bytes} bytes");
        }
    }

    #[test]
    fn no_pickle_takes_more_steps_than_its_size_explains() {
        let mut refused = 0;
        for (name, attack) in attacks::PICKLES {
            let (bytes, steps, result) = steps(&attack().0);
            assert!(
                steps <= 4 * bytes,
                "{name}: {steps} steps for {bytes} bytes"
            );
            refused += usize::from(matches!(result, Err(FormatError::TooMuchWork { .. })));
        }
        assert!(refused > 0, "none reaches the limit");
    }

    #[test]
    fn an_honest_pickle_takes_less_than_a_step_a_byte() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let files = ["published.pt", "notebook.pt", "unusual.pt"]
            .map(|name| std::fs::read(golden.join(name)).unwrap());
        let written = super::super::write(&Model::bundled_default());
        for file in files.iter().chain([&written]) {
            let (bytes, steps, result) = steps(file);
            result.unwrap();
            assert!(steps < bytes, "{steps} steps for {bytes} bytes");
        }
    }

    #[test]
    fn nothing_is_looked_for_once_cancelled() {
        let cancelled = AtomicBool::new(true);
        let file = super::super::write(&Model::bundled_default());
        assert!(matches!(
            read(&file, &cancelled),
            Err(FormatError::Cancelled)
        ));
    }

    /// Layers that are one module under several names share its weights.
    #[test]
    fn a_module_may_have_several_names() {
        let tensor = |pickle: attacks::Pickle| {
            let pickle = pickle.global("torch._utils", "_rebuild_tensor_v2").op(b"(");
            let pickle = pickle.storage("FloatStorage", "0", 4);
            pickle.op(b"K\x00K\x04\x85K\x01\x85tR")
        };
        let pickle = attacks::Pickle::new().object().op(b"}").text("_parameters");
        let pickle = tensor(pickle.op(b"}").text("weight")).op(b"ssb").store(0);
        let pickle = pickle.object().op(b"}").text("_modules").op(b"}(");
        let pickle = pickle.text("w1").get(0).text("w2").get(0).op(b"usb");
        let file = pickle.file();
        let contents = read(&file, &AtomicBool::new(false)).unwrap();
        let names: Vec<_> = contents.tensors.keys().collect();
        assert_eq!(names, ["w1.weight", "w2.weight"]);
    }
}
