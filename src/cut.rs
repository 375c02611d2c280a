//! Hard cuts between the frames of a video.

use crate::frame::Frame;

/// Columns and rows of the thumbnail that frames are compared by.
const COLUMNS: usize = 16;
const ROWS: usize = 9;
/// Samples that a thumbnail's cell is the mean of, along each axis.
const SAMPLES: usize = 4;
/// Bins of a colour's histogram.
const BINS: usize = 16;

/// Finds hard cuts by comparing every frame with the one before it.
///
/// Two measures must agree. A thumbnail changes much when things are elsewhere, as they are after
/// a cut, but also when the camera is moved fast; the histograms of the colours change much after
/// a cut or when the light changes, but not when the camera moves.
#[derive(Debug, Default)]
pub(crate) struct CutDetector {
    last: Option<Summary>,
}

impl CutDetector {
    /// How different `frame` is from the last one, from 0 to 1; `None` for the first.
    pub(crate) fn difference(&mut self, frame: &Frame<'_>) -> Option<f32> {
        let summary = Summary::of(frame);
        let last = self.last.replace(summary);
        last.map(|last| last.difference(self.last.as_ref().unwrap_or(&last)))
    }

    /// Forgets the last frame.
    pub(crate) fn reset(&mut self) {
        self.last = None;
    }
}

/// What is kept of a frame.
#[derive(Clone, Debug)]
struct Summary {
    /// Mean colour of each cell, in [0, 1].
    thumbnail: [[f32; 3]; COLUMNS * ROWS],
    /// Shares of the samples in each bin, for each colour.
    histograms: [[f32; BINS]; 3],
}

impl Summary {
    fn of(frame: &Frame<'_>) -> Self {
        let size = frame.size();
        let mut thumbnail = [[0.0; 3]; COLUMNS * ROWS];
        let mut histograms = [[0.0; BINS]; 3];
        let per_cell = (SAMPLES * SAMPLES) as f32;
        let samples = per_cell * (COLUMNS * ROWS) as f32;
        for y in 0..ROWS * SAMPLES {
            let row = frame.row((2 * y + 1) * size.height / (2 * ROWS * SAMPLES));
            for x in 0..COLUMNS * SAMPLES {
                let at = (2 * x + 1) * size.width / (2 * COLUMNS * SAMPLES) * row.step;
                let cell = &mut thumbnail[y / SAMPLES * COLUMNS + x / SAMPLES];
                for (c, colour) in row.samples.iter().enumerate() {
                    cell[c] += f32::from(colour[at]) / 255.0 / per_cell;
                    histograms[c][usize::from(colour[at]) * BINS / 256] += 1.0 / samples;
                }
            }
        }
        Self {
            thumbnail,
            histograms,
        }
    }

    fn difference(&self, other: &Self) -> f32 {
        let cells = self.thumbnail.as_flattened().iter();
        let places: f32 = cells
            .zip(other.thumbnail.as_flattened())
            .map(|(a, b)| (a - b).abs())
            .sum::<f32>()
            / (3 * COLUMNS * ROWS) as f32;
        // Half of what one has and the other lacks: the share of samples that changed bins. It is
        // smoothed to neighbouring bins, so that a little light more or less does not empty them.
        let colours: f32 = (0..3)
            .map(|c| {
                let [a, b] = [self, other].map(|s| smooth(&s.histograms[c]));
                a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / 6.0
            })
            .sum();
        // Thumbnails of unrelated pictures differ by a fifth or more.
        (4.0 * places).min(1.0).min(2.0 * colours)
    }
}

fn smooth(histogram: &[f32; BINS]) -> [f32; BINS] {
    std::array::from_fn(|i| {
        let bin = |i: usize| histogram[i.min(BINS - 1)];
        (bin(i.saturating_sub(1)) + 2.0 * bin(i) + bin(i + 1)) / 4.0
    })
}
