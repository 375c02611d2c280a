//! The description that travels with the weights, as JSON.

use serde::{Deserialize, Serialize};

use super::{Architecture, Card, FormatError, InvalidModel, Model, Playback};

/// Versions of the description that are read. Written is the first that has all that a model uses.
pub(super) const FORMATS: [u64; 2] = [FIRST, PAINTERS];

/// Cells are pixels.
const FIRST: u64 = 1;
/// Has cells and painters besides.
const PAINTERS: u64 = 2;

/// Most steps that a description may ask for.
const MAX_STEPS: u32 = 1024;

/// Most multiply-adds a pixel that a model with a painter may ask for in a frame, and in the first:
/// a tenth of a second and a second for a million pixels on two cores.
const MAX_WORK: u64 = 16_384;
const MAX_FIRST_WORK: u64 = 10 * MAX_WORK;

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
            format: match model.architecture.of_painters().next() {
                Some(_) => PAINTERS,
                None => FIRST,
            },
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
        if !FORMATS.contains(&format) {
            return Err(FormatError::Version { found: format });
        }
        let config: Self = serde_json::from_str(json).map_err(broken)?;
        let Self { architecture, .. } = &config;
        // A program that reads no later format would refuse it.
        if let (FIRST, Some(name)) = (format, architecture.of_painters().next()) {
            return Err(FormatError::Config(format!(
                "it says format {FIRST}, which has no {name}; that is format {PAINTERS}"
            )));
        }
        architecture.validate()?;
        let too_much = |error: InvalidModel| FormatError::Config(error.to_string());
        config.playback.check(architecture).map_err(too_much)?;
        Ok(config)
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a description has only finite numbers and text keys")
    }
}

impl Playback {
    /// Checks that it does not ask for too many steps and that, with a painter, no frame takes seconds.
    ///
    /// # Errors
    /// Says what is too much, and how much there can be.
    pub fn check(self, architecture: &Architecture) -> Result<(), InvalidModel> {
        let refuse = |why: String| Err(InvalidModel::Playback(why));
        let Self { warmup, steps } = self;
        let most = warmup.max(steps);
        if most > MAX_STEPS {
            return refuse(format!(
                "playback asks for {most} steps; it can ask for at most {MAX_STEPS}"
            ));
        }
        if architecture.painter.is_none() {
            return Ok(());
        }
        let limits = [
            ("a", steps, MAX_WORK),
            ("the first", warmup, MAX_FIRST_WORK),
        ];
        for (frame, steps, limit) in limits {
            let work = architecture.work(steps);
            if work > limit {
                return refuse(format!(
                    "with {steps} steps, {frame} frame takes {work} multiply-adds a pixel; with a \
                     painter it can take {limit}"
                ));
            }
        }
        Ok(())
    }
}
