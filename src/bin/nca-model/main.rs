//! `nca-model`: looks into model files, converts them, runs an automaton on a state, and measures
//! how steady it is.

mod consistency;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::{Parser, Subcommand};
use nca::engine::{self, Precision, Selection};
use nca::frame::{Frame, FrameMut, Packing};
use nca::model::Model;
use nca::{Size, State};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// Looks into model files, converts them, runs an automaton on a state, measures how steady it is.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says what a model is: architecture, size, who made it.
    Info {
        /// Model file (.pt, .safetensors) or name of a bundled model.
        model: String,
    },
    /// Writes a model as .safetensors or as a .pt that Python opens with weights_only=True.
    Convert {
        /// Model file or name of a bundled model.
        input: String,
        /// File to write; its name ends in .safetensors or .pt.
        output: PathBuf,
        /// Replace what stands there.
        #[arg(long)]
        overwrite: bool,
    },
    /// Runs steps of an automaton, to check it against another implementation.
    Run(Run),
    /// Measures how steady a model is: moves a still by motion that is known exactly, restyles it
    /// as a video, and compares what comes out.
    Consistency(consistency::Args),
}

#[derive(Parser)]
struct Run {
    /// Model file or name of a bundled model.
    #[arg(long)]
    model: String,
    /// Safetensors file with the tensor `state` (C x H x W, f32) to start from; without it, the
    /// start state of the frame.
    #[arg(long, required_unless_present = "frame")]
    state: Option<PathBuf>,
    /// Picture whose source replaces the frozen channels first; resampled to the state's size.
    #[arg(long)]
    frame: Option<PathBuf>,
    /// Steps to run.
    #[arg(long)]
    steps: u32,
    /// Safetensors file to write the tensor `state` to.
    #[arg(long)]
    out: PathBuf,
    /// Picture to write the output channels to.
    #[arg(long)]
    picture: Option<PathBuf>,
    /// Of the noise in a start state.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads; 0: one for each core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Round values and weights to 16 bits where they are multiplied, on processors that have it.
    #[arg(long)]
    half: bool,
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Info { model } => info(&model),
        Command::Convert {
            input,
            output,
            overwrite,
        } => convert(&input, &output, overwrite),
        Command::Run(run) => run.run(),
        Command::Consistency(args) => consistency::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nca-model: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn info(name: &str) -> anyhow::Result<()> {
    let model = Model::find(name)?;
    let architecture = &model.architecture;
    let parameters: usize = model
        .layers
        .iter()
        .map(|layer| layer.weights.len() + layer.bias.as_ref().map_or(0, Vec::len))
        .sum();
    let playback = model.playback;
    println!("architecture  {}", serde_json::to_string(architecture)?);
    println!(
        "channels      {}: {} frozen, 3 of the picture, {} hidden",
        architecture.channels,
        architecture.frozen(),
        architecture.updated() - 3
    );
    for (i, layer) in model.layers.iter().enumerate() {
        let bias = if layer.bias.is_some() {
            "bias"
        } else {
            "no bias"
        };
        println!(
            "layer {}       {} -> {}, {bias}",
            i + 1,
            layer.inputs,
            layer.outputs
        );
    }
    println!(
        "parameters    {parameters} ({} bytes as float32)",
        parameters * 4
    );
    println!(
        "work          {} multiply-adds a pixel and step",
        architecture.multiply_adds()
    );
    println!(
        "playback      {} steps to warm up, {} a frame",
        playback.warmup, playback.steps
    );
    for (key, value) in &model.card {
        println!("{key:<13} {value}");
    }
    Ok(())
}

fn convert(input: &str, output: &Path, overwrite: bool) -> anyhow::Result<()> {
    let model = Model::find(input)?;
    ensure!(
        overwrite || !output.exists(),
        "{} exists; --overwrite replaces it",
        output.display()
    );
    Ok(model.save(output)?)
}

impl Run {
    fn run(&self) -> anyhow::Result<()> {
        let model = Arc::new(Model::find(&self.model)?);
        let frame = self.frame.as_deref().map(read_picture).transpose()?;
        let state = self.state.as_deref().map(read_state).transpose()?;
        let size = match (&state, &frame) {
            (Some(state), _) => state.size,
            (None, Some((size, _))) => *size,
            (None, None) => bail!("there is neither a state nor a frame to start from"),
        };
        let selection = Selection {
            threads: self.threads,
            precision: if self.half {
                Precision::Half
            } else {
                Precision::Full
            },
            ..Selection::default()
        };
        let mut engine = engine::create(&model, size, &selection)?;
        if let Some(state) = &state {
            engine.set_state(state)?;
        }
        if let Some((size, pixels)) = &frame {
            engine.set_source(&Frame::packed(pixels, size.width * 3, *size, Packing::RGB)?)?;
        }
        if state.is_none() {
            engine.seed(self.seed)?;
        }
        ensure!(
            engine.step(self.steps)?,
            "the state went out of bounds within {} steps",
            self.steps
        );
        write_state(&engine.state()?, &self.out)?;
        if let Some(path) = &self.picture {
            let mut pixels = vec![0; size.pixels() * 3];
            let mut picture = FrameMut::packed(&mut pixels, size.width * 3, size, Packing::RGB)?;
            engine.render(&mut picture, 1.0)?;
            let (width, height) = (size.width as u32, size.height as u32);
            image::save_buffer(path, &pixels, width, height, image::ColorType::Rgb8)
                .with_context(|| format!("cannot write the picture {}", path.display()))?;
        }
        Ok(())
    }
}

/// Size and packed RGB.
fn read_picture(path: &Path) -> anyhow::Result<(Size, Vec<u8>)> {
    let picture = image::open(path)
        .with_context(|| format!("cannot read the picture {}", path.display()))?
        .into_rgb8();
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    Ok((size, picture.into_raw()))
}

fn read_state(path: &Path) -> anyhow::Result<State> {
    let unusable = || format!("{} holds no state", path.display());
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read the state {}", path.display()))?;
    let file = SafeTensors::deserialize(&bytes).with_context(unusable)?;
    let tensor = file.tensor("state").with_context(unusable)?;
    let (&[channels, height, width], Dtype::F32) = (tensor.shape(), tensor.dtype()) else {
        bail!(
            "the tensor `state` in {} is {:?} of {:?}; it must be C x H x W of F32",
            path.display(),
            tensor.shape(),
            tensor.dtype()
        );
    };
    let values = tensor.data().as_chunks::<4>().0.iter();
    Ok(State {
        channels,
        size: Size::new(width, height),
        values: values.map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    })
}

fn write_state(state: &State, path: &Path) -> anyhow::Result<()> {
    let bytes: Vec<u8> = state
        .values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let shape = vec![state.channels, state.size.height, state.size.width];
    let tensor = TensorView::new(Dtype::F32, shape, &bytes)?;
    let file = safetensors::serialize([("state", tensor)], None)?;
    nca::replace_file(path, &file)
        .with_context(|| format!("cannot write the state {}", path.display()))
}
