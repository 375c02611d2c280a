use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use nca::engine;
use nca::frame::{Frame, FrameMut, Packing};
use nca::internals::replace_file;
use nca::model::Model;
use nca::{Size, State};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::engine::EngineArgs;
use crate::output;
use crate::picture::read_picture;

#[derive(Parser)]
pub(crate) struct Run {
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
    /// Replace what stands at --out and --picture.
    #[arg(long)]
    overwrite: bool,
    /// Of the noise in a start state.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    engine: EngineArgs,
}

impl Run {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        for path in [Some(&self.out), self.picture.as_ref()]
            .into_iter()
            .flatten()
        {
            output::check(path, self.overwrite)?;
        }
        let model = Model::find(&self.model)?;
        let frame = self.frame.as_deref().map(read_picture).transpose()?;
        let state = self.state.as_deref().map(read_state).transpose()?;
        let paints = model.architecture().painter.is_some();
        let size = match (&state, &frame) {
            (_, Some((size, _))) if paints => *size,
            (Some(_), None) if paints => bail!(
                "the model has a painter, which looks at a frame: the state alone is not enough"
            ),
            (Some(state), _) => state.size(),
            (None, Some((size, _))) => *size,
            (None, None) => bail!("there is neither a state nor a frame to start from"),
        };
        let mut engine = engine::create(&model, size, &self.engine.selection())?;
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
            ensure!(
                engine.render(&mut picture, 1.0)?,
                "what the painter made of the state is out of bounds"
            );
            write_picture(&pixels, size, path)
                .with_context(|| format!("cannot write the picture {}", path.display()))?;
        }
        Ok(())
    }
}

fn write_picture(pixels: &[u8], size: Size, path: &Path) -> anyhow::Result<()> {
    let format = image::ImageFormat::from_path(path)?;
    let (width, height) = (size.width as u32, size.height as u32);
    let mut file = Cursor::new(Vec::new());
    let colours = image::ColorType::Rgb8;
    image::write_buffer_with_format(&mut file, pixels, width, height, colours, format)?;
    Ok(replace_file(path, file.get_ref())?)
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
    let values = values.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(State::new(channels, Size::new(width, height), values)?)
}

fn write_state(state: &State, path: &Path) -> anyhow::Result<()> {
    let values = state.values().iter();
    let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    let Size { width, height } = state.size();
    let shape = vec![state.channels(), height, width];
    let tensor = TensorView::new(Dtype::F32, shape, &bytes)?;
    let file = safetensors::serialize([("state", tensor)], None)?;
    replace_file(path, &file).with_context(|| format!("cannot write the state {}", path.display()))
}
