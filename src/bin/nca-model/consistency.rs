//! `nca-model consistency`: how steady a model is on moving video.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use image::imageops::FilterType;
use nca::consistency::{self, Carry, Consistency, Motion, Picture, STILL_SIDE};
use nca::engine::{Precision, Selection};
use nca::model::Model;
use nca::motion::Quality;
use nca::stylizer::Options;
use serde_json::json;

#[derive(Parser)]
pub struct Args {
    /// Model file or name of a bundled model.
    #[arg(long)]
    model: String,
    /// Folder of pictures to move about; without it, a picture of leaves that is made up.
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Most pictures to take from the folder.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "photos")]
    most: usize,
    /// How the state gets from frame to frame.
    #[arg(long, value_enum, default_value_t = By::Balanced)]
    motion: By,
    /// Steps on every frame [default: the model's].
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Steps before the first frame is shown, and of every frame with --motion restart.
    #[arg(long, value_name = "N", default_value_t = 32)]
    warmup: u32,
    /// Round values and weights to 16 bits where they are multiplied, on processors that have it.
    #[arg(long)]
    half: bool,
    /// Threads; 0: one for each core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Instead of all that, restyle a still scene for so many frames and print how far its mean
    /// colour drifts.
    #[arg(long, value_name = "FRAMES")]
    drift: Option<u64>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// It starts anew with every frame.
    Restart,
    /// It stays where it is on the screen.
    Off,
    /// Along a flow that is found quickly.
    Fast,
    /// Along the flow, as video is restyled by default.
    Balanced,
    /// Along a flow that is found with more care.
    Fine,
}

pub fn run(args: &Args) -> Result<()> {
    let model = Arc::new(Model::find(&args.model)?);
    let selection = Selection {
        threads: args.threads,
        precision: if args.half {
            Precision::Half
        } else {
            Precision::Full
        },
        ..Selection::default()
    };
    let (motion, carry) = match args.motion {
        By::Restart => (None, Carry::Restart),
        By::Off => (None, Carry::Stylizer),
        By::Fast => (Some(Quality::Fast), Carry::Stylizer),
        By::Balanced => (Some(Quality::Balanced), Carry::Stylizer),
        By::Fine => (Some(Quality::Fine), Carry::Stylizer),
    };
    let options = Options {
        steps: args.steps,
        warmup: Some(args.warmup),
        motion,
        ..Options::default()
    };
    let stills = match &args.photos {
        None => vec![Picture::leaves(1)],
        Some(folder) => photos(folder, args.most)?,
    };

    if let Some(frames) = args.drift {
        for (noise, name) in [(false, "clean"), (true, "noisy")] {
            let drift =
                consistency::drift(&model, &selection, &options, &stills[0], frames, noise)?;
            println!("drift, {name} still scene, {frames} frames: {drift:.4}");
        }
        return Ok(());
    }

    let mut rows = Vec::new();
    for (motion, name) in Motion::NAMES {
        let mut sum = Consistency::default();
        for still in &stills {
            let of = consistency::measure(&model, &selection, &options, carry, still, motion)?;
            sum.e1 += of.e1;
            sum.e10 += of.e10;
            sum.input_e1 += of.input_e1;
            sum.detail += of.detail;
        }
        rows.push((name, sum));
    }
    let mut gain = 0.0;
    for still in &stills {
        gain += consistency::noise_gain(&model, &selection, &options, still)?;
    }
    let mean = |sum: f64| sum / stills.len() as f64;
    if args.json {
        let motions: serde_json::Map<_, _> = rows
            .iter()
            .map(|(name, sum)| {
                let row = json!({
                    "e1": mean(sum.e1),
                    "e10": mean(sum.e10),
                    "input_e1": mean(sum.input_e1),
                    "detail": mean(sum.detail),
                });
                ((*name).to_owned(), row)
            })
            .collect();
        println!("{}", json!({"motions": motions, "noise_gain": mean(gain)}));
        return Ok(());
    }
    println!("motion          E1     E10    input  detail");
    for (name, sum) in rows {
        println!(
            "{name:<13} {:.4}  {:.4}  {:.4}    {:.2}",
            mean(sum.e1),
            mean(sum.e10),
            mean(sum.input_e1),
            mean(sum.detail)
        );
    }
    println!("noise gain    {:.2}", mean(gain));
    Ok(())
}

/// The largest square in the middle of each picture of a folder, in the order of their names.
fn photos(folder: &Path, most: usize) -> Result<Vec<Picture>> {
    let unreadable = || format!("cannot read the folder {}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        paths.push(entry.with_context(unreadable)?.path());
    }
    paths.sort();
    let side = STILL_SIDE as u32;
    let stills: Vec<Picture> = paths
        .iter()
        .filter_map(|path| image::open(path).ok())
        .map(|picture| picture.resize_to_fill(side, side, FilterType::Lanczos3))
        .map(|picture| Picture::still(picture.to_rgb8().as_raw()))
        .take(most)
        .collect();
    ensure!(
        !stills.is_empty(),
        "there is no picture that can be read in {}",
        folder.display()
    );
    Ok(stills)
}
