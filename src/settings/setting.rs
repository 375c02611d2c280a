use std::borrow::Cow;

use serde::Serialize;

use super::{SettingError, TABLE};
use crate::OutOfRange;

/// What there is to know about a setting.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Setting {
    /// Words in small letters, with hyphens between them.
    pub name: &'static str,
    /// For people: a word or two.
    pub label: &'static str,
    /// For people: what it does, in a sentence without its full stop.
    pub help: &'static str,
    /// Its type and range.
    pub kind: Kind,
    /// The value that it has unless it is set.
    pub default: Value,
    /// For settings that can be [`Value::Unset`]: what is taken then.
    pub unset: Option<&'static str>,
    /// When a change of it takes effect.
    pub change: Change,
    /// What a change does besides, in a sentence without its full stop.
    pub on_change: Option<&'static str>,
    /// What it means where a picture is restyled and not a video, in a sentence without its full stop.
    pub for_pictures: Option<&'static str>,
    /// Whether it is about the element in a pipeline alone, and not about what pictures look like or what
    /// runs.
    pub for_pipelines: bool,
}

/// The type of a setting, and which values it can have. Both ends of a range are among them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Kind {
    /// A finite number.
    Number {
        /// The least.
        least: f64,
        /// The most.
        most: f64,
    },
    /// A whole number.
    Whole {
        /// The least.
        least: i128,
        /// The most.
        most: i128,
    },
    /// On or off.
    Switch,
    /// One of a few.
    Choice {
        /// All of them.
        choices: &'static [Choice],
    },
    /// Any text.
    Text {
        /// What stands for it where usage is explained, such as `NAME|FILE`.
        metavar: &'static str,
    },
}

/// One of a few values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Choice {
    /// In small letters.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// For people: what it means.
    pub help: &'static str,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// When it is started the next time.
    WithTheNextStart,
    /// With the next frame.
    AtOnce,
    /// With the next frame, and it makes sense to change it with every frame.
    EveryFrame,
}

/// A value of a setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// It is left open: `null` in files.
    Unset,
    /// On or off.
    Switch(bool),
    /// A whole number: wide enough for those with and without a sign.
    Whole(i128),
    /// A number.
    Number(f64),
    /// A text, or the name of a choice.
    Text(Cow<'static, str>),
}

impl Setting {
    /// The setting of this name.
    ///
    /// # Errors
    /// Says which names there are.
    pub fn named(name: &str) -> Result<&'static Self, SettingError> {
        let mut named = TABLE.iter().filter(|setting| setting.name == name);
        named.next().ok_or_else(|| {
            let known: Vec<_> = TABLE.iter().map(|setting| setting.name).collect();
            SettingError::Unknown {
                name: quoted(name),
                known: known.join(", "),
            }
        })
    }

    /// Which values it can have: "a number from 0 to 1".
    pub fn needed(&self) -> String {
        match self.kind {
            Kind::Number { least, most } => format!("a number from {least} to {most}"),
            Kind::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Switch => "true or false".into(),
            Kind::Choice { choices } => {
                let names: Vec<_> = choices.iter().map(|choice| choice.name).collect();
                format!("one of {}", names.join(", "))
            }
            Kind::Text { .. } => "a text".into(),
        }
    }

    /// The help with what it means to leave the setting open, and what a change does; for those who can
    /// change it while frames pass.
    pub fn description(&self) -> String {
        let mut description = self.help.to_owned();
        if let Some(means) = self.unset {
            let number = self.unset_number();
            let unset = number.map_or("unset".into(), |number| number.to_string());
            description += &format!("; {unset}: {means}");
        }
        if let Some(on_change) = self.on_change {
            description += &format!(". {on_change}");
        }
        description
    }

    /// From where to where it goes, "0 to 1", if both ends are near enough to tell somebody something.
    pub fn range(&self) -> Option<String> {
        match self.kind {
            Kind::Number { least, most } => Some(format!("{least} to {most}")),
            Kind::Whole { least, most } if most < u32::MAX.into() => {
                Some(format!("{least} to {most}"))
            }
            _ => None,
        }
    }

    /// The number that stands for [`Value::Unset`] where there are only numbers: the one below the least.
    pub fn unset_number(&self) -> Option<i128> {
        match self.kind {
            Kind::Whole { least, .. } if self.unset.is_some() => Some(least - 1),
            _ => None,
        }
    }

    /// Reads a value as people write it.
    ///
    /// # Errors
    /// Says what was written, and what would be right.
    pub fn parse(&self, text: &str) -> Result<Value, OutOfRange> {
        let value = match self.kind {
            Kind::Number { .. } => text.parse().ok().map(Value::Number),
            Kind::Whole { .. } => text.parse().ok().map(Value::Whole),
            Kind::Switch => text.parse().ok().map(Value::Switch),
            Kind::Choice { .. } | Kind::Text { .. } => Some(Value::Text(text.to_owned().into())),
        };
        value
            .and_then(|value| self.accept(value))
            .ok_or_else(|| self.wrong(quoted(text), self.needed()))
    }

    /// The value, if the setting can have it.
    ///
    /// # Errors
    /// Says what the value is, and what would be right.
    pub fn check(&self, value: Value) -> Result<Value, OutOfRange> {
        let found = value.to_string();
        self.accept(value)
            .ok_or_else(|| self.wrong(found, self.needed()))
    }

    /// As [`Setting::check`], for a value that was an f32: it is told with as many digits as that has.
    pub(super) fn check_single(&self, value: Value) -> Result<(), OutOfRange> {
        let single = match value {
            Value::Number(number) => Some(number as f32),
            _ => None,
        };
        self.check(value).map(drop).map_err(|error| OutOfRange {
            value: single.map_or(error.value, |single| single.to_string()),
            ..error
        })
    }

    /// The value that a file has.
    pub(super) fn read_json(&self, json: serde_json::Value) -> Result<Value, OutOfRange> {
        use serde_json::Value as Json;
        let found = match &json {
            Json::Array(_) => "a list".into(),
            Json::Object(_) => "an object".into(),
            Json::String(text) => quoted(text),
            other => other.to_string(),
        };
        let value = match (json, self.kind) {
            (Json::Null, _) => Some(Value::Unset),
            (Json::Bool(on), _) => Some(Value::Switch(on)),
            (Json::Number(number), Kind::Number { .. }) => number.as_f64().map(Value::Number),
            (Json::Number(number), _) => number.as_i128().map(Value::Whole),
            (Json::String(text), _) => Some(Value::Text(text.into())),
            (Json::Array(_) | Json::Object(_), _) => None,
        };
        value.and_then(|value| self.accept(value)).ok_or_else(|| {
            let needed = match self.unset {
                Some(means) => format!("{}, or null for {means},", self.needed()),
                None => self.needed(),
            };
            self.wrong(found, needed)
        })
    }

    fn accept(&self, value: Value) -> Option<Value> {
        let is_right = match (&value, self.kind) {
            (Value::Unset, _) => self.unset.is_some(),
            // Left open in the way of those who cannot leave it out.
            (Value::Text(text), Kind::Text { .. }) if text.is_empty() => {
                return self.unset.map(|_| Value::Unset);
            }
            (Value::Number(number), Kind::Number { least, most }) => {
                (least..=most).contains(number)
            }
            (Value::Whole(number), Kind::Whole { least, most }) => (least..=most).contains(number),
            (Value::Switch(_), Kind::Switch) => true,
            (Value::Text(text), Kind::Choice { choices }) => {
                choices.iter().any(|choice| choice.name == text)
            }
            // What C takes for the end of a text would change it on its way.
            (Value::Text(text), Kind::Text { .. }) => !text.contains('\0'),
            _ => false,
        };
        is_right.then_some(value)
    }

    fn wrong(&self, found: String, needed: String) -> OutOfRange {
        OutOfRange::new(self.name, found, needed)
    }
}

impl std::fmt::Display for Value {
    /// As people write it; what is unset is `null`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unset => f.write_str("null"),
            Self::Switch(on) => on.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// In quotes, in one line, and no longer than can be read at a glance.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?} ...", &text[..end]),
        None => format!("{text:?}"),
    }
}
