//! Settings in files.

use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::setting::quoted;
use super::{Setting, Settings, SettingsError, Value};
use crate::{model, regular_file};

/// Most bytes that a file can have.
const MAX_BYTES: u64 = 1 << 16;

/// What is in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<S> {
    version: Version,
    settings: S,
}

/// Of the files; another one means that what is in them means something else.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
struct Version;

impl Version {
    const NUMBER: u64 = 1;
}

impl From<Version> for u64 {
    fn from(_: Version) -> Self {
        Version::NUMBER
    }
}

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(found: u64) -> Result<Self, String> {
        let known = Self::NUMBER;
        let wrong = || format!("the version is {found}; this program reads version {known}");
        (found == known).then_some(Self).ok_or_else(wrong)
    }
}

impl Settings {
    /// Reads a file of settings. The path of a model in it counts from its folder.
    ///
    /// # Errors
    /// Says what is wrong where, and what would be right.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable {
            path: path.into(),
            source,
        };
        let (file, _) = regular_file::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        let mut file = file.take(MAX_BYTES + 1);
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(SettingsError::TooLarge {
                path: path.into(),
                limit: MAX_BYTES,
            });
        }
        let wrong = |line, why| SettingsError::Wrong {
            path: path.into(),
            line,
            why,
        };
        // Serde would take a list for it too.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            let why = "a file of settings is {\"version\": 1, \"settings\": {...}}";
            return Err(wrong(1, why.into()));
        }
        let content: Content<Self> = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(error.line(), without_place(&error)))?;
        let mut settings = content.settings;
        settings.move_model(|model| {
            let folder = path.parent()?;
            Some(folder.join(model).to_str()?.to_owned())
        });
        Ok(settings)
    }

    /// What a file at `path` has to hold. Only what was set is in it. The path of a model in the folder of
    /// the file is relative to it, so that both can be moved; any other is absolute.
    pub fn to_json(&self, path: &Path) -> String {
        let mut settings = self.clone();
        settings.move_model(|model| {
            let model = std::path::absolute(model).ok()?;
            let file = std::path::absolute(path).ok()?;
            let folder = file.parent();
            let relative = folder.and_then(|folder| model.strip_prefix(folder).ok());
            let relative = relative.and_then(Path::to_str);
            let relative = relative.filter(|relative| model::is_path(relative));
            Some(relative.or(model.to_str())?.to_owned())
        });
        let content = Content {
            version: Version,
            settings,
        };
        let json = serde_json::to_string_pretty(&content);
        json.expect("texts and finite numbers can be written") + "\n"
    }

    /// Replaces the path of the model, if it is one and not the name of a bundled model.
    fn move_model(&mut self, moved: impl FnOnce(&str) -> Option<String>) {
        let path = self.text("model").filter(|model| model::is_path(model));
        if let Some(moved) = path.and_then(moved) {
            let moved = self.set("model", Value::Text(moved.into()));
            moved.expect("a path is a text");
        }
    }
}

/// What went wrong, without the line and column, which are told apart from it.
fn without_place(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let why = error.to_string();
    let why = why.strip_suffix(&place).unwrap_or(&why);
    let why = model::short(why);
    if error.is_data() {
        why
    } else {
        format!("this is not JSON: {why}")
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (setting, value) in self.iter() {
            map.serialize_entry(setting.name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;

        impl<'de> Visitor<'de> for Values {
            type Value = Settings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("settings and their values, such as {\"strength\": 0.6}")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Settings, M::Error> {
                let mut settings = Settings::default();
                while let Some(name) = map.next_key::<String>()? {
                    let setting = Setting::named(&name).map_err(M::Error::custom)?;
                    if settings.given(&name).is_some() {
                        let twice = format!("{} is there twice; once is needed", quoted(&name));
                        return Err(M::Error::custom(twice));
                    }
                    let value = setting.read_json(map.next_value()?);
                    let value = value.map_err(M::Error::custom)?;
                    settings.set(&name, value).map_err(M::Error::custom)?;
                }
                Ok(settings)
            }
        }

        deserializer.deserialize_map(Values)
    }
}
