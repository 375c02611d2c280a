use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use nca::model::Model;
use nca_lab::consistency::{self, Carry, KnownMotion, NoiseGain, Run, Still};
use serde::Serialize;

use crate::clip;
use crate::engine::EngineArgs;
use crate::picture::{pictures_in, read_picture};

/// The model, or the two folders.
#[derive(Parser)]
#[command(after_help = HELP)]
pub(crate) struct Consistency {
    /// Model file or name of a bundled model.
    #[arg(long, required_unless_present = "video")]
    model: Option<String>,
    /// Picture, or folder of pictures, that are moved; without it, one that is drawn.
    #[arg(long)]
    photos: Option<PathBuf>,
    /// What becomes of the state from frame to frame: off leaves it where it is, restart starts it
    /// anew; fast, balanced and fine move it along a flow of that quality. May be given more than
    /// once; without it, off, restart and fast are measured.
    #[arg(long, value_parser = PossibleValuesParser::new(Carry::NAMES.map(|(_, name)| name)))]
    motion: Vec<String>,
    /// Steps a frame; without it, what the model says.
    #[arg(long)]
    steps: Option<u32>,
    /// Steps of the first frame.
    #[arg(long, default_value_t = 32)]
    warmup: u32,
    #[command(flatten)]
    engine: EngineArgs,
    /// Instead, restyle a still scene for so many frames, clean and with noise, and print how far
    /// its mean colour drifts.
    #[arg(long, value_name = "FRAMES", conflicts_with = "video")]
    drift: Option<usize>,
    /// Folder with the frames of a clip, numbered pictures, that is restyled instead of moved stills.
    #[arg(long, group = "frames", requires = "model", conflicts_with_all = ["photos", "drift"])]
    clip: Option<PathBuf>,
    /// Folder with the frames of a restyled clip, numbered pictures.
    #[arg(long, group = "frames", requires = "against", conflicts_with_all = ["model", "photos"])]
    video: Option<PathBuf>,
    /// Folder with the frames that it was made from.
    #[arg(long, requires = "video")]
    against: Option<PathBuf>,
    /// Folder with the true motion of the clip's frames: NAME.flo for every frame NAME but the last,
    /// and, as MPI Sintel has them, occlusions/NAME.png and invalid/NAME.png with what is to be
    /// left out. Without it the motion that errors are measured along is estimated.
    #[arg(long, requires = "frames")]
    truth: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
E1 and E10 are the root mean square of the difference of outputs 1 and 10 frames apart, brought \
together by the motion, of colours from 0 to 1. `floor` is the same of what a perfect \
sticker would show: the whole still restyled with 96 steps and moved exactly. `input` is the same for the frames \
themselves, `detail` the fine detail of output 30 relative to that of a still given 96 steps, and `strokes` what \
is left after 60 frames of what is 8 to 60 pixels large. `astray` is how far the colours of the output are, in \
the mean of 16 x 16 pixels, from those of that still: what \
the state has not noticed, or remembers.

A clip becomes a folder of pictures with
    ffmpeg -i CLIP FOLDER/%05d.png
or
    gst-launch-1.0 filesrc location=CLIP ! decodebin ! videoconvert ! pngenc \\
        ! multifilesink location=FOLDER/%05d.png";

/// What is measured of a way to carry the state.
#[derive(Serialize)]
struct Report {
    motion: &'static str,
    steps: u32,
    consistency: Vec<Row>,
    noise: NoiseGain,
}

#[derive(Serialize)]
struct Row {
    scene: &'static str,
    #[serde(flatten)]
    consistency: consistency::Consistency,
}

impl Consistency {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let truth = self.truth.as_deref();
        match (&self.model, &self.video, &self.against) {
            (_, Some(video), Some(against)) => clip::measure(video, against, truth, self.json),
            (Some(model), ..) => {
                let model = Arc::new(Model::find(model)?);
                match (&self.clip, self.drift) {
                    (Some(clip), _) => clip::restyle(clip, truth, self.runs(&model), self.json),
                    (None, Some(frames)) => self.measure_drift(&model, frames),
                    (None, None) => self.measure_motions(&model),
                }
            }
            _ => bail!("there is neither a model nor a clip to measure"),
        }
    }

    /// What is to be measured, with the names of the ways to carry the state.
    fn runs(&self, model: &Arc<Model>) -> Vec<(&'static str, Run)> {
        let motions = match self.motion.as_slice() {
            [] => ["off", "restart", "fast"].map(String::from).to_vec(),
            motions => motions.to_vec(),
        };
        let carries = Carry::NAMES.into_iter();
        let carries = carries.filter(|(_, name)| motions.iter().any(|motion| motion == name));
        let run = |(carry, name)| {
            let run = Run {
                model: model.clone(),
                selection: self.engine.selection(),
                carry,
                steps: self.steps,
                warmup: self.warmup,
            };
            (name, run)
        };
        carries.map(run).collect()
    }

    fn measure_drift(&self, model: &Arc<Model>, frames: usize) -> anyhow::Result<()> {
        let stills = self.stills()?;
        for (motion, run) in self.runs(model) {
            for (noise, name) in [(false, "clean"), (true, "noisy")] {
                let drift = run.drift(&stills[0], frames, noise)?;
                println!("motion {motion}, {frames} frames of a {name} still: drift {drift:.4}");
            }
        }
        Ok(())
    }

    fn measure_motions(&self, model: &Arc<Model>) -> anyhow::Result<()> {
        let stills = self.stills()?;
        let runs = self.runs(model);
        let stickers = match runs.first() {
            Some((_, run)) => run.stickers(&stills)?,
            None => Vec::new(),
        };
        let mut reports = Vec::new();
        for (motion, run) in runs {
            let rows = KnownMotion::NAMES.into_iter().map(|(motion, scene)| {
                let consistency = run.consistency(motion, &stills, &stickers)?;
                anyhow::Ok(Row { scene, consistency })
            });
            reports.push(Report {
                motion,
                steps: if run.carry == Carry::Restart {
                    self.warmup
                } else {
                    self.steps.unwrap_or(model.playback().steps)
                },
                consistency: rows.collect::<Result<_, _>>()?,
                noise: run.noise_gain(&stills)?,
            });
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&reports)?);
        } else {
            for report in &reports {
                report.print();
            }
        }
        Ok(())
    }

    fn stills(&self) -> anyhow::Result<Vec<Still>> {
        let Some(path) = &self.photos else {
            return Ok(vec![Still::synthetic()]);
        };
        let pictures = if path.is_dir() {
            pictures_in(path)?
        } else {
            vec![path.clone()]
        };
        let still = |path: &PathBuf| {
            let (size, pixels) = read_picture(path)?;
            let photo = image::RgbImage::from_raw(size.width as u32, size.height as u32, pixels);
            let photo = photo.context("the picture has fewer pixels than it says")?;
            Ok(Still::from_photo(&photo))
        };
        pictures.iter().map(still).collect()
    }
}

impl Report {
    fn print(&self) {
        println!("motion {}, {} steps a frame", self.motion, self.steps);
        println!(
            "scene             E1     E10  floor E1  floor E10  input E1  input E10  detail  strokes  astray"
        );
        for Row { scene, consistency } in &self.consistency {
            println!(
                "{scene:<13} {:>6.4}  {:>6.4}    {:>6.4}     {:>6.4}    {:>6.4}     {:>6.4}    {:>4.2}     {:>4.2}   {:>5.3}",
                consistency.e1,
                consistency.e10,
                consistency.floor_e1,
                consistency.floor_e10,
                consistency.input_e1,
                consistency.input_e10,
                consistency.detail,
                consistency.strokes,
                consistency.astray
            );
        }
        let NoiseGain {
            input,
            output,
            gain,
        } = self.noise;
        println!("noise {input:.4} becomes {output:.4}: gain {gain:.2}\n");
    }
}
