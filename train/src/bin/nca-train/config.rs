//! What a run was asked for, as it is kept in its folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use nca::model::{Architecture, Border, Model, Playback};
use nca_train::losses::prompt::weighted;
use nca_train::networks::features::ContentLayer;
use nca_train::recipes::style::{Extent, StyleWeights};
use serde::{Deserialize, Serialize};

use crate::args::{Args, BlurArg, BorderName, PresetName, RecipeName};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub look: Look,
    pub content: Vec<PathBuf>,
    pub out: PathBuf,
    pub recipe: Recipe,
    pub beginning: Beginning,
    pub architecture: Architecture,
    pub playback: Playback,
    pub features: Features,
    pub extent: Extent,
    pub style_weights: StyleWeights,
    /// Sizes of pictures that the style is compared at, each half of the last.
    #[serde(default = "one")]
    pub levels: usize,
    #[serde(default)]
    pub content_layer: ContentLayer,
    pub seed: u64,
}

fn one() -> usize {
    1
}

/// What is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// The style of a picture, made smaller to a longest side of `size` pixels.
    Picture { path: PathBuf, size: u32 },
    /// What sentences say, to the CLIP of a folder.
    Prompt {
        sentences: Vec<String>,
        /// Pictures with their weights.
        pictures: Vec<(PathBuf, f64)>,
        aesthetic: Option<PathBuf>,
        clip: PathBuf,
    },
}

/// What an automaton is before it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beginning {
    /// A new one of this preset, or like it.
    Preset(String),
    /// The one of this model.
    Model(PathBuf),
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
    iterations: u64,
    size: usize,
    style_size: usize,
    levels: usize,
    pool: usize,
    rate: f64,
    content_weight: f64,
    gram_weight: f64,
    light_weight: f64,
}

/// For cells and a painter.
const CELLS: Defaults = Defaults {
    iterations: 3000,
    size: 192,
    style_size: 512,
    levels: 3,
    pool: 64,
    rate: 2e-3,
    content_weight: 0.7,
    gram_weight: 1.0,
    light_weight: 1.0,
};

/// For automata on pixels.
const PIXELS: Defaults = Defaults {
    size: 128,
    style_size: 288,
    levels: 1,
    content_weight: 1.0,
    gram_weight: 0.0,
    light_weight: 0.0,
    ..CELLS
};

const NOTEBOOK: Defaults = Defaults {
    iterations: 4000,
    size: 224,
    style_size: 224,
    pool: 400,
    rate: 1e-3,
    ..PIXELS
};

impl Config {
    /// That of a new run.
    pub fn of(args: &Args, features: Features, clip: Option<PathBuf>) -> anyhow::Result<Self> {
        let out = args.out.clone().context("--out is needed, or --resume")?;
        let (recipe, preset) = match args.recipe {
            RecipeName::Moving => (Recipe::Moving, "live"),
            RecipeName::Notebook => (Recipe::Notebook, "notebook"),
        };
        let absolute = |path: &Path| std::path::absolute(path);
        let (beginning, architecture, playback) = match &args.from {
            Some(path) => {
                let model = Model::load(path)?;
                let beginning = Beginning::Model(absolute(path)?);
                (beginning, model.architecture().clone(), model.playback())
            }
            None => {
                let name = args.preset.map_or(preset, PresetName::name);
                let preset = nca_train::recipes::preset::Preset::named(name)
                    .with_context(|| format!("there is no preset {name}"))?;
                let architecture = architecture(args, preset.architecture)?;
                (
                    Beginning::Preset(name.into()),
                    architecture,
                    preset.playback,
                )
            }
        };
        let playback = Playback {
            warmup: args.warmup.unwrap_or(playback.warmup),
            steps: args.steps.unwrap_or(playback.steps),
        };
        if let Err(why) = playback.check(&architecture) {
            bail!("no model can be run like that: {why}");
        }
        let has_painter = architecture.painter.is_some();
        let defaults = match recipe {
            Recipe::Notebook => {
                ensure!(
                    !has_painter,
                    "--recipe notebook trains automata without a painter: --preset notebook"
                );
                NOTEBOOK
            }
            Recipe::Moving if has_painter => CELLS,
            Recipe::Moving => PIXELS,
        };
        Ok(Self {
            look: match (&args.style, clip) {
                (Some(style), _) => Look::Picture {
                    path: absolute(style)?,
                    size: args.style_size.unwrap_or(defaults.style_size) as u32,
                },
                (None, Some(clip)) => Look::Prompt {
                    sentences: args.prompt.clone(),
                    pictures: args
                        .prompt_picture
                        .iter()
                        .map(|picture| {
                            let (path, weight) = weighted(picture);
                            Ok((absolute(Path::new(path))?, weight))
                        })
                        .collect::<anyhow::Result<_>>()?,
                    aesthetic: args.aesthetic.as_deref().map(absolute).transpose()?,
                    clip,
                },
                (None, None) => bail!("--style or --prompt is needed, or --resume"),
            },
            content: args
                .content
                .iter()
                .map(|path| absolute(path))
                .collect::<Result<_, _>>()?,
            out: absolute(&out)?,
            recipe,
            beginning,
            architecture,
            playback,
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
                gram: args.gram_weight.unwrap_or(defaults.gram_weight),
                content: args.content_weight.unwrap_or(defaults.content_weight),
                light: args.light_weight.unwrap_or(defaults.light_weight),
                temporal: args.temporal_weight,
                age: args.age_weight,
                overflow: args.overflow_weight,
            },
            levels: args.levels.map_or(defaults.levels, usize::from),
            content_layer: args.content_layer.layer(),
            seed: args.seed,
        })
    }
}

/// The preset's, but for what is asked for otherwise.
fn architecture(args: &Args, preset: Architecture) -> anyhow::Result<Architecture> {
    let blurs = match args.blur.as_slice() {
        [] => preset.blurs,
        blurs => blurs
            .iter()
            .filter_map(|blur| match blur {
                BlurArg::None => None,
                BlurArg::Of(blur) => Some(*blur),
            })
            .collect(),
    };
    let architecture = Architecture {
        channels: args.channels.unwrap_or(preset.channels),
        source: preset.source,
        hidden: args.hidden.clone().unwrap_or(preset.hidden),
        border: match args.border {
            Some(BorderName::Circular) => Border::Circular,
            Some(BorderName::Replicate) => Border::Replicate,
            None => preset.border,
        },
        filter_scale: args.filter_scale.unwrap_or(preset.filter_scale),
        blurs,
        step_size: args.step_size.map_or(preset.step_size, |size| size as f32),
        cell: preset.cell,
        painter: preset.painter,
    };
    if let Err(why) = architecture.validate() {
        bail!("no automaton can be like that: the architecture {why}");
    }
    Ok(architecture)
}
