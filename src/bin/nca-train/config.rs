//! What a run was asked for, as it is kept in its folder.

use std::path::{Path, PathBuf};

use nca::model::{Architecture, Playback};
use nca::train::style::{Extent, StyleWeights};
use serde::{Deserialize, Serialize};

use crate::args::{Args, PresetName, RecipeName};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub style: PathBuf,
    pub style_size: u32,
    pub content: Vec<PathBuf>,
    pub out: PathBuf,
    pub recipe: Recipe,
    pub preset: String,
    pub architecture: Architecture,
    pub playback: Playback,
    pub features: Features,
    pub extent: Extent,
    pub style_weights: StyleWeights,
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    Moving,
    Notebook,
}

impl Recipe {
    pub fn name(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Notebook => "notebook",
        }
    }
}

/// What pictures are compared by; decided once, so that a resumed run does as before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Features {
    /// Networks of these files.
    Networks(Vec<PathBuf>),
    Patches,
}

/// What is taken where nothing else is asked for.
struct Defaults {
    preset: &'static str,
    iterations: u64,
    size: usize,
    style_size: usize,
    pool: usize,
    rate: f64,
}

const MOVING: Defaults = Defaults {
    preset: "live",
    iterations: 3000,
    size: 128,
    style_size: 288,
    pool: 64,
    rate: 2e-3,
};

const NOTEBOOK: Defaults = Defaults {
    preset: "notebook",
    iterations: 4000,
    size: 224,
    style_size: 224,
    pool: 400,
    rate: 1e-3,
};

impl Config {
    /// That of a new run.
    pub fn of(args: &Args, features: Features) -> anyhow::Result<Self> {
        // clap has seen to that they are there.
        let (style, out) = args
            .style
            .clone()
            .zip(args.out.clone())
            .ok_or_else(|| anyhow::anyhow!("--style and --out are needed, or --resume"))?;
        let (recipe, defaults) = match args.recipe {
            RecipeName::Moving => (Recipe::Moving, MOVING),
            RecipeName::Notebook => (Recipe::Notebook, NOTEBOOK),
        };
        let preset = args.preset.map_or(defaults.preset, PresetName::name);
        let preset = nca::train::preset::Preset::named(preset)
            .ok_or_else(|| anyhow::anyhow!("there is no preset {preset}"))?;
        let absolute = |path: &Path| std::path::absolute(path);
        Ok(Self {
            style: absolute(&style)?,
            style_size: args.style_size.unwrap_or(defaults.style_size) as u32,
            content: args
                .content
                .iter()
                .map(|path| absolute(path))
                .collect::<Result<_, _>>()?,
            out: absolute(&out)?,
            recipe,
            preset: preset.name.into(),
            architecture: preset.architecture,
            playback: preset.playback,
            features,
            extent: Extent {
                iterations: args.iterations.unwrap_or(defaults.iterations),
                size: args.size.unwrap_or(defaults.size),
                batch: args.batch,
                pool: args.pool.unwrap_or(defaults.pool).max(args.batch),
                rate: args.rate.unwrap_or(defaults.rate),
            },
            style_weights: StyleWeights {
                style: args.style_weight,
                colour: args.colour_weight,
                content: args.content_weight,
                temporal: args.temporal_weight,
                overflow: args.overflow_weight,
            },
            seed: args.seed,
        })
    }
}
