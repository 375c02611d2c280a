//! How a frame becomes the frozen channels that the rule looks at.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::Size;
use crate::frame::{Frame, Row};
use crate::model::Source;

/// Weights of red, green and blue in grey.
pub const LUMA: [f32; 3] = [0.2989, 0.587, 0.114];

/// Shifts of the shift-shuffle channels in pixels; each gives two of them.
pub const SHIFTS: [i64; 3] = [2, 3, 4];

/// How far each of the eight copies of grey is rolled for a shift, along y and x.
pub fn rolls(shift: i64) -> [(i64, i64); 8] {
    let c = shift;
    [
        (-c, 0),
        (0, -c),
        (c, 0),
        (0, c),
        (c, c),
        (-c, c),
        (-c, -c),
        (c, -c),
    ]
}

/// Computes the frozen channels of frames of one size, a row of a channel at a time.
#[derive(Debug)]
pub struct SourceChannels {
    size: Size,
    /// Width and height, made even by repeating the last column and row.
    even: Size,
    /// The mean of the 2x2 pixels of grey right and below of each pixel, minus 0.5; around the
    /// edges. Empty where the source has no use for it.
    means: Vec<f32>,
}

impl SourceChannels {
    /// The channels of `source` for frames of `size`.
    pub fn new(source: Source, size: Size) -> Self {
        let even = Size::new(
            size.width.next_multiple_of(2),
            size.height.next_multiple_of(2),
        );
        let means = match source {
            // Cells have a source of their own.
            Source::Rgb | Source::RgbStructureTensor => Vec::new(),
            Source::ShiftShuffle => vec![0.0; even.pixels()],
        };
        Self { size, even, means }
    }

    /// Prepares the channels of `frame`, whose size must be the one given to `new`, and returns
    /// what computes their rows.
    pub fn of<'a>(&'a mut self, frame: &'a Frame<'a>) -> FrameChannels<'a> {
        assert_eq!(frame.size(), self.size, "the frame has another size");
        let Size { width, height } = self.size;
        if !self.means.is_empty() {
            let even = self.even;
            self.means
                .par_chunks_exact_mut(even.width)
                .enumerate()
                .for_each(|(y, means)| {
                    let rows = [y, (y + 1) % even.height].map(|y| frame.row(y.min(height - 1)));
                    // The means of columns first, then of neighbours.
                    for (x, mean) in means.iter_mut().enumerate() {
                        let x = x.min(width - 1);
                        *mean = 0.5 * (grey(&rows[0], x) + grey(&rows[1], x));
                    }
                    let first = means[0];
                    for x in 0..even.width {
                        let right = means.get(x + 1).copied().unwrap_or(first);
                        means[x] = 0.5 * (means[x] + right) - 0.5;
                    }
                });
        }
        FrameChannels {
            channels: self,
            frame,
        }
    }
}

/// Brightness in [0, 1].
fn grey(row: &Row<'_>, x: usize) -> f32 {
    let samples = row.samples.map(|samples| f32::from(samples[x * row.step]));
    (LUMA[0] * samples[0] + LUMA[1] * samples[1] + LUMA[2] * samples[2]) / 255.0
}

/// The frozen channels of one frame.
#[derive(Debug)]
pub struct FrameChannels<'a> {
    channels: &'a SourceChannels,
    frame: &'a Frame<'a>,
}

impl FrameChannels<'_> {
    /// Writes row `y` of a channel: W values in [-0.5, 0.5].
    pub fn write_row(&self, y: usize, channel: usize, values: &mut [f32]) {
        match channel.checked_sub(3) {
            None => self.frame.row(y).write_values(channel, values),
            Some(channel) => self.write_shift_shuffle(y, channel, values),
        }
    }

    /// For every one of [`SHIFTS`], grey is rolled in eight directions and halved; four of the eight
    /// are laid out in every 2x2 block of one channel, the other four in those of the other.
    fn write_shift_shuffle(&self, y: usize, channel: usize, values: &mut [f32]) {
        let SourceChannels { even, means, .. } = self.channels;
        let rolls = rolls(SHIFTS[channel / 2]);
        let (block, within) = (y / 2, y % 2);
        for b in 0..2 {
            let (dy, dx) = rolls[(channel % 2) * 4 + within * 2 + b];
            let (dy, dx) = (dy as isize, dx as isize);
            let wrap = |at: isize, length: usize| at.rem_euclid(length as isize) as usize;
            let row = wrap(2 * block as isize - dy, even.height);
            let row = &means[row * even.width..][..even.width];
            let mut x = wrap(-dx, even.width);
            for value in values.iter_mut().skip(b).step_by(2) {
                *value = row[x];
                x += 2;
                if x >= even.width {
                    x -= even.width;
                }
            }
        }
    }
}
