//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, ValueEnum};
use nca::model::{Blur, FilterScale};
use nca_train::networks::features::ContentLayer;

/// Trains an automaton that shows video in the style of a picture, or as a sentence says.
#[derive(Parser)]
#[command(
    name = "nca-train",
    version,
    arg_required_else_help = true,
    group = ArgGroup::new("what").required(true).args(["style", "prompt", "resume"])
)]
pub struct Args {
    /// Picture whose style is learned.
    #[arg(long, value_name = "PICTURE", requires = "content", requires = "out")]
    pub style: Option<PathBuf>,
    /// Sentence that says what pictures are to look like: "A pencil sketch". Several may be given, each
    /// with a weight at its end, below 0 for what is unwanted: "rain:0.5".
    #[arg(long, value_name = "SENTENCE", requires = "content", requires = "out")]
    pub prompt: Vec<String>,
    /// Picture whose content, to CLIP, is asked for beside the sentences, with a weight as these have.
    /// Only for the recipe notebook.
    #[arg(long, value_name = "PICTURE", requires = "prompt")]
    pub prompt_picture: Vec<String>,
    /// Linear map from CLIP's space to marks from 1 to 10 that people gave (safetensors, `weight` and
    /// `bias`), of which pictures are to get high ones. Only for the recipe notebook.
    #[arg(long, value_name = "FILE", requires = "prompt")]
    pub aesthetic: Option<PathBuf>,
    /// Folders of pictures, or pictures and films, to train on; anything of what will be filmed is right.
    #[arg(long, value_name = "FOLDER", num_args = 1..)]
    pub content: Vec<PathBuf>,
    /// Model file to write (.pt or .safetensors).
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the model file if it exists already.
    #[arg(long)]
    pub overwrite: bool,
    /// Goes on with the run in this folder, as it was asked for then; only --iterations, --max-time,
    /// --device and --threads may be given anew.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = [
        "style", "prompt", "prompt_picture", "aesthetic", "content", "out", "overwrite", "run", "recipe", "preset", "features", "weights", "size", "batch", "pool",
        "rate", "seed", "style_size", "style_weight", "colour_weight", "content_weight",
        "content_layer", "gram_weight", "light_weight", "levels", "temporal_weight", "age_weight", "overflow_weight", "channels", "hidden", "border", "step_size", "filter_scale", "blur",
        "warmup", "steps", "from",
    ])]
    pub resume: Option<PathBuf>,
    /// Folder for logs, previews and checkpoints; by default beside the model file.
    #[arg(long, value_name = "FOLDER")]
    pub run: Option<PathBuf>,

    /// What training does.
    #[arg(long, value_enum, default_value_t = RecipeName::Moving)]
    pub recipe: RecipeName,
    /// Size of the automaton; by default live, or notebook for the recipe of that name.
    #[arg(long, value_enum)]
    pub preset: Option<PresetName>,
    /// Model that training starts from, instead of from nothing; with its architecture and its steps.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "preset", "channels", "hidden", "border", "step_size", "filter_scale", "blur",
    ])]
    pub from: Option<PathBuf>,
    /// Channels of the state, the frame's 3 and the picture's 3 among them, instead of the preset's.
    #[arg(long, value_name = "N")]
    pub channels: Option<usize>,
    /// Widths of the rule's hidden layers: 64, or 48,32.
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub hidden: Option<Vec<usize>>,
    /// What lies beyond the edge of a picture.
    #[arg(long, value_enum)]
    pub border: Option<BorderName>,
    /// Factor on what a step changes.
    #[arg(long, value_name = "X", value_parser = positive)]
    pub step_size: Option<f64>,
    /// Factors on what the Sobel filters and the Laplacian see: 0.125,0.0625.
    #[arg(long, value_name = "X,X", value_parser = filter_scale)]
    pub filter_scale: Option<FilterScale>,
    /// Channel that is blurred in each step, size of the blur and its deviation in pixels: 11,7,2.0.
    /// May be given more than once; none: no channel is.
    #[arg(long, value_name = "N,N,X", value_parser = blur)]
    pub blur: Vec<BlurArg>,
    /// Steps before the first frame is shown.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub warmup: Option<u32>,
    /// Steps on each further frame.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub steps: Option<u32>,
    /// What pictures are compared by.
    #[arg(long, value_enum, default_value_t = FeaturesName::Auto)]
    pub features: FeaturesName,
    /// Folder of networks: all files vgg*.safetensors in it are used together; and, for --prompt, a
    /// CLIP: config.json, tokenizer.json, model.safetensors, in it or in a folder in it.
    #[arg(long, value_name = "FOLDER")]
    pub weights: Option<PathBuf>,
    /// Iterations in all: 3000, or 4000 for the recipe notebook.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub iterations: Option<u64>,
    /// Ends after this time: 90s, 20m, 3h.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub max_time: Option<Duration>,
    /// Width and height of what is trained on, in pixels: 192 for presets with cells, 128 for those without,
    /// 224 for the recipe notebook.
    #[arg(long, value_name = "N", value_parser = length)]
    pub size: Option<usize>,
    /// Longest side that the style picture is made smaller to, in pixels: the smaller, the finer its
    /// strokes. 512 for presets with cells, 288 for those without, 224 for the recipe notebook.
    #[arg(long, value_name = "N", value_parser = length)]
    pub style_size: Option<usize>,
    /// Sizes at which styles are compared, each half of the last, down to 20 pixels: 3 for presets with cells,
    /// else 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub levels: Option<u8>,
    /// States an iteration.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count)]
    pub batch: usize,
    /// States that live from iteration to iteration: 64, or 400 for the recipe notebook.
    #[arg(long, value_name = "N", value_parser = count)]
    pub pool: Option<usize>,
    /// Learning rate at the beginning: 0.002, or 0.001 for the recipe notebook.
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub rate: Option<f64>,
    /// Of all chance.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Where it is computed: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Threads on the processor; without it, one for each core. Where other programs keep some of the cores
    /// busy, fewer are faster.
    #[arg(long, value_name = "N", value_parser = count)]
    pub threads: Option<usize>,

    /// Weight of what the picture is made of, or of the sentence.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = weight)]
    pub style_weight: f64,
    /// Weight of the colours.
    #[arg(long, value_name = "X", default_value_t = 2.0, value_parser = weight)]
    pub colour_weight: f64,
    /// Weight of the Gram matrices of features; 1 for presets with cells, else 0.
    #[arg(long, value_name = "X", value_parser = weight)]
    pub gram_weight: Option<f64>,
    /// Weight of what the source shows: 0.7 for presets with cells, else 1.
    #[arg(long, value_name = "X", value_parser = weight)]
    pub content_weight: Option<f64>,
    /// Layer of VGG at which content is compared: the earlier, the more detail of the source stays.
    #[arg(long, value_enum, default_value_t = ContentLayerName::Relu4_1)]
    pub content_layer: ContentLayerName,
    /// Weight of light and dark places that stay lighter and darker than others: 1 for presets with
    /// cells, else 0.
    #[arg(long, value_name = "X", value_parser = weight)]
    pub light_weight: Option<f64>,
    /// Weight of steadiness from frame to frame.
    #[arg(long, value_name = "X", default_value_t = 8.0, value_parser = weight)]
    pub temporal_weight: f64,
    /// Weight of looking the same however long it is looked at.
    #[arg(long, value_name = "X", default_value_t = 4.0, value_parser = weight)]
    pub age_weight: f64,
    /// Weight of values out of bounds.
    #[arg(long, value_name = "X", default_value_t = 100.0, value_parser = weight)]
    pub overflow_weight: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum RecipeName {
    /// Our own: for video, by sliced Wasserstein distances.
    Moving,
    /// That of the published training notebooks: for stills, by Gram matrices or by CLIP. It takes no
    /// weights of losses.
    Notebook,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum PresetName {
    /// Cells of 4x4 pixels and a small painter, for live video.
    Live,
    /// Cells of 2x2 pixels and a larger painter, for files and graphics cards.
    Fine,
    /// A small automaton on pixels.
    PixelLive,
    /// A larger automaton on pixels.
    PixelFine,
    /// That of the published training notebooks.
    Notebook,
}

impl PresetName {
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Fine => "fine",
            Self::PixelLive => "pixel-live",
            Self::PixelFine => "pixel-fine",
            Self::Notebook => "notebook",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ContentLayerName {
    /// Every leaf stays.
    Relu2_2,
    /// Between the two.
    Relu3_1,
    /// Things stay, their details are the style's.
    Relu4_1,
}

impl ContentLayerName {
    pub fn layer(self) -> ContentLayer {
        match self {
            Self::Relu2_2 => ContentLayer::Relu2_2,
            Self::Relu3_1 => ContentLayer::Relu3_1,
            Self::Relu4_1 => ContentLayer::Relu4_1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum BorderName {
    /// The opposite edge.
    Circular,
    /// The nearest pixel.
    Replicate,
}

/// What `--blur` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BlurArg {
    None,
    Of(Blur),
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum FeaturesName {
    /// VGG-19 where its weights are found or can be downloaded, else patches.
    Auto,
    /// Networks of VGG-19's shape.
    Vgg,
    /// Patches of the picture: needs no network and no download.
    Patches,
}

fn filter_scale(text: &str) -> Result<FilterScale, String> {
    let numbers: Result<Vec<f32>, _> = text.split(',').map(str::parse).collect();
    match numbers.as_deref() {
        Ok(&[sobel, laplacian]) => Ok(FilterScale { sobel, laplacian }),
        _ => Err("it must be two numbers: 0.125,0.0625".into()),
    }
}

fn blur(text: &str) -> Result<BlurArg, String> {
    if text == "none" {
        return Ok(BlurArg::None);
    }
    let parts: Vec<_> = text.split(',').collect();
    match parts.as_slice() {
        [channel, size, sigma] => match (channel.parse(), size.parse(), sigma.parse()) {
            (Ok(channel), Ok(size), Ok(sigma)) => Ok(BlurArg::Of(Blur {
                channel,
                size,
                sigma,
            })),
            _ => Err("channel and size are whole numbers, the deviation is a number".into()),
        },
        _ => Err("it must be none, or channel, size and deviation: 11,7,2.0".into()),
    }
}

fn length(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (32..=2048).contains(&n) => Ok(n),
        _ => Err("it must be a whole number from 32 to 2048".into()),
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=4096).contains(&n) => Ok(n),
        _ => Err("it must be a whole number from 1 to 4096".into()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(x) if x > 0.0 && f64::is_finite(x) => Ok(x),
        _ => Err("it must be a number above 0".into()),
    }
}

fn weight(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(x) if x >= 0.0 && f64::is_finite(x) => Ok(x),
        _ => Err("it must be a number, at least 0".into()),
    }
}
