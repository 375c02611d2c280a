//! What a run was asked for, as it is kept in its folder.

use std::path::{Path, PathBuf};

use nca::model::{Architecture, Playback};
use nca::train::style::{Extent, StyleWeights};
use serde::{Deserialize, Serialize};

use crate::args::Args;

/// Iterations where none are asked for.
const ITERATIONS: u64 = 3000;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub style: PathBuf,
    pub style_size: u32,
    pub content: Vec<PathBuf>,
    pub out: PathBuf,
    pub preset: String,
    pub architecture: Architecture,
    pub playback: Playback,
    pub features: Features,
    pub extent: Extent,
    pub style_weights: StyleWeights,
    pub seed: u64,
}

/// What pictures are compared by; decided once, so that a resumed run does as before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Features {
    /// Networks of these files.
    Networks(Vec<PathBuf>),
    Patches,
}

impl Config {
    /// That of a new run.
    pub fn of(args: &Args, features: Features) -> anyhow::Result<Self> {
        // clap has seen to that they are there.
        let (style, out) = args
            .style
            .clone()
            .zip(args.out.clone())
            .ok_or_else(|| anyhow::anyhow!("--style and --out are needed, or --resume"))?;
        let preset = nca::train::preset::Preset::named(args.preset.name())
            .ok_or_else(|| anyhow::anyhow!("there is no preset {}", args.preset.name()))?;
        let absolute = |path: &Path| std::path::absolute(path);
        Ok(Self {
            style: absolute(&style)?,
            style_size: args.style_size as u32,
            content: args
                .content
                .iter()
                .map(|path| absolute(path))
                .collect::<Result<_, _>>()?,
            out: absolute(&out)?,
            preset: preset.name.into(),
            architecture: preset.architecture,
            playback: preset.playback,
            features,
            extent: Extent {
                iterations: args.iterations.unwrap_or(ITERATIONS),
                size: args.size,
                batch: args.batch,
                pool: args.pool.max(args.batch),
                rate: args.rate,
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
