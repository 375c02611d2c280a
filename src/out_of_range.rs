use std::fmt::Display;
use std::ops::RangeInclusive;

/// A value that something cannot have: `strength is 1.5; a number from 0 to 1 is needed`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}; {needed} is needed")]
#[non_exhaustive]
pub struct OutOfRange {
    /// What cannot have it: the name of a setting, `stride`, ...
    pub name: &'static str,
    /// As it was given.
    pub value: String,
    /// What would be right, as words: `a number from 0 to 1`.
    pub needed: String,
}

impl OutOfRange {
    pub(crate) fn new(name: &'static str, value: impl Display, needed: impl Into<String>) -> Self {
        Self {
            name,
            value: value.to_string(),
            needed: needed.into(),
        }
    }

    /// The number, if it is in the range; NaN is in none.
    pub(crate) fn check(
        name: &'static str,
        value: f32,
        range: RangeInclusive<f32>,
    ) -> Result<f32, Self> {
        if range.contains(&value) {
            return Ok(value);
        }
        let (least, most) = range.into_inner();
        let needed = format!("a number from {least} to {most}");
        Err(Self::new(name, value, needed))
    }
}
