//! One row of the state, moved along with the picture.
//!
//! Every pixel takes over the state of the place that it was at, sampled bicubically (Catmull and
//! Rom, "A Class of Local Interpolating Splines", 1974, whose cubic reproduces what lies on whole
//! pixels exactly: what does not move stays as it is to the bit). Neighbours mostly come from
//! neighbours, so a row is cut into runs of pixels that lie next to each other in the old state
//! too, and a run reads whole vectors of memory.

use pulp::{Simd, WithSimd};

use super::grid::{Grid, HALO, fill_halo};
use crate::motion::Flow;

/// Below the first, a pixel's motion is not believed and its state stays where it is; from the
/// second on it is, and between them both are mixed.
pub(in crate::engine) const DOUBT: [f32; 2] = [0.02, 0.1];

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
}

/// Computes row `y` of the moved state.
pub(super) struct CarryRow<'a> {
    pub(super) flow: &'a Flow,
    pub(super) cells: &'a Grid,
    pub(super) y: usize,
    /// All updated channels of the row, laid out as in a [`Grid`].
    pub(super) next: &'a mut [f32],
    pub(super) scratch: &'a mut CarryScratch,
}

impl WithSimd for CarryRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            flow,
            cells,
            y,
            next,
            scratch,
        } = self;
        let size = cells.size();
        let stride = cells.stride();
        scratch.resize(size.width);
        let CarryScratch {
            dx,
            dy,
            confidence,
            columns,
            rows,
            column_weights,
            row_weights,
        } = scratch;
        flow.write_row(y, size, dx, dy, confidence);
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
            let offset = (columns[start], rows[start]);
            let same = columns[start..].iter().zip(&rows[start..]);
            let length = same.take_while(|&(&c, &r)| (c, r) == offset).count();
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
            let [none, full] = DOUBT;
            if confidence < full {
                let trust = ((confidence - none) / (full - none)).max(0.0);
                for channel in 0..cells.channels() {
                    let unmoved = cells.pixels(y, channel)[x];
                    let value = &mut next[channel * stride + HALO + x];
                    *value = trust * *value + (1.0 - trust) * unmoved;
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
        *a = ((1.0 - 0.5 * t) * t - 0.5) * t;
        *b = (1.5 * t - 2.5) * t * t + 1.0;
        *c = ((2.0 - 1.5 * t) * t + 0.5) * t;
        *d = (0.5 * t - 0.5) * t * t;
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
