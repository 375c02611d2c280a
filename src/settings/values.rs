use super::{Setting, SettingError, TABLE, Value};
use crate::engine::{Backend, Precision, Selection};
use crate::motion::Quality;
use crate::stylizer::Options;

/// Values of some settings; the others are as they are by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// In the order of the table.
    values: [Option<Value>; TABLE.len()],
}

impl Settings {
    /// Sets the setting called `name`.
    ///
    /// # Errors
    /// When there is none of this name, or it cannot have this value.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), SettingError> {
        let value = Setting::named(name)?.check(value)?;
        self.values[index(name)] = Some(value);
        Ok(())
    }

    /// The value of the setting called `name`, if it was set.
    ///
    /// # Panics
    /// When there is no such setting, as all that read values by their names do.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.values[index(name)].as_ref()
    }

    /// The value of the setting called `name`.
    pub fn get(&self, name: &str) -> &Value {
        self.given(name).unwrap_or(&TABLE[index(name)].default)
    }

    /// All that were set, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Setting, &Value)> {
        let values = TABLE.iter().zip(&self.values);
        values.filter_map(|(setting, value)| Some((setting, value.as_ref()?)))
    }

    /// Takes over all that were set in `others`.
    pub fn take(&mut self, others: &Self) {
        for (value, other) in self.values.iter_mut().zip(&others.values) {
            if other.is_some() {
                value.clone_from(other);
            }
        }
    }

    /// The value of a whole number; none where it is left open.
    pub fn whole(&self, name: &str) -> Option<i128> {
        match self.get(name) {
            Value::Whole(number) => Some(*number),
            _ => None,
        }
    }

    /// The value of a text or a choice; none where it is left open.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Value::Number(number) => *number,
            other => unreachable!("{name} is a number and not {other}"),
        }
    }

    fn is_on(&self, name: &str) -> bool {
        *self.get(name) == Value::Switch(true)
    }

    /// How frames are restyled with them.
    pub fn options(&self) -> Options {
        // Ranges keep every number within what it becomes.
        let steps = |name| self.whole(name).map(|steps| steps as u32);
        let quality = self.text("motion-quality").and_then(Quality::named);
        Options {
            steps: steps("steps"),
            warmup: steps("warmup"),
            strength: self.number("strength") as f32,
            scale: self.number("scale") as f32,
            stroke: self.number("stroke") as f32,
            interval: self.whole("interval").unwrap_or(1) as u32,
            motion: quality.filter(|_| self.text("motion") == Some("flow")),
            cut_threshold: self
                .is_on("reset-on-cut")
                .then(|| self.number("cut-threshold")),
            seed: self.whole("seed").unwrap_or(0) as u64,
        }
    }

    /// What runs the automaton with them.
    pub fn selection(&self) -> Selection {
        let backend = self.text("backend").and_then(Backend::named);
        Selection {
            backend: backend.unwrap_or_default(),
            device: self.text("device").map(str::to_owned),
            threads: self.whole("threads").unwrap_or(0) as usize,
            precision: match self.text("precision") {
                Some("half") => Precision::Half,
                _ => Precision::Full,
            },
        }
    }
}

fn index(name: &str) -> usize {
    let index = TABLE.iter().position(|setting| setting.name == name);
    index.unwrap_or_else(|| panic!("there is no setting {name:?}"))
}
