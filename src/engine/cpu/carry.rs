//! One row of the state, moved along with the picture.
//!
//! Every pixel takes over the state of the place that it was at, sampled by cubic convolution (Keys,
//! "Cubic Convolution Interpolation for Digital Image Processing", 1981, which reproduces what lies
//! on whole pixels exactly: what does not move stays as it is to the bit). Neighbours mostly come
//! from neighbours, so a row is cut into runs of pixels that lie next to each other in the old state
//! too, and a run reads whole vectors of memory.

use pulp::{Simd, WithSimd};

use super::grid::{Grid, HALO, fill_halo};
use super::growth::find_doubted;
use super::start_value;
use crate::Size;
use crate::engine::{SHARPNESS, trust};
use crate::motion::Flow;

/// Memory that a thread needs to move a row.
#[derive(Default)]
pub(super) struct CarryScratch {
    dx: Vec<f32>,
    dy: Vec<f32>,
    confidence: Vec<f32>,
    /// Where each pixel was, relative to it: whole columns and rows.
    columns: Vec<i32>,
    rows: Vec<i32>,
    /// Weights of the four columns and of the four rows around that place.
    column_weights: [Vec<f32>; 4],
    row_weights: [Vec<f32>; 4],
}

impl CarryScratch {
    /// Memory for rows of `width` pixels, taken at the first call.
    fn resize(&mut self, width: usize) {
        let Self {
            dx,
            dy,
            confidence,
            columns,
            rows,
            column_weights,
            row_weights,
        } = self;
        let weights = column_weights.iter_mut().chain(row_weights);
        for values in [dx, dy, confidence].into_iter().chain(weights) {
            values.resize(width, 0.0);
        }
        for offsets in [columns, rows] {
            offsets.resize(width, 0);
        }
    }

    /// Looks the flow of row `y` of a state of `size` up, and gives its confidence.
    pub(super) fn confidence(&mut self, flow: &Flow, y: usize, size: Size) -> &[f32] {
        self.resize(size.width);
        let Self {
            dx, dy, confidence, ..
        } = self;
        flow.write_row(y, size, dx, dy, confidence);
        confidence
    }
}

/// Computes row `y` of the moved state.
pub(super) struct CarryRow<'a> {
    pub(super) flow: &'a Flow,
    pub(super) cells: &'a Grid,
    pub(super) frozen: &'a Grid,
    /// Of the noise that the state starts from where it cannot be moved.
    pub(super) seed: u64,
    pub(super) y: usize,
    /// All updated channels of the row, laid out as in a [`Grid`].
    pub(super) next: &'a mut [f32],
    /// Set for the blocks of the row in which the state was not moved everywhere.
    pub(super) blocks: &'a mut [bool],
    /// Takes how far the motion of each pixel is not believed.
    pub(super) distrust: &'a mut [f32],
    pub(super) scratch: &'a mut CarryScratch,
}

impl WithSimd for CarryRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            flow,
            cells,
            frozen,
            seed,
            y,
            next,
            blocks,
            distrust,
            scratch,
        } = self;
        let size = cells.size();
        let stride = cells.stride();
        find_doubted(scratch.confidence(flow, y, size), distrust, blocks);
        let CarryScratch {
            dx,
            dy,
            confidence,
            columns,
            rows,
            column_weights,
            row_weights,
        } = scratch;
        let xs = 0..size.width;
        place(
            xs.map(|x| x as f32),
            size.width,
            dx,
            columns,
            column_weights,
        );
        let ys = std::iter::repeat(y as f32);
        place(ys, size.height, dy, rows, row_weights);

        let mut start = 0;
        while start < size.width {
            let is_still = |x: usize| dx[x] == 0.0 && dy[x] == 0.0;
            let unmoved = (start..size.width).take_while(|&x| is_still(x)).count();
            if unmoved > 0 {
                // Much of many pictures: copied, it comes at a fraction of the price.
                let from = cells.row(y);
                for channel in 0..cells.channels() {
                    let pixels = channel * stride + HALO + start..;
                    next[pixels.clone()][..unmoved].copy_from_slice(&from[pixels][..unmoved]);
                }
                start += unmoved;
                continue;
            }
            let offset = (columns[start], rows[start]);
            let moved = (start..size.width).take_while(|&x| !is_still(x));
            let length = moved
                .take_while(|&x| (columns[x], rows[x]) == offset)
                .count();
            let pixels = start..start + length;
            let weights = [&*column_weights, &*row_weights]
                .map(|weights| weights.each_ref().map(|weights| &weights[pixels.clone()]));
            let sources = [-1, 0, 1, 2].map(|below| {
                let row = y as isize + offset.1 as isize + below;
                cells.row(row.clamp(0, size.height as isize - 1) as usize)
            });
            // From one column left of where the first pixel was.
            let from = (HALO + start).wrapping_add_signed(offset.0 as isize - 1);
            for channel in 0..cells.channels() {
                let sources = sources.map(|row| &row[channel * stride + from..][..length + 3]);
                let next = &mut next[channel * stride + HALO..][pixels.clone()];
                sample(sources, weights, next);
            }
            start += length;
        }

        for (x, &confidence) in confidence.iter().enumerate() {
            let trust = trust(confidence);
            if trust < 1.0 {
                for channel in 0..cells.channels() {
                    let anew = start_value(frozen, seed, channel, y, x);
                    let value = &mut next[channel * stride + HALO + x];
                    *value = trust * *value + (1.0 - trust) * anew;
                }
            }
        }
        for channel in next.chunks_exact_mut(stride) {
            fill_halo(channel, size.width, cells.border());
        }
    }
}

/// For pixels at `places` along an axis of `length`: how many whole pixels off they were, and how
/// much the four pixels around there weigh.
#[inline(always)]
fn place(
    places: impl Iterator<Item = f32>,
    length: usize,
    offsets: &[f32],
    whole: &mut [i32],
    [first, second, third, fourth]: &mut [Vec<f32>; 4],
) {
    let weights = first
        .iter_mut()
        .zip(second)
        .zip(third.iter_mut().zip(fourth));
    let outputs = whole.iter_mut().zip(weights);
    for ((place, &offset), (whole, ((a, b), (c, d)))) in places.zip(offsets).zip(outputs) {
        // No further out than the halo reaches.
        let offset = (place + offset).clamp(-1.0, length as f32) - place;
        let floor = offset.floor();
        let t = offset - floor;
        *whole = floor as i32;
        let s = SHARPNESS;
        *a = s * ((t - 2.0) * t + 1.0) * t;
        *b = ((s + 2.0) * t - (s + 3.0)) * t * t + 1.0;
        *c = ((2.0 * s + 3.0 - (s + 2.0) * t) * t - s) * t;
        *d = s * (1.0 - t) * t * t;
    }
}

/// Weighs 4 x 4 values around every pixel. `sources` are four rows, each beginning a column left of
/// the first pixel's place and ending two right of the last one's.
#[inline(always)]
fn sample(sources: [&[f32]; 4], [columns, rows]: [[&[f32]; 4]; 2], next: &mut [f32]) {
    let n = next.len();
    let columns = columns.map(|weights| &weights[..n]);
    let rows = rows.map(|weights| &weights[..n]);
    let taps = sources.map(|row| [0, 1, 2, 3].map(|column| &row[column..][..n]));
    for x in 0..n {
        let mut sum = 0.0;
        for (taps, weights) in taps.iter().zip(rows) {
            let mut row = 0.0;
            for (values, weights) in taps.iter().zip(columns) {
                row += weights[x] * values[x];
            }
            sum += weights[x] * row;
        }
        next[x] = sum;
    }
}
