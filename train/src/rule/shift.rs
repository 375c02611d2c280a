//! Moving a state along with what moves. Cells move by whole ones, as in the engines: the rest is left to
//! the painter.

use tch::{Device, Tensor};

use crate::data::content;
use crate::data::motion::Shot;
use crate::rule::cells::{Cells, normalised};
use crate::rule::rollout::Sampling;

/// Most that a state is shown off its cell, in cells.
const MOST: f64 = 1.0;

/// Where a moved state comes from.
pub struct Moved {
    /// As grid_sample takes it: 1 x h x w x 2.
    pub grid: Tensor,
    /// 1 where it comes from somewhere, 0 where it is uncovered: 1 x 1 x h x w.
    pub covered: Tensor,
    /// How it is sampled.
    pub sampling: Sampling,
    /// Whether any of it is uncovered.
    pub is_uncovered: bool,
}

impl Moved {
    /// Of a picture of this height and width, with a state of cells or, without any, of pixels. `flow` is
    /// where each pixel was, as grid_sample takes it, and whether that was in the picture; `None`: the
    /// state stays. How far cells are shown off their places, `shifts`, 2 x n x m, changes with it.
    pub fn along(
        flow: Option<(Vec<f32>, Vec<f32>)>,
        picture: [usize; 2],
        cells: Option<&Cells>,
        shifts: &mut Vec<f32>,
    ) -> Self {
        let [rows, columns] = cells.map_or(picture, Cells::count);
        let (grid, covered) = match (flow, cells) {
            (Some((flow, covered)), Some(cells)) => {
                let moved = shift(cells, &flow, &covered, shifts);
                *shifts = moved.shifts;
                (moved.grid, moved.covered)
            }
            (Some(flow), None) => flow,
            (None, _) => (Shot::still_grid(columns, rows), vec![1.0; rows * columns]),
        };
        let shape = [1, 1, rows as i64, columns as i64];
        Self {
            is_uncovered: covered.contains(&0.0),
            grid: content::grid(&grid, columns, rows, Device::Cpu),
            covered: Tensor::from_slice(&covered).reshape(shape),
            sampling: match cells {
                Some(_) => Sampling::Nearest,
                None => Sampling::Bicubic,
            },
        }
    }
}

/// Where the cells of a moved state come from.
pub struct Shifted {
    /// As grid_sample takes it, always the middle of a cell: n x m of x, y.
    pub grid: Vec<f32>,
    /// How many cells further the content of each is to be shown, along y and x: 2 x n x m.
    pub shifts: Vec<f32>,
    /// 1 where the state comes from somewhere, 0 where it is uncovered: n x m.
    pub covered: Vec<f32>,
}

/// Moves a state whose cells were shown so many cells further, 2 x n x m. `flow` is where each pixel of the
/// picture was, as grid_sample takes it, and `covered` whether that was in the picture.
pub fn shift(cells: &Cells, flow: &[f32], covered: &[f32], shifts: &[f32]) -> Shifted {
    let [height, width] = cells.picture();
    let [rows, columns] = cells.count();
    let k = cells.size();
    let at = |axis: usize, y: usize, x: usize| f64::from(shifts[(axis * rows + y) * columns + x]);
    let mut moved = Shifted {
        grid: Vec::with_capacity(2 * rows * columns),
        shifts: vec![0.0; 2 * rows * columns],
        covered: Vec::with_capacity(rows * columns),
    };
    for y in 0..rows {
        for x in 0..columns {
            let (middle_y, middle_x) = (cells.middle(0, y), cells.middle(1, x));
            let pixel = middle_y * width + middle_x;
            // From the middle of the picture, in pixels, to cells.
            let motion = |axis: usize, length: usize, middle: usize| {
                let half = length as f64 / 2.0;
                let was = f64::from(flow[2 * pixel + axis]) * half;
                (was - (middle as f64 + 0.5 - half)) / k
            };
            let (u, v) = (motion(0, width, middle_x), motion(1, height, middle_y));
            let near = (limited(y, whole(v), rows), limited(x, whole(u), columns));
            let down = whole(v - at(0, near.0, near.1));
            let across = whole(u - at(1, near.0, near.1));
            let (row, column) = (limited(y, down, rows), limited(x, across, columns));
            moved.grid.extend([
                normalised(column as f64, columns) as f32,
                normalised(row as f64, rows) as f32,
            ]);
            moved.covered.push(covered[pixel]);
            // Also where it is uncovered: torn from their neighbours, cells go on changing.
            let off = |whole: f64, shift: f64, motion: f64| {
                (whole + shift - motion).clamp(-MOST, MOST) as f32
            };
            moved.shifts[y * columns + x] = off(down, at(0, row, column), v);
            moved.shifts[(rows + y) * columns + x] = off(across, at(1, row, column), u);
        }
    }
    moved
}

/// The nearest whole number of cells.
fn whole(cells: f64) -> f64 {
    (cells + 0.5).floor()
}

/// The cell that lies so many from that at `at`, or of `count` the one nearest to that.
fn limited(at: usize, by: f64, count: usize) -> usize {
    at.saturating_add_signed(by as isize).min(count - 1)
}
