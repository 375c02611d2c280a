//! Moving a state that is painted: by whole cells, and the rest is left to the painter.
//!
//! A state that was sampled between its cells in every frame would melt: half a cell a frame leaves of
//! a wave of four cells 43 % after ten frames. So every cell takes over the state of one other, and
//! remembers how far from its own place that is to be shown, which the painter makes up for.

use super::grid::{Grid, HALO};
use super::growth::{find_doubted, start_anew};
use crate::Size;
use crate::cells::CellGrid;
use crate::frame::vectorized;
use crate::motion::Flow;

/// How far, in cells, the state of each is to be shown from where it is, along x and y.
pub(super) struct Shifts {
    width: usize,
    current: [Vec<f32>; 2],
    /// What moving the state writes; then the two change places.
    next: [Vec<f32>; 2],
    zero: bool,
}

impl Shifts {
    pub(super) fn new(cells: Size) -> Self {
        let zeros = || [(); 2].map(|()| vec![0.0; cells.pixels()]);
        Self {
            width: cells.width,
            current: zeros(),
            next: zeros(),
            zero: true,
        }
    }

    /// The state is shown where it is.
    pub(super) fn reset(&mut self) {
        if !self.zero {
            self.current.iter_mut().for_each(|shifts| shifts.fill(0.0));
            self.zero = true;
        }
    }

    /// Whether all of it is shown where it is.
    pub(super) fn are_zero(&self) -> bool {
        self.zero
    }

    /// Along an axis, 0 for x and 1 for y, those of row `y`.
    pub(super) fn row(&self, axis: usize, y: usize) -> &[f32] {
        &self.current[axis][y * self.width..][..self.width]
    }

    /// What there is, and what is to be written.
    pub(super) fn both(&mut self) -> ([&[f32]; 2], [&mut [f32]; 2]) {
        (
            self.current.each_ref().map(Vec::as_slice),
            self.next.each_mut().map(Vec::as_mut_slice),
        )
    }

    /// Takes what was written.
    pub(super) fn take_next(&mut self) {
        std::mem::swap(&mut self.current, &mut self.next);
        self.zero = self.current.iter().flatten().all(|shift| *shift == 0.0);
    }
}

/// Memory that a thread needs to move a row of cells.
#[derive(Default)]
pub(super) struct ShiftScratch {
    /// The flow at a row of pixels.
    flow: [Vec<f32>; 3],
    /// The confidence at each cell, and where the values of the one lie whose state it takes over.
    confidence: Vec<f32>,
    origins: Vec<usize>,
    /// What the state starts from where it cannot be moved.
    anew: Vec<f32>,
}

/// Computes row `y` of the moved cells.
pub(super) struct ShiftRow<'a> {
    pub(super) flow: &'a Flow,
    pub(super) grid: &'a CellGrid,
    pub(super) cells: &'a Grid,
    pub(super) frozen: &'a Grid,
    /// Of the noise that the state starts from where it cannot be moved.
    pub(super) seed: u64,
    pub(super) y: usize,
    /// All updated channels of the row, laid out as in a [`Grid`].
    pub(super) next: &'a mut [f32],
    /// Of all cells, and of the row of what becomes of it.
    pub(super) shifts: [&'a [f32]; 2],
    pub(super) next_shifts: [&'a mut [f32]; 2],
    /// Set for the blocks of the row in which the state was not moved everywhere.
    pub(super) blocks: &'a mut [bool],
    /// Takes how far the motion of each cell is not believed.
    pub(super) distrust: &'a mut [f32],
    pub(super) scratch: &'a mut ShiftScratch,
}

/// Most that a state is shown off its cell, in cells.
const MAX_SHIFT: f32 = 1.0;

impl ShiftRow<'_> {
    pub(super) fn run(self) {
        vectorized(
            #[inline(always)]
            || self.shift(),
        );
    }

    #[inline(always)]
    fn shift(self) {
        let Self {
            flow,
            grid,
            cells,
            frozen,
            seed,
            y,
            next,
            shifts,
            next_shifts,
            blocks,
            distrust,
            scratch,
        } = self;
        let Size { width, height } = cells.size();
        let (stride, row_len) = (cells.stride(), cells.row_len());
        let ShiftScratch {
            flow: [dx, dy, confidences],
            confidence,
            origins,
            anew,
        } = scratch;
        let picture = grid.picture();
        for values in [&mut *dx, &mut *dy, &mut *confidences] {
            values.resize(picture.width, 0.0);
        }
        anew.resize(width, 0.0);
        flow.write_row(grid.y.centre_pixel(y), picture, dx, dy, confidences);
        // At the cell's centre, because the mean over an edge between two motions is that of nothing.
        confidence.clear();
        confidence.extend((0..width).map(|x| confidences[grid.x.centre_pixel(x)]));
        find_doubted(confidence, distrust, blocks);

        let k = grid.cell_size() as f32;
        let [next_dx, next_dy] = next_shifts;
        origins.clear();
        for x in 0..width {
            let at = grid.x.centre_pixel(x);
            let (u, v) = (dx[at] / k, dy[at] / k);
            // The cell that the place lies in, and the one whose state was shown there.
            let near = limited(y, whole(v), height) * width + limited(x, whole(u), width);
            let across = whole(u - shifts[0][near]);
            let down = whole(v - shifts[1][near]);
            let (column, row) = (limited(x, across, width), limited(y, down, height));
            origins.push(row * row_len + HALO + column);
            let from = row * width + column;
            // Also where the state starts anew: cells whose neighbours are shown off their places, and which
            // are not, would be torn from them and go on changing.
            let shift = |whole: f32, shift: f32, flow: f32| {
                (whole + shift - flow).clamp(-MAX_SHIFT, MAX_SHIFT)
            };
            next_dx[x] = shift(across, shifts[0][from], u);
            next_dy[x] = shift(down, shifts[1][from], v);
        }
        for (channel, next) in next.chunks_exact_mut(stride).enumerate() {
            let values = &cells.values()[channel * stride..];
            for (value, origin) in next[HALO..].iter_mut().zip(&*origins) {
                *value = values[*origin];
            }
        }
        start_anew(cells, frozen, seed, y, blocks, distrust, anew, next);
    }
}

/// The nearest whole number of cells.
#[inline(always)]
fn whole(cells: f32) -> f32 {
    (cells + 0.5).floor()
}

/// The cell that lies so many from that at `at`, or of `count` the one nearest to that.
#[inline(always)]
fn limited(at: usize, by: f32, count: usize) -> usize {
    at.saturating_add_signed(by as isize).min(count - 1)
}
