//! What a flow is looked up in, for those who do it elsewhere.

use super::flow::{Flow, ratio};
use super::plane::Plane;
use crate::Size;

impl Flow {
    /// What [`Flow::write_row`] interpolates for a picture of `size`: vectors along x and along y,
    /// and confidence.
    pub(crate) fn grids(&self, size: Size) -> [FlowGrid<'_>; 3] {
        let [u, v] = &self.vectors;
        let [x_scale, y_scale] = self.scale(size);
        let grid = |cells, factor, scale| FlowGrid {
            cells,
            ratio: [
                ratio(self.size.width, size.width, factor),
                ratio(self.size.height, size.height, factor),
            ],
            scale,
        };
        [
            grid(u, self.factor, x_scale),
            grid(v, self.factor, y_scale),
            grid(&self.confidence, self.confidence_factor, 1.0),
        ]
    }
}

/// One of a flow's grids of cells, beside a picture whose pixels lie on it.
pub(crate) struct FlowGrid<'a> {
    cells: &'a Plane,
    /// Cells for each pixel of the picture, along x and y.
    pub(crate) ratio: [f32; 2],
    /// Factor on what the cells hold.
    pub(crate) scale: f32,
}

impl FlowGrid<'_> {
    /// Columns and rows of cells.
    pub(crate) fn size(&self) -> Size {
        self.cells.size()
    }

    /// All cells, row after row.
    pub(crate) fn values(&self) -> impl Iterator<Item = f32> {
        (0..self.size().height).flat_map(|y| self.cells.row(y as isize).iter().copied())
    }
}
