use pulp::{Arch, Simd, WithSimd};

use super::plane::Plane;
use crate::Size;
use crate::cells::CellGrid;

/// Motion from a frame to the one before it: where each pixel was.
///
/// Vectors and confidence are kept on grids coarser than the frame; the centre of a grid's cell is
/// the centre of the pixels that it stands for, and between the centres, and from the outermost to
/// the edges, both are interpolated bilinearly. Rows of pixels are looked up with
/// [`Flow::write_row`].
#[derive(Debug)]
pub struct Flow {
    pub(super) arch: Arch,
    /// Of the frames.
    pub(super) size: Size,
    /// Pixels along each side of a cell.
    pub(super) factor: usize,
    /// Along x and y, in cells.
    pub(super) vectors: [Plane; 2],
    pub(super) confidence_factor: usize,
    pub(super) confidence: Plane,
    pub(super) still: bool,
}

impl Flow {
    /// The motion of frames of `size` in which every pixel (x, y) was at (x + dx, y + dy), and nobody
    /// doubts it: for measures and tests, whose motion is known.
    pub fn uniform(size: Size, [dx, dy]: [f32; 2]) -> Self {
        let plane = |value| {
            let mut plane = Plane::zeros(Size::new(1, 1));
            *plane.pixel_mut(0, 0) = value;
            plane.fill_margins();
            plane
        };
        let factor = size.width.max(size.height).max(1);
        Self {
            arch: Arch::new(),
            size,
            factor,
            vectors: [dx, dy].map(|d| plane(d / factor as f32)),
            confidence_factor: factor,
            confidence: plane(1.0),
            still: [dx, dy] == [0.0; 2],
        }
    }

    /// Size of the frames.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Whether nothing moves: all vectors are zero.
    pub fn is_still(&self) -> bool {
        self.still
    }

    /// The mean confidence, in [0, 1].
    pub(crate) fn mean_confidence(&self) -> f32 {
        self.mean(|confidence| confidence)
    }

    /// The mean over the picture of what `f` makes of the confidence.
    pub fn mean(&self, f: impl Fn(f32) -> f32) -> f32 {
        let Size { height, .. } = self.confidence.size();
        let sum: f64 = (0..height as isize)
            .flat_map(|y| self.confidence.row(y))
            .map(|&confidence| f64::from(f(confidence)))
            .sum();
        (sum / self.confidence.size().pixels() as f64) as f32
    }

    /// Size of the grid of cells on which the confidence is kept.
    pub(crate) fn cells(&self) -> Size {
        self.confidence.size()
    }

    /// How far the motion of a cell can be trusted, from 0 to 1.
    pub(crate) fn confidence_of(&self, x: usize, y: usize) -> f32 {
        self.confidence.row(y as isize)[x]
    }

    /// The cell that a cell's content was in.
    pub(crate) fn origin_of(&self, x: usize, y: usize) -> [usize; 2] {
        let scale = self.confidence_factor / self.factor;
        let size = self.vectors[0].size();
        let (u, v) = (
            (x * scale + scale / 2).min(size.width - 1),
            (y * scale + scale / 2).min(size.height - 1),
        );
        let moved = |at: usize, vectors: &Plane, length: usize| {
            let vector = vectors.row(v as isize)[u] / scale as f32;
            (at as f32 + vector).round().clamp(0.0, (length - 1) as f32) as usize
        };
        let cells = self.cells();
        [
            moved(x, &self.vectors[0], cells.width),
            moved(y, &self.vectors[1], cells.height),
        ]
    }

    /// Says of a cell that it has not moved.
    ///
    /// Margins are out of date until [`Flow::fill_margins`], as after [`Flow::distrust`].
    pub(crate) fn hold(&mut self, x: usize, y: usize) {
        *self.confidence.pixel_mut(x, y) = 1.0;
        let scale = self.confidence_factor / self.factor;
        for vectors in &mut self.vectors {
            let size = vectors.size();
            for v in y * scale..((y + 1) * scale).min(size.height) {
                for u in x * scale..((x + 1) * scale).min(size.width) {
                    *vectors.pixel_mut(u, v) = 0.0;
                }
            }
        }
    }

    /// Says of a cell that its motion cannot be trusted.
    pub(crate) fn distrust(&mut self, x: usize, y: usize) {
        *self.confidence.pixel_mut(x, y) = 0.0;
    }

    /// To be called once cells have been changed.
    pub(crate) fn fill_margins(&mut self) {
        self.vectors.iter_mut().for_each(Plane::fill_margins);
        self.confidence.fill_margins();
        self.still = false;
    }

    /// Looks row `y` up for a picture of `size`, which may differ from that of the frames: a state
    /// that is kept at another resolution. All three rows are W values.
    ///
    /// Pixel (x, y) was at (x + `dx`\[x\], y + `dy`\[x\]) in the frame before, in pixels of the
    /// picture, where the centre of the upper left pixel is (0, 0). `confidence` says how far that
    /// can be trusted, from 0 to 1: it is low where something is uncovered, where the vector
    /// points out of the picture, and where the frames do not agree along it.
    ///
    /// What does not move has vectors of exactly zero.
    pub fn write_row(
        &self,
        y: usize,
        size: Size,
        dx: &mut [f32],
        dy: &mut [f32],
        confidence: &mut [f32],
    ) {
        let row = [dx, dy, confidence].map(|values| &mut values[..size.width]);
        self.write(y, size, 1.0, row);
    }

    /// The same at the centres of row `y` of the cells of a picture, with vectors in cells.
    pub(crate) fn write_cells(
        &self,
        y: usize,
        grid: &CellGrid,
        dx: &mut [f32],
        dy: &mut [f32],
        confidence: &mut [f32],
    ) {
        let row = [dx, dy, confidence].map(|values| &mut values[..grid.cells().width]);
        self.write(y, grid.picture(), grid.cell_size() as f32, row);
    }

    /// Looks up as many values of row `y` as there is room for, each `step` pixels of a picture of `size`
    /// after the last, with vectors in units of that.
    fn write(&self, y: usize, size: Size, step: f32, [dx, dy, confidence]: [&mut [f32]; 3]) {
        let [u, v] = &self.vectors;
        let [x_scale, y_scale] = self.scale(size);
        let place = |factor: usize| Place {
            arch: self.arch,
            y,
            step,
            size,
            frame: self.size,
            factor,
        };
        let vectors = place(self.factor);
        vectors.write_row(u, x_scale / step, dx);
        vectors.write_row(v, y_scale / step, dy);
        place(self.confidence_factor).write_row(&self.confidence, 1.0, confidence);
    }

    /// Pixels of a picture of `size` for the unit of the vectors, along x and y.
    pub(super) fn scale(&self, size: Size) -> [f32; 2] {
        let scale = |picture, frame| self.factor as f32 * (picture as f32 / frame as f32);
        [
            scale(size.width, self.size.width),
            scale(size.height, self.size.height),
        ]
    }
}

/// Cells of `factor` pixels of a frame for each pixel of a picture, of which both have so many.
pub(super) fn ratio(frame: usize, picture: usize, factor: usize) -> f32 {
    frame as f32 / (picture * factor) as f32
}

/// Where a row of places in a picture lies on a grid of cells.
struct Place {
    arch: Arch,
    y: usize,
    /// Pixels of the picture from one place to the next, along x and y.
    step: f32,
    size: Size,
    frame: Size,
    factor: usize,
}

impl Place {
    /// Interpolates a row and scales it.
    fn write_row(&self, grid: &Plane, scale: f32, out: &mut [f32]) {
        let cells = grid.size();
        let ratio = |frame, picture| self.step * ratio(frame, picture, self.factor);
        let at = (self.y as f32 + 0.5) * ratio(self.frame.height, self.size.height) - 0.5;
        let at = at.clamp(0.0, (cells.height - 1) as f32);
        let below = at - at.floor();
        self.arch.dispatch(Interpolate {
            rows: [at as isize, at as isize + 1].map(|y| grid.wide_row(y, 1)),
            weights: [scale * (1.0 - below), scale * below],
            factor: (self.step == 1.0 && self.size.width == self.frame.width)
                .then_some(self.factor),
            ratio: ratio(self.frame.width, self.size.width),
            out,
        });
    }
}

/// Interpolates between two rows of cells, which have a cell more on either side.
struct Interpolate<'a> {
    rows: [&'a [f32]; 2],
    weights: [f32; 2],
    /// Places for each cell, if it is a whole number of them.
    factor: Option<usize>,
    /// Cells from one place to the next.
    ratio: f32,
    out: &'a mut [f32],
}

impl WithSimd for Interpolate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // The most usual ones, for which whole vectors are written.
        match self.factor {
            Some(2) => self.between_centres::<2>(),
            Some(4) => self.between_centres::<4>(),
            Some(8) => self.between_centres::<8>(),
            _ => self.anywhere(),
        }
    }
}

impl Interpolate<'_> {
    #[inline(always)]
    fn cell(&self, i: usize) -> f32 {
        self.weights[0] * self.rows[0][i] + self.weights[1] * self.rows[1][i]
    }

    /// From the centre of each cell to that of the next are `FACTOR` pixels.
    #[inline(always)]
    fn between_centres<const FACTOR: usize>(self) {
        let first = self.cell(1);
        let [weight_above, weight_below] = self.weights;
        let [above, below] = self.rows.map(|row| &row[1..]);
        let (edge, out) = self.out.split_at_mut((FACTOR / 2).min(self.out.len()));
        edge.fill(first);
        let (blocks, last) = out.as_chunks_mut::<FACTOR>();
        let count = blocks.len();
        let (above, below) = (&above[..count + 1], &below[..count + 1]);
        for (i, block) in blocks.iter_mut().enumerate() {
            let left = weight_above * above[i] + weight_below * below[i];
            let right = weight_above * above[i + 1] + weight_below * below[i + 1];
            for (x, out) in block.iter_mut().enumerate() {
                *out = left + (right - left) * ((x as f32 + 0.5) / FACTOR as f32);
            }
        }
        let left = weight_above * above[count] + weight_below * below[count];
        last.fill(left);
    }

    #[inline(always)]
    fn anywhere(self) {
        let most = (self.rows[0].len() - 3) as f32;
        for x in 0..self.out.len() {
            let at = ((x as f32 + 0.5) * self.ratio - 0.5).max(0.0).min(most);
            let i = at as usize + 1;
            let (left, right) = (self.cell(i), self.cell(i + 1));
            self.out[x] = left + (right - left) * (at - at.floor());
        }
    }
}
