//! The folder of a run: what it was asked for, how it went, and what it needs to go on.
//!
//! ```text
//! config.json              what was asked for
//! checkpoint.safetensors   to go on from
//! log.jsonl                one JSON object a line: losses and measurements
//! events.out.tfevents.*    the same for TensorBoard
//! losses.svg               the same as a picture
//! previews/                sheets of held-out pictures and of a moving clip
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use image::RgbImage;
use plotters::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TrainError;
use crate::reports::tensorboard::EventFile;
use crate::training::checkpoint::Checkpoint;

/// A run's folder.
pub struct RunFolder {
    path: PathBuf,
    log: File,
    events: EventFile,
}

impl RunFolder {
    /// Makes the folder of a new run. There must be no run in it yet.
    pub fn create(path: &Path, config: &impl Serialize) -> Result<Self, TrainError> {
        let failed = |source| TrainError::Write {
            path: path.into(),
            source,
        };
        Self::refuse_existing(path)?;
        fs::create_dir_all(path.join(PREVIEWS)).map_err(failed)?;
        let json = serde_json::to_vec_pretty(config).map_err(|error| failed(error.into()))?;
        nca::internals::replace_file(&path.join(CONFIG), &json).map_err(failed)?;
        Self::open(path).map_err(failed)
    }

    /// That there is no run in a folder yet.
    pub fn refuse_existing(path: &Path) -> Result<(), TrainError> {
        if path.join(CONFIG).exists() {
            let why = "there is a run in it; --resume goes on with it, --run names another folder";
            return Err(TrainError::Write {
                path: path.into(),
                source: io::Error::new(io::ErrorKind::AlreadyExists, why),
            });
        }
        Ok(())
    }

    /// The folder of a run to go on with, and its configuration.
    pub fn resume<C: DeserializeOwned>(path: &Path) -> Result<(Self, C), TrainError> {
        let refuse = |why: String| TrainError::Resume {
            path: path.into(),
            why,
        };
        let json = fs::read(path.join(CONFIG))
            .map_err(|error| refuse(format!("its {CONFIG} cannot be read: {error}")))?;
        let config = serde_json::from_slice(&json)
            .map_err(|error| refuse(format!("its {CONFIG} is not understood: {error}")))?;
        let folder = Self::open(path).map_err(|error| refuse(error.to_string()))?;
        Ok((folder, config))
    }

    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        Ok(Self {
            log: options.create(true).append(true).open(path.join(LOG))?,
            events: EventFile::create(path)?,
            path: path.into(),
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the checkpoint is.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// Appends values by name to the logs.
    pub fn log(
        &mut self,
        iteration: u64,
        seconds: f64,
        values: &[(&'static str, f64)],
    ) -> Result<(), TrainError> {
        let mut line = serde_json::Map::new();
        line.insert("iteration".into(), iteration.into());
        line.insert("seconds".into(), seconds.into());
        for (name, value) in values {
            // JSON knows no infinity; null says as much.
            line.insert((*name).into(), (*value).into());
        }
        let line = serde_json::Value::Object(line);
        writeln!(self.log, "{line}")
            .and_then(|()| self.events.scalars(iteration, values.iter().copied()))
            .map_err(|source| self.failed(source))
    }

    /// Writes the checkpoint, and draws the losses so far.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        checkpoint.write(&self.checkpoint())?;
        let series = self.series().map_err(|source| self.failed(source))?;
        if let Some(svg) = plot(&series) {
            nca::internals::replace_file(&self.path.join("losses.svg"), svg.as_bytes())
                .map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Writes a sheet of an iteration.
    pub fn preview(&self, name: &str, iteration: u64, sheet: &RgbImage) -> Result<(), TrainError> {
        let path = self
            .path
            .join(PREVIEWS)
            .join(format!("{iteration:06}-{name}.png"));
        sheet.save(&path).map_err(|error| TrainError::Write {
            path,
            source: io::Error::other(error),
        })
    }

    fn failed(&self, source: io::Error) -> TrainError {
        TrainError::Write {
            path: self.path.clone(),
            source,
        }
    }

    /// What the log says of each loss.
    fn series(&self) -> io::Result<Vec<Series>> {
        let mut series: Vec<Series> = Vec::new();
        for line in BufReader::new(File::open(self.path.join(LOG))?).lines() {
            // A line may be cut off where the machine went down.
            let Ok(serde_json::Value::Object(line)) = serde_json::from_str(&line?) else {
                continue;
            };
            let Some(iteration) = line.get("iteration").and_then(serde_json::Value::as_f64) else {
                continue;
            };
            for (name, value) in &line {
                let is_loss = !matches!(name.as_str(), "iteration" | "seconds" | "rate");
                let Some(value) = value.as_f64().filter(|value| *value > 0.0 && is_loss) else {
                    continue;
                };
                match series.iter_mut().find(|series| series.name == *name) {
                    Some(series) => series.points.push((iteration, value)),
                    None => series.push(Series {
                        name: name.clone(),
                        points: vec![(iteration, value)],
                    }),
                }
            }
        }
        Ok(series)
    }
}

const CONFIG: &str = "config.json";
const LOG: &str = "log.jsonl";
const PREVIEWS: &str = "previews";

struct Series {
    name: String,
    /// Iterations and values.
    points: Vec<(f64, f64)>,
}

/// A plot with a logarithmic axis; nothing where there is nothing to draw.
fn plot(series: &[Series]) -> Option<String> {
    let points = || series.iter().flat_map(|series| &series.points);
    let last = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let low = points().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
    let high = points().map(|(_, y)| *y).fold(0.0, f64::max);
    if !(low.is_finite() && high > 0.0) {
        return None;
    }
    let mut svg = String::new();
    let drawn = (|| {
        let area = SVGBackend::with_string(&mut svg, (960, 540)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(32)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..last, (low * 0.9..high * 1.1).log_scale())?;
        chart.configure_mesh().x_desc("iterations").draw()?;
        for (i, series) in series.iter().enumerate() {
            let colour = Palette99::pick(i).to_rgba();
            chart
                .draw_series(LineSeries::new(series.points.iter().copied(), colour))?
                .label(&series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
        area.present()
    })();
    // Text cannot fail to be written to memory.
    drawn.ok().map(|()| svg)
}
