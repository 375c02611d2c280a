use serde::Serialize;

use super::measure::Mean;
use super::picture::Picture;
use crate::Size;
use crate::frame::{Frame, FrameTooShort, Packing};
use crate::motion::{Estimator, Quality};

/// Confidence from which on a pixel is compared.
const TRUSTED: f32 = 0.5;

/// Measures how a restyled clip moves along with its source: each output is compared with the one
/// before it, moved as the source moves.
///
/// The motion is estimated from the source at the best quality, and what is uncovered, enters, or
/// is otherwise not to be trusted is left out.
#[derive(Debug)]
pub struct WarpingError {
    size: Size,
    estimator: Estimator,
    /// The last frame of the source and of the restyled clip.
    last: Option<[Picture; 2]>,
    input: Mean,
    output: Mean,
    detail: Mean,
    pairs: usize,
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
            input: Mean::default(),
            output: Mean::default(),
            detail: Mean::default(),
            pairs: 0,
        }
    }

    /// Takes the next frame of the source and of the restyled clip: packed RGB, H x W x 3 bytes.
    pub fn add(&mut self, source: &[u8], output: &[u8]) -> Result<(), FrameTooShort> {
        let Size { width, height } = self.size;
        let frame = Frame::packed(source, width * 3, self.size, Packing::RGB)?;
        Frame::packed(output, width * 3, self.size, Packing::RGB)?;
        let new = [source, output].map(|samples| Picture::from_rgb8(self.size, samples));
        let [input, restyled] = new.each_ref().map(Picture::fine_detail);
        self.detail.add(restyled / input.max(f64::MIN_POSITIVE));

        let flow = self.estimator.estimate(&frame);
        if let (Some(old), Some(flow)) = (&self.last, flow) {
            self.pairs += 1;
            let [mut dx, mut dy, mut confidence] = [(); 3].map(|()| vec![0.0; width]);
            for y in 0..height {
                flow.write_row(y, self.size, &mut dx, &mut dy, &mut confidence);
                for x in (0..width).filter(|x| confidence[*x] >= TRUSTED) {
                    let place = [x as f32 + dx[x], y as f32 + dy[x]];
                    let means = [&mut self.input, &mut self.output];
                    for ((old, new), mean) in old.iter().zip(&new).zip(means) {
                        let pixel = &new.pixels[y * width + x];
                        mean.add(squared_difference(&old.bilinear(place), pixel));
                    }
                }
            }
        }
        self.last = Some(new);
        Ok(())
    }

    /// What all frames so far amount to.
    pub fn result(&self) -> Warping {
        let pixels = (self.pairs * self.size.pixels()).max(1);
        Warping {
            e1: self.output.value().sqrt(),
            input_e1: self.input.value().sqrt(),
            detail: self.detail.value(),
            compared: self.output.count() as f64 / pixels as f64,
            pairs: self.pairs,
        }
    }
}

/// The mean of the squared differences of red, green and blue.
pub(super) fn squared_difference(a: &[f32; 3], b: &[f32; 3]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>() / 3.0
}
