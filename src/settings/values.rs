use std::str::FromStr;

use super::{Setting, SettingError, TABLE, Value};
use crate::OutOfRange;
use crate::engine::Selection;
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

    /// The kind that a choice names. A test reads all choices of the table.
    fn choice<T: FromStr + Default>(&self, name: &str) -> T {
        let choice = self.text(name).and_then(|choice| choice.parse().ok());
        choice.unwrap_or_default()
    }

    fn is_on(&self, name: &str) -> bool {
        *self.get(name) == Value::Switch(true)
    }

    /// How frames are restyled with them.
    pub fn options(&self) -> Options {
        // Ranges keep every number within what it becomes.
        let steps = |name| self.whole(name).map(|steps| steps as u32);
        let quality = self.choice("motion-quality");
        Options {
            steps: steps("steps"),
            warmup: steps("warmup"),
            strength: self.number("strength") as f32,
            scale: self.number("scale") as f32,
            stroke: self.number("stroke") as f32,
            interval: self.whole("interval").unwrap_or(1) as u32,
            motion: (self.text("motion") == Some("flow")).then_some(quality),
            cut_threshold: self
                .is_on("reset-on-cut")
                .then(|| self.number("cut-threshold")),
            seed: self.whole("seed").unwrap_or(0) as u64,
        }
    }

    /// What runs the automaton with them.
    pub fn selection(&self) -> Selection {
        Selection {
            backend: self.choice("backend"),
            device: self.text("device").map(str::to_owned),
            threads: self.whole("threads").unwrap_or(0) as usize,
            precision: self.choice("precision"),
        }
    }
}

impl Options {
    /// Checks that every option is within the range of the setting of its name.
    ///
    /// # Errors
    /// Says which is not, its value and its range.
    pub(crate) fn check(&self) -> Result<(), OutOfRange> {
        let whole = |value: u32| Value::Whole(value.into());
        let number = |value: f32| Value::Number(value.into());
        check_all([
            ("steps", self.steps.map(whole)),
            ("warmup", self.warmup.map(whole)),
            ("strength", Some(number(self.strength))),
            ("scale", Some(number(self.scale))),
            ("stroke", Some(number(self.stroke))),
            ("interval", Some(whole(self.interval))),
            ("cut-threshold", self.cut_threshold.map(Value::Number)),
        ])
    }
}

impl Selection {
    /// Checks that there can be so many threads, and a device of this name.
    ///
    /// # Errors
    /// Says which there cannot be, and what there can.
    pub(crate) fn check(&self) -> Result<(), OutOfRange> {
        let threads = (self.threads > 0).then_some(Value::Whole(self.threads as i128));
        let device = self.device.clone().map(|device| Value::Text(device.into()));
        check_all([("threads", threads), ("device", device)])
    }
}

/// Checks those that are given against the table.
fn check_all<const N: usize>(values: [(&str, Option<Value>); N]) -> Result<(), OutOfRange> {
    let given = values
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    for (name, value) in given {
        TABLE[index(name)].check_single(value)?;
    }
    Ok(())
}

fn index(name: &str) -> usize {
    let index = TABLE.iter().position(|setting| setting.name == name);
    index.unwrap_or_else(|| panic!("there is no setting {name:?}"))
}
