//! The settings: one table that says what there is, and sets of values.
//!
//! [`TABLE`] has an entry for each setting: its name, words, type, range and default. What people set
//! them with is made from it: the properties of the element, the options of nca-restyle, files. A new
//! setting is an entry there, and what it does in [`Settings::options`] or [`Settings::selection`].
//!
//! ```
//! use nca::settings::{Settings, Value};
//!
//! let mut settings = Settings::default();
//! settings.set("strength", Value::Number(0.6))?;
//! assert_eq!(settings.options().strength, 0.6);
//!
//! let error = settings.set("strength", Value::Number(2.0)).unwrap_err();
//! assert_eq!(error.to_string(), "strength is 2; a number from 0 to 1 is needed");
//! # Ok::<(), nca::settings::SettingError>(())
//! ```

mod error;
mod file;
mod setting;
mod table;
mod values;

pub use error::{SettingError, SettingsError};
pub use setting::{Change, Choice, Kind, Setting, Value};
pub use table::TABLE;
pub use values::Settings;
