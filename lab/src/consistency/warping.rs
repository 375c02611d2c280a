use serde::Serialize;

use super::mean::{Mean, squared_difference};
use super::picture::Picture;
use super::truth::TrueFlow;
use nca::Size;
use nca::frame::{Frame, FrameError, Packing};
use nca::motion::{Estimator, Quality};

/// Confidence from which on a pixel is compared.
const TRUSTED: f32 = 0.5;

/// Measures how a restyled clip moves along with its source: each output is compared with the one
/// before it, moved as the source moves.
///
/// Where the true motion is not given, it is estimated from the source at the best quality, and what
/// is uncovered, enters, or is otherwise not to be trusted is left out.
#[derive(Debug)]
pub struct WarpingError {
    size: Size,
    estimator: Estimator,
    /// The last frame of the source and of the restyled clip.
    last: Option<[Picture; 2]>,
    errors: Errors,
    detail: Mean,
}

/// Mean squared differences of the source and of the restyled clip.
#[derive(Debug, Default)]
struct Errors {
    input: Mean,
    output: Mean,
    pairs: usize,
}

impl Errors {
    /// Compares source and restyled frame with those of another time, where the vectors of each row,
    /// written by `vectors`, point to.
    fn compare(
        &mut self,
        here: &[Picture; 2],
        there: &[Picture; 2],
        mut vectors: impl FnMut(usize, &mut [Option<[f32; 2]>]),
    ) {
        self.pairs += 1;
        let Size { width, height } = here[0].size;
        let mut row = vec![None; width];
        for y in 0..height {
            vectors(y, &mut row);
            for (x, vector) in row.iter().enumerate() {
                let Some([dx, dy]) = vector else { continue };
                let place = [x as f32 + dx, y as f32 + dy];
                let errors = [&mut self.input, &mut self.output];
                for ((here, there), error) in here.iter().zip(there).zip(errors) {
                    let pixel = &here.pixels[y * width + x];
                    error.add(squared_difference(&there.bilinear(place), pixel));
                }
            }
        }
    }
}

/// Why a frame cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum FrameRejected {
    /// There are fewer samples than the size needs.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The true motion is that of other frames.
    #[error("the true motion is that of {found} pixels; the frames have {needed}")]
    TruthSize {
        /// Of the motion.
        found: Size,
        /// Of the frames.
        needed: Size,
    },
}

/// How far a restyled clip and its source are from moving as the source does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Warping {
    /// Root mean square of the difference of outputs one frame apart, in [0, 1].
    pub e1: f64,
    /// The same for the source.
    pub input_e1: f64,
    /// Fine detail of the outputs, relative to that of the source.
    pub detail: f64,
    /// The share of the pixels that was compared.
    pub compared: f64,
    /// Pairs of frames.
    pub pairs: usize,
}

impl WarpingError {
    /// For clips of `size`.
    pub fn new(size: Size) -> Self {
        Self {
            size,
            estimator: Estimator::new(size, Quality::Fine),
            last: None,
            errors: Errors::default(),
            detail: Mean::default(),
        }
    }

    /// Takes the next frame of the source and of the restyled clip: packed RGB, H x W x 3 bytes, and
    /// the true motion from the last frame to this one, if it is known.
    pub fn add(
        &mut self,
        source: &[u8],
        output: &[u8],
        truth: Option<&TrueFlow>,
    ) -> Result<(), FrameRejected> {
        let size = self.size;
        let frame = Frame::packed(source, size.width * 3, size, Packing::RGB)?;
        Frame::packed(output, size.width * 3, size, Packing::RGB)?;
        if let Some(truth) = truth
            && truth.size() != size
        {
            return Err(FrameRejected::TruthSize {
                found: truth.size(),
                needed: size,
            });
        }
        let new = [source, output].map(|samples| Picture::from_rgb8(size, samples));
        let [input, restyled] = new.each_ref().map(Picture::fine_detail);
        self.detail.add(restyled / input.max(f64::MIN_POSITIVE));

        let flow = self.estimator.estimate(&frame);
        match (&self.last, truth, flow) {
            (Some(old), Some(truth), _) => {
                self.errors.compare(old, &new, |y, vectors| {
                    for (x, vector) in vectors.iter_mut().enumerate() {
                        *vector = truth.vector(x, y);
                    }
                });
            }
            (Some(old), None, Some(flow)) => {
                let [mut dx, mut dy, mut confidence] = [(); 3].map(|()| vec![0.0; size.width]);
                self.errors.compare(&new, old, |y, vectors| {
                    flow.write_row(y, size, &mut dx, &mut dy, &mut confidence);
                    for (x, vector) in vectors.iter_mut().enumerate() {
                        *vector = (confidence[x] >= TRUSTED).then_some([dx[x], dy[x]]);
                    }
                });
            }
            _ => {}
        }
        self.last = Some(new);
        Ok(())
    }

    /// What all frames so far amount to.
    pub fn result(&self) -> Warping {
        let Errors {
            input,
            output,
            pairs,
        } = &self.errors;
        let pixels = (pairs * self.size.pixels()).max(1);
        Warping {
            e1: output.value().sqrt(),
            input_e1: input.value().sqrt(),
            detail: self.detail.value(),
            compared: output.count() as f64 / pixels as f64,
            pairs: *pairs,
        }
    }
}
