//! Runs the engine for `tools/bench/bench.py` and `tools/gpu/check.py`, which ask on standard input,
//! a line for each question, and read the answer from standard output:
//!
//! ```text
//! machine                              cores and instructions
//! load MODEL WIDTH HEIGHT THREADS PRECISION BACKEND
//! step N                               milliseconds a step, of N steps
//! frame N                              milliseconds a frame, of its N steps only and of all
//! kernel MODEL WIDTH HEIGHT PRECISION N
//!                                      milliseconds a step, of N steps, as a CUDA card says
//! peak THREADS                         multiply-adds a second at most, in GFLOP/s
//! memory                               most memory that the process has had, in MB
//! ```

mod peak;

use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nca::Size;
use nca::engine::{self, Backend, Engine, Selection};
use nca::frame::{FrameMut, Packing};
#[cfg(feature = "cuda")]
use nca::internals::CudaEngine;
use nca::internals::Isa;
use nca::model::Model;

fn main() -> Result<()> {
    let mut worker = Worker { engine: None };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = worker.answer(&words).with_context(|| line.clone())?;
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

struct Worker {
    engine: Option<Box<dyn Engine>>,
}

impl Worker {
    fn answer(&mut self, words: &[&str]) -> Result<String> {
        Ok(match *words {
            ["machine"] => format!(
                "{} cores, {}",
                std::thread::available_parallelism()?,
                Isa::detect()
            ),
            ["load", model, width, height, threads, precision, backend] => {
                let size = size(width, height)?;
                let mut selection = Selection::from(backend.parse::<Backend>()?);
                selection.threads = threads.parse()?;
                selection.precision = precision.parse()?;
                self.engine = None;
                let model = Model::find(model)?;
                let mut engine = match engine::create(&model, size, &selection) {
                    Ok(engine) => engine,
                    Err(err) => return Ok(format!("absent: {err}")),
                };
                engine.set_source(&picture(&mut pixels(size), size)?.as_frame())?;
                engine.seed(1)?;
                engine.step(2)?;
                self.engine = Some(engine);
                model.architecture().multiply_adds().to_string()
            }
            ["step", steps] => {
                let engine = self.engine()?;
                let steps: u32 = steps.parse()?;
                let start = Instant::now();
                engine.step(steps)?;
                (ms(start) / f64::from(steps)).to_string()
            }
            ["frame", steps] => {
                let engine = self.engine()?;
                let (size, steps) = (engine.size(), steps.parse()?);
                let mut pixels = pixels(size);
                let mut picture = picture(&mut pixels, size)?;
                let start = Instant::now();
                engine.set_source(&picture.as_frame())?;
                let stepping = Instant::now();
                engine.step(steps)?;
                let stepped = ms(stepping);
                engine.render(&mut picture, 0.8)?;
                format!("{stepped} {}", ms(start))
            }
            #[cfg(feature = "cuda")]
            ["kernel", model, width, height, precision, steps] => {
                let mut selection = Selection::default();
                selection.precision = precision.parse()?;
                let (size, steps) = (size(width, height)?, steps.parse()?);
                let model = Model::find(model)?;
                let mut engine = match CudaEngine::new(&model, size, &selection) {
                    Ok(engine) => engine,
                    Err(err) => return Ok(format!("absent: {err}")),
                };
                engine.set_source(&picture(&mut pixels(size), size)?.as_frame())?;
                engine.seed(1)?;
                (f64::from(engine.timed_steps(steps)?) / f64::from(steps)).to_string()
            }
            ["peak", threads] => (peak::measure(threads.parse()?) / 1e9).to_string(),
            ["memory"] => {
                let status = std::fs::read_to_string("/proc/self/status")?;
                let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let kb = peak.and_then(|peak| peak.split_whitespace().next());
                let kb: f64 = kb.context("there is no VmHWM")?.parse()?;
                (kb / 1e3).to_string()
            }
            _ => bail!("no such question"),
        })
    }

    fn engine(&mut self) -> Result<&mut Box<dyn Engine>> {
        self.engine.as_mut().context("nothing is loaded")
    }
}

fn size(width: &str, height: &str) -> Result<Size> {
    Ok(Size::new(width.parse()?, height.parse()?))
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Memory for a frame of RGBx, the most common format, with some picture in it.
fn pixels(size: Size) -> Vec<u8> {
    (0..size.pixels() * 4)
        .map(|i| (i / 4 % size.width * 255 / size.width) as u8 ^ (i % 4 * 40) as u8)
        .collect()
}

fn picture(pixels: &mut [u8], size: Size) -> Result<FrameMut<'_>> {
    let stride = size.width * 4;
    Ok(FrameMut::packed(pixels, stride, size, Packing::RGBA)?)
}
