//! Moving a state along with what moves, as the engines do.

use tch::{Device, Kind, Tensor};

use crate::data::content;
use crate::data::motion::Shot;
use crate::rule::cells::{Cells, normalised};
use nca::internals::SHARPNESS;
use nca::model::Border;

/// Where the cells of a moved state come from.
pub struct Warp {
    /// As grid_sample takes it: 1 x h x w x 2.
    pub grid: Tensor,
    /// 1 where the state comes from somewhere, 0 where it is uncovered: 1 x 1 x h x w.
    pub covered: Tensor,
    /// Whether any of it is uncovered.
    pub is_uncovered: bool,
}

impl Warp {
    /// Of a picture of this height and width, with a state of cells or, without any, of pixels. `flow` is
    /// where each pixel was, as grid_sample takes it, and whether that was in the picture; `None`: the
    /// state stays.
    pub fn along(
        flow: Option<(Vec<f32>, Vec<f32>)>,
        picture: [usize; 2],
        cells: Option<&Cells>,
    ) -> Self {
        let [rows, columns] = cells.map_or(picture, Cells::count);
        let (grid, covered) = match (flow, cells) {
            (Some((flow, covered)), Some(cells)) => at_cells(cells, &flow, &covered),
            (Some(flow), None) => flow,
            (None, _) => (Shot::still_grid(columns, rows), vec![1.0; rows * columns]),
        };
        let shape = [1, 1, rows as i64, columns as i64];
        Self {
            is_uncovered: covered.contains(&0.0),
            grid: content::grid(&grid, columns, rows, Device::Cpu),
            covered: Tensor::from_slice(&covered).reshape(shape),
        }
    }
}

/// What pixels say of the centres of cells: where these were, as grid_sample takes it, and whether that was in
/// the picture.
fn at_cells(cells: &Cells, flow: &[f32], covered: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let picture = cells.picture();
    let [rows, columns] = cells.count();
    let k = cells.size();
    // How far a pixel moves along an axis, 0 for y and 1 for x, in cells.
    let motion = |axis: usize, [y, x]: [usize; 2]| {
        let half = picture[axis] as f64 / 2.0;
        let was = half * f64::from(flow[2 * (y * picture[1] + x) + 1 - axis]);
        (was - ([y, x][axis] as f64 + 0.5 - half)) / k
    };
    // The two pixels around each centre along an axis, which may lie beyond the edge.
    let around = |axis: usize| -> Vec<_> {
        let last = picture[axis] - 1;
        let cells = (0..[rows, columns][axis]).map(|cell| {
            let at = ((cell as f64 + 0.5) * k - 0.5).clamp(0.0, last as f64);
            let first = at as usize;
            (first, (first + 1).min(last), at - first as f64)
        });
        cells.collect()
    };
    let (down, across) = (around(0), around(1));
    let mut places = Vec::with_capacity(2 * rows * columns);
    let mut inside = Vec::with_capacity(rows * columns);
    for (y, &(top, bottom, down)) in down.iter().enumerate() {
        for (x, &(left, right, across)) in across.iter().enumerate() {
            let [v, u] = [0, 1].map(|axis| {
                let [above, below] = [top, bottom].map(|y| {
                    let [left, right] = [left, right].map(|x| motion(axis, [y, x]));
                    left + (right - left) * across
                });
                above + (below - above) * down
            });
            places.extend([
                normalised(x as f64 + u, columns) as f32,
                normalised(y as f64 + v, rows) as f32,
            ]);
            inside.push(covered[top * picture[1] + left]);
        }
    }
    (places, inside)
}

/// Samples B x C x h x w values at places as grid_sample takes them, B x h x w x 2, by the engines' cubic
/// convolution: up to one cell beyond the edge, where the nearest is repeated; a circular border wraps to the
/// left and right.
pub fn warp(values: &Tensor, grid: &Tensor, border: Border) -> Tensor {
    let (batch, channels, height, width) = values.size4().expect("states are B x C x h x w");
    let along = |axis: i64, length: i64| {
        let at = (grid.select(3, axis) + 1.0) * (length as f64 / 2.0) - 0.5;
        let at = at.clamp(-1.0, length as f64);
        let first = at.floor();
        let weights = weights(&(&at - &first));
        let taps = [-1, 0, 1, 2].map(|tap| {
            let at = first.to_kind(Kind::Int64) + tap;
            match (axis, border) {
                (0, Border::Circular) => at.remainder(length),
                _ => at.clamp(0, length - 1),
            }
        });
        (taps, weights)
    };
    let (columns, across) = along(0, width);
    let (rows, down) = along(1, height);
    let flat = values.flatten(2, 3);
    let mut sum = Tensor::zeros(
        [batch, channels, height * width],
        (Kind::Float, values.device()),
    );
    for (row, down) in rows.iter().zip(&down) {
        for (column, across) in columns.iter().zip(&across) {
            let place = (row * width + column).flatten(1, 2).unsqueeze(1);
            let weight = (down * across).flatten(1, 2).unsqueeze(1);
            sum += flat.gather(2, &place.expand([-1, channels, -1], false), false) * weight;
        }
    }
    sum.reshape([batch, channels, height, width])
}

/// How much the four cells around a place weigh that lies so far after the second of them.
fn weights(t: &Tensor) -> [Tensor; 4] {
    let slope = f64::from(SHARPNESS);
    let near = |d: &Tensor| ((slope + 2.0) * d - (slope + 3.0)) * d.square() + 1.0;
    let far = |d: &Tensor| slope * (((d - 5.0) * d + 8.0) * d - 4.0);
    [far(&(t + 1.0)), near(t), near(&(1.0 - t)), far(&(2.0 - t))]
}
