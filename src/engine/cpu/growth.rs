//! Growing the state where it could not be moved, and started anew.
//!
//! Little of a picture is new in a frame, often a strip at its edge, so only rows and blocks of
//! pixels in which something is new are stepped, and what surrounds them stays as it is: what grows
//! fits on to it.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::grid::{Grid, HALO, fill_halo};
use super::write_start;
use crate::Size;
use crate::engine::trust;
use crate::model::Border;

/// Pixels of a row that grow together: the lanes of the widest vector.
const BLOCK: usize = 16;

/// A flag for every block of every row: whether it has pixels that are to be stepped.
pub(super) struct Blocks {
    in_row: usize,
    flags: Vec<bool>,
}

impl Blocks {
    /// All blocks of `rows` rows of `width` pixels.
    pub(super) fn all(width: usize, rows: usize) -> Self {
        let in_row = width.div_ceil(BLOCK);
        Self {
            in_row,
            flags: vec![true; in_row * rows],
        }
    }

    /// The flags of row `y`.
    pub(super) fn row(&self, y: usize) -> &[bool] {
        &self.flags[y * self.in_row..][..self.in_row]
    }

    /// The flags of every row.
    pub(super) fn rows_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [bool]> {
        self.flags.par_chunks_exact_mut(self.in_row)
    }
}

/// Writes how far the motion of each pixel of a row is not believed, and sets the flags of the blocks
/// in which there are such pixels.
pub(super) fn find_doubted(confidence: &[f32], distrust: &mut [f32], blocks: &mut [bool]) {
    for (distrust, &confidence) in distrust.iter_mut().zip(confidence) {
        *distrust = 1.0 - trust(confidence);
    }
    mark(distrust, blocks);
}

/// Sets the flags of the blocks of a row in which something is to grow.
fn mark(shares: &[f32], blocks: &mut [bool]) {
    for (shares, block) in shares.chunks(BLOCK).zip(blocks) {
        *block = shares.iter().any(|&share| share > 0.0);
    }
}

/// The pixels, as ranges as long as possible, of the blocks whose flags are set in a row of `width`.
pub(super) fn spans(blocks: &[bool], width: usize) -> impl Iterator<Item = Range<usize>> {
    let mut end = 0;
    let runs = blocks.chunk_by(|a, b| a == b);
    runs.filter_map(move |run| {
        let start = end;
        end += run.len();
        run[0].then(|| start * BLOCK..(end * BLOCK).min(width))
    })
}

/// How far around cells that start anew the others take all steps with them.
///
/// Large rules that are trained with all cells stepping at once go out of bounds beside cells that
/// never answer: the trial models of `models/unfinished` within six frames of a film. One ring of cells keeps
/// them in bounds.
pub(crate) const RING: usize = 2;

/// Where cells grow: how much of a step each takes, and the blocks that they are in.
pub(super) struct Growing {
    pub(super) shares: Vec<f32>,
    pub(super) blocks: Blocks,
}

impl Growing {
    pub(super) fn new(size: Size) -> Self {
        Self {
            shares: Vec::new(),
            blocks: Blocks::all(size.width, size.height),
        }
    }

    /// Makes of the cells that start anew all those that are to grow, and these take whole steps.
    pub(super) fn widen(&self, size: Size, border: Border, wide: &mut Self) {
        let Size { width, height } = size;
        let around = |at: usize, length: usize| {
            let (at, length) = (at as isize, length as isize);
            let ring = RING as isize;
            (at - ring..=at + ring).filter_map(move |at| match border {
                Border::Circular => Some(at.rem_euclid(length) as usize),
                Border::Replicate => (0..length).contains(&at).then_some(at as usize),
            })
        };
        wide.shares.resize(size.pixels(), 0.0);
        let rows = wide.shares.par_chunks_exact_mut(width);
        rows.zip(wide.blocks.rows_mut())
            .enumerate()
            .for_each(|(y, (shares, blocks))| {
                shares.fill(0.0);
                for row in around(y, height) {
                    let anew = &self.shares[row * width..][..width];
                    for span in spans(self.blocks.row(row), width) {
                        for x in span.filter(|&x| anew[x] > 0.0) {
                            around(x, width).for_each(|x| shares[x] = 1.0);
                        }
                    }
                }
                mark(shares, blocks);
            });
    }
}

/// Where the motion of row `y` is not believed, the less the more what was moved to `next` is mixed with
/// the start state; `anew` is a row's memory. Fills the halos after it.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a part of two kernels")]
pub(super) fn start_anew(
    cells: &Grid,
    frozen: &Grid,
    seed: u64,
    y: usize,
    blocks: &[bool],
    distrust: &[f32],
    anew: &mut [f32],
    next: &mut [f32],
) {
    let (width, stride) = (cells.size().width, cells.stride());
    for span in spans(blocks, width) {
        for channel in 0..cells.channels() {
            let anew = &mut anew[span.clone()];
            write_start(frozen, seed, channel, y, span.clone(), anew);
            let next = &mut next[channel * stride + HALO..][span.clone()];
            let mixed = next.iter_mut().zip(&*anew).zip(&distrust[span.clone()]);
            for ((value, anew), distrust) in mixed {
                *value = (1.0 - distrust) * *value + distrust * anew;
            }
        }
    }
    for channel in next.chunks_exact_mut(stride) {
        fill_halo(channel, width, cells.border());
    }
}

/// Takes a step over into the state of row `y`, the less the more its motion is believed.
pub(super) struct GrowRow<'a> {
    pub(super) blocks: &'a [bool],
    /// How far the motion of each pixel is not believed.
    pub(super) distrust: &'a [f32],
    pub(super) y: usize,
    /// What the step gave. Laid out as in a [`Grid`], as is `cells`.
    pub(super) next: &'a Grid,
    /// All updated channels of the row.
    pub(super) cells: &'a mut [f32],
}

impl WithSimd for GrowRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            blocks,
            distrust,
            y,
            next,
            cells,
        } = self;
        let size = next.size();
        let (stride, border) = (next.stride(), next.border());
        for (channel, cells) in cells.chunks_exact_mut(stride).enumerate() {
            let pixels = &mut cells[HALO..][..size.width];
            let next = next.pixels(y, channel);
            for span in spans(blocks, size.width) {
                let next = next[span.clone()].iter().zip(&distrust[span.clone()]);
                for (value, (next, distrust)) in pixels[span].iter_mut().zip(next) {
                    *value += distrust * (next - *value);
                }
            }
            fill_halo(cells, size.width, border);
        }
    }
}
