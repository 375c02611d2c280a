//! One row of the state, moved along with the picture.
//!
//! Every pixel, or cell, takes over the state of the place that it was at, sampled by cubic convolution (Keys,
//! "Cubic Convolution Interpolation for Digital Image Processing", 1981, which reproduces what lies
//! on whole pixels exactly: what does not move stays as it is to the bit). Neighbours mostly come
//! from neighbours, so a vector of pixels reads whole vectors of memory; those of its lanes that come
//! from elsewhere are computed again by the next vector, which begins with the first of them.

use pulp::{Simd, WithSimd};

use super::arithmetic::mul_add;
use super::grid::{Grid, HALO};
use super::growth::{find_doubted, start_anew};
use super::kernel::prefetch;
use crate::Size;
use crate::cells::CellGrid;
use crate::engine::SHARPNESS;
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
    /// What the state starts from where it cannot be moved.
    anew: Vec<f32>,
}

impl CarryScratch {
    /// Memory for rows of `width` pixels, taken at the first call. Weights are read by whole vectors,
    /// which may reach over the end.
    fn resize(&mut self, width: usize) {
        let Self {
            dx,
            dy,
            confidence,
            columns,
            rows,
            column_weights,
            row_weights,
            anew,
        } = self;
        for weights in column_weights.iter_mut().chain(row_weights) {
            weights.resize(width + HALO, 0.0);
        }
        for values in [dx, dy, confidence, anew] {
            values.resize(width, 0.0);
        }
        for offsets in [columns, rows] {
            offsets.resize(width, 0);
        }
    }

    /// Looks the flow of row `y` of a state of `size` up, and gives its confidence. `lattice` is how
    /// its cells lie, where they are not pixels.
    fn confidence(
        &mut self,
        flow: &Flow,
        y: usize,
        size: Size,
        lattice: Option<&CellGrid>,
    ) -> &[f32] {
        self.resize(size.width);
        let Self {
            dx, dy, confidence, ..
        } = self;
        match lattice {
            Some(lattice) => flow.write_cells(y, lattice, dx, dy, confidence),
            None => flow.write_row(y, size, dx, dy, confidence),
        }
        confidence
    }
}

/// So many values further on, memory is asked for before it is needed.
const AHEAD: usize = 64;

/// Computes row `y` of the moved state.
pub(super) struct CarryRow<'a> {
    pub(super) flow: &'a Flow,
    /// How the cells lie on the picture; none where they are its pixels.
    pub(super) lattice: Option<&'a CellGrid>,
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
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            flow,
            lattice,
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
        let confidence = scratch.confidence(flow, y, size, lattice);
        find_doubted(confidence, distrust, blocks);
        let CarryScratch {
            dx,
            dy,
            columns,
            rows,
            column_weights,
            row_weights,
            anew,
            ..
        } = scratch;
        place(|x| x as f32, size.width, dx, columns, column_weights);
        place(|_| y as f32, size.height, dy, rows, row_weights);

        let mut start = 0;
        while start < size.width {
            let is_still = |(dx, dy): &(&f32, &f32)| **dx == 0.0 && **dy == 0.0;
            let unmoved = dx[start..].iter().zip(&dy[start..]).take_while(is_still);
            let unmoved = unmoved.count();
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
            let (column, row) = (columns[start], rows[start]);
            let sources = [-1, 0, 1, 2].map(|below| {
                let row = y as isize + row as isize + below;
                let row = row.clamp(0, size.height as isize - 1) as usize;
                // From one column left of where the first pixel was.
                let from = (HALO + start).wrapping_add_signed(column as isize - 1);
                &cells.values()[row * cells.row_len() + from..]
            });
            let weights = [&*column_weights, &*row_weights].map(|weights| {
                weights
                    .each_ref()
                    .map(|weights| load(simd, &weights[start..]))
            });
            for channel in 0..cells.channels() {
                let sources = sources.map(|source| &source[channel * stride..]);
                prefetch(sources[3].get(AHEAD..).unwrap_or_default(), S::F32_LANES);
                let sampled = sample(simd, sources, weights);
                let next = &mut next[channel * stride + HALO + start..];
                let (next, _) = S::as_mut_simd_f32s(&mut next[..S::F32_LANES]);
                next[0] = sampled;
            }
            let end = (start + S::F32_LANES).min(size.width);
            let places = columns[start..end].iter().zip(&rows[start..end]);
            start += places.take_while(|place| *place == (&column, &row)).count();
        }

        start_anew(cells, frozen, seed, y, blocks, distrust, anew, next);
    }
}

/// For pixels whose places along an axis of `length` are given by `place`: how many whole pixels off
/// they were, and how much the four pixels around there weigh.
#[inline(always)]
fn place(
    place: impl Fn(usize) -> f32,
    length: usize,
    offsets: &[f32],
    whole: &mut [i32],
    weights: &mut [Vec<f32>; 4],
) {
    let n = offsets.len();
    let whole = &mut whole[..n];
    let [a, b, c, d] = weights.each_mut().map(|weights| &mut weights[..n]);
    for x in 0..n {
        let place = place(x);
        // No further out than the halo reaches.
        let offset = (place + offsets[x]).max(-1.0).min(length as f32) - place;
        let floor = offset.floor();
        let t = offset - floor;
        whole[x] = floor as i32;
        let s = SHARPNESS;
        a[x] = s * ((t - 2.0) * t + 1.0) * t;
        b[x] = ((s + 2.0) * t - (s + 3.0)) * t * t + 1.0;
        c[x] = ((2.0 * s + 3.0 - (s + 2.0) * t) * t - s) * t;
        d[x] = s * (1.0 - t) * t * t;
    }
}

/// Weighs 4 x 4 values around every pixel. `sources` are four rows, each beginning a column left of
/// the first pixel's place.
#[inline(always)]
fn sample<S: Simd>(simd: S, sources: [&[f32]; 4], [columns, rows]: [[S::f32s; 4]; 2]) -> S::f32s {
    let mut sum = simd.splat_f32s(0.0);
    for (source, weight) in sources.into_iter().zip(rows) {
        let source = &source[..S::F32_LANES + 3];
        let mut row = simd.mul_f32s(columns[0], load(simd, source));
        for column in 1..4 {
            row = mul_add(simd, columns[column], load(simd, &source[column..]), row);
        }
        sum = mul_add(simd, weight, row, sum);
    }
    sum
}

/// The vector that values begin with.
#[inline(always)]
fn load<S: Simd>(_: S, values: &[f32]) -> S::f32s {
    let (vectors, _) = S::as_simd_f32s(&values[..S::F32_LANES]);
    vectors[0]
}
