//! The description that travels with the weights, as JSON.

use serde::{Deserialize, Serialize};

use super::{Architecture, Card, FormatError, Model, Playback};

/// Version of the description that is written, and the only one that is read.
pub(super) const FORMAT: u64 = 1;

/// Most steps that a description may ask for.
const MAX_STEPS: u32 = 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    format: u64,
    pub(super) architecture: Architecture,
    #[serde(default)]
    pub(super) playback: Playback,
    #[serde(default)]
    pub(super) card: Card,
}

impl Config {
    pub(super) fn of(model: &Model) -> Self {
        Self {
            format: FORMAT,
            architecture: model.architecture.clone(),
            playback: model.playback,
            card: model.card.clone(),
        }
    }

    pub(super) fn from_json(json: &str) -> Result<Self, FormatError> {
        let broken = |error: serde_json::Error| FormatError::Config(error.to_string());
        // The version first: what a later one has besides is not an error of this one.
        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let Version { format } = serde_json::from_str(json).map_err(broken)?;
        if format != FORMAT {
            return Err(FormatError::Version { found: format });
        }
        let config: Self = serde_json::from_str(json).map_err(broken)?;
        config.architecture.validate()?;
        let Playback { warmup, steps } = config.playback;
        if warmup.max(steps) > MAX_STEPS {
            return Err(FormatError::Config(format!(
                "playback asks for {} steps; it can ask for at most {MAX_STEPS}",
                warmup.max(steps)
            )));
        }
        Ok(config)
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a description has only finite numbers and text keys")
    }
}
