use serde::Serialize;

use super::mean::Mean;
use super::measure::{Run, restyle};
use super::picture::Picture;
use super::truth::TrueFlow;
use super::warping::{FrameRejected, Warping, WarpingError};
use nca::Size;
use nca::engine::EngineError;
use nca::frame::{Frame, Packing};
use nca::stylizer::Stylizer;

/// Every so manieth frame is also restyled anew.
const ANEW: usize = 8;

/// Restyles a clip, and measures how it moves along with its source, and whether it shows it.
pub struct Clip {
    run: Run,
    stylizer: Stylizer,
    size: Size,
    warping: WarpingError,
    astray: Mean,
    frames: usize,
}

/// What is measured of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClipReport {
    /// How it moves.
    #[serde(flatten)]
    pub warping: Warping,
    /// How far outputs are from those of a state that was started on the same frame and given the
    /// time to converge: root mean square of the difference of the mean colours of 16 x 16 pixels, in
    /// [0, 1]. What the state remembers and is not to be seen any more, and what is to be seen and
    /// it has missed.
    pub astray: f64,
}

/// Why a frame cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The frame is not as it should be.
    #[error(transparent)]
    Frame(#[from] FrameRejected),
    /// It cannot be restyled.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Clip {
    /// For a clip of `size`.
    ///
    /// # Errors
    /// When the run asks for what cannot be had.
    pub fn new(run: Run, size: Size) -> Result<Self, EngineError> {
        Ok(Self {
            stylizer: run.stylizer()?,
            run,
            size,
            warping: WarpingError::new(size),
            astray: Mean::default(),
            frames: 0,
        })
    }

    /// Restyles the next frame: packed RGB, H x W x 3 bytes. `truth` is the true motion from the
    /// last frame to this one, if it is known.
    pub fn add(&mut self, frame: &[u8], truth: Option<&TrueFlow>) -> Result<(), ClipError> {
        Frame::packed(frame, self.size.width * 3, self.size, Packing::RGB)
            .map_err(FrameRejected::from)?;
        self.run.prepare(&mut self.stylizer);
        let output = restyle(&mut self.stylizer, self.size, frame)?;
        self.warping.add(frame, &output, truth)?;
        if self.frames % ANEW == ANEW - 1 {
            let anew = restyle(&mut self.run.converging()?, self.size, frame)?;
            let [output, anew] =
                [&output, &anew].map(|samples| Picture::from_rgb8(self.size, samples));
            output.compare_coarsely(&anew, &mut self.astray);
        }
        self.frames += 1;
        Ok(())
    }

    /// What all frames so far amount to.
    pub fn result(&self) -> ClipReport {
        ClipReport {
            warping: self.warping.result(),
            astray: self.astray.value().sqrt(),
        }
    }
}
