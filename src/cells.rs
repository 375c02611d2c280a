//! How the cells of a state lie on a picture, and the picture as they see it.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::Size;
use crate::frame::{Frame, vectorized};
use crate::model::{Architecture, Source};

/// Cells along one axis of a picture: from its first pixel on, as many as it takes to cover it. What
/// lies beyond the last pixel repeats it.
#[derive(Debug)]
pub(crate) struct Axis {
    /// Pixels along the side of a cell; at least 1, not always a whole number.
    k: f64,
    /// Pixels of the picture.
    length: usize,
    /// Cells.
    count: usize,
}

impl Axis {
    fn new(length: usize, k: f64) -> Self {
        let count = (length as f64 / k).ceil() as usize;
        Self { k, length, count }
    }

    /// Where a place, in pixels from the edge of the picture, lies among the centres of the cells, no
    /// further out than these: the cell before it, and how far it is on the way to the next, in [0, 1].
    pub(crate) fn place(&self, at: f64) -> (usize, f32) {
        let last = self.count - 1;
        let at = (at / self.k - 0.5).clamp(0.0, last as f64);
        let before = (at as usize).min(last.saturating_sub(1));
        (before, (at - before as f64) as f32)
    }

    /// The centre of a cell, in pixels from the edge of the picture.
    pub(crate) fn centre(&self, cell: usize) -> f64 {
        (cell as f64 + 0.5) * self.k
    }

    /// The first pixel that a cell covers, and which share of the cell it and those after it are.
    fn covered(&self, cell: usize) -> (usize, Vec<f32>) {
        let (start, end) = (cell as f64 * self.k, (cell + 1) as f64 * self.k);
        let last = self.length - 1;
        let first = (start as usize).min(last);
        let mut shares = vec![0.0; (end.ceil() as usize).min(self.length) - first];
        for pixel in start as usize..end.ceil() as usize {
            let shared = end.min((pixel + 1) as f64) - start.max(pixel as f64);
            shares[pixel.min(last) - first] += (shared / self.k) as f32;
        }
        (first, shares)
    }
}

/// The cells of a picture.
#[derive(Debug)]
pub(crate) struct CellGrid {
    picture: Size,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl CellGrid {
    /// The cells of a model on a picture, with strokes of `stroke` times their usual size.
    pub(crate) fn new(architecture: &Architecture, picture: Size, stroke: f32) -> Self {
        let k = (architecture.cell as f64 * f64::from(stroke)).max(1.0);
        Self {
            picture,
            x: Axis::new(picture.width, k),
            y: Axis::new(picture.height, k),
        }
    }

    /// Width and height of the picture, in pixels.
    pub(crate) fn picture(&self) -> Size {
        self.picture
    }

    /// Columns and rows of cells.
    pub(crate) fn cells(&self) -> Size {
        Size::new(self.x.count, self.y.count)
    }

    /// Pixels along the side of a cell.
    pub(crate) fn cell_size(&self) -> f64 {
        self.x.k
    }
}

/// Values that are averaged over a cell for the structure tensor.
const TENSOR: usize = 3;

/// Computes the frozen channels of cells: what they see of a frame.
#[derive(Debug)]
pub(crate) struct CellSource {
    /// Values that are averaged over a cell: its colours, and those of the structure tensor.
    averaged: usize,
    cells: Size,
    /// The pixels that each column of cells covers, and each row.
    columns: Vec<(usize, Vec<f32>)>,
    rows: Vec<(usize, Vec<f32>)>,
    /// The averages, row after row of each value.
    averages: Vec<f32>,
}

impl CellSource {
    /// The channels of `source`, for cells that lie so on a picture.
    pub(crate) fn new(source: Source, grid: &CellGrid) -> Self {
        let averaged = match source {
            Source::RgbStructureTensor => 3 + TENSOR,
            Source::Rgb | Source::ShiftShuffle => 3,
        };
        let covered = |axis: &Axis| (0..axis.count).map(|cell| axis.covered(cell)).collect();
        Self {
            averaged,
            cells: grid.cells(),
            columns: covered(&grid.x),
            rows: covered(&grid.y),
            averages: vec![0.0; averaged * grid.cells().pixels()],
        }
    }

    /// Looks at a frame, whose size must be that of the picture, in parallel.
    pub(crate) fn look(&mut self, frame: &Frame<'_>) {
        let Self {
            averaged,
            cells,
            columns,
            rows,
            averages,
        } = self;
        averages
            .par_chunks_exact_mut(*averaged * cells.width)
            .zip(rows)
            .for_each_init(
                || Sums::new(*averaged, frame.size().width),
                |sums, (averages, (first, shares))| {
                    sums.start(*first);
                    for (y, share) in (*first..).zip(&*shares) {
                        vectorized(
                            #[inline(always)]
                            || sums.add(frame, y, *share),
                        );
                    }
                    sums.write(columns, averages);
                },
            );
    }

    /// Writes row `y` of a frozen channel.
    pub(crate) fn write_row(&self, y: usize, channel: usize, values: &mut [f32]) {
        if channel < 3 {
            values.copy_from_slice(self.row(y, channel));
            return;
        }
        // The mean of the cell and its eight neighbours.
        let Size { width, height } = self.cells;
        let rows = [y.saturating_sub(1), y, (y + 1).min(height - 1)];
        let mean = |value: usize, x: usize| {
            let columns = [x.saturating_sub(1), x, (x + 1).min(width - 1)];
            let sum: f32 = rows
                .map(|y| {
                    let row = self.row(y, 3 + value);
                    columns.map(|x| row[x]).iter().sum::<f32>()
                })
                .iter()
                .sum();
            sum / 9.0
        };
        for (x, out) in values.iter_mut().enumerate() {
            let strength = mean(2, x);
            *out = match channel - 3 {
                2 => strength.max(1e-8).sqrt().min(1.0) - 0.5,
                direction => mean(direction, x) / (strength + 2e-3) * 0.5,
            };
        }
    }

    /// The averages of one value over the cells of row `y`.
    fn row(&self, y: usize, value: usize) -> &[f32] {
        let width = self.cells.width;
        &self.averages[(y * self.averaged + value) * width..][..width]
    }
}

/// Weighted sums of rows of pixels.
struct Sums {
    width: usize,
    /// For each value a row.
    sums: Vec<f32>,
    /// A row of one colour.
    colour: Vec<f32>,
    /// Four times grey of three rows, with a pixel more at either end; empty without structure tensor.
    grey: [Vec<f32>; 3],
    /// The row of pixels that is in the middle of them.
    middle: Option<usize>,
}

impl Sums {
    fn new(averaged: usize, width: usize) -> Self {
        let grey = || match averaged {
            3 => Vec::new(),
            _ => vec![0.0; width + 2],
        };
        Self {
            width,
            sums: vec![0.0; averaged * width],
            colour: vec![0.0; width],
            grey: [grey(), grey(), grey()],
            middle: None,
        }
    }

    /// Begins with the row `y`.
    fn start(&mut self, y: usize) {
        self.sums.fill(0.0);
        // Mostly the last one's last, or the one after it.
        self.middle = self.middle.filter(|&middle| middle == y || middle + 1 == y);
    }

    /// Adds row `y`, which is the one after the last.
    #[inline(always)]
    fn add(&mut self, frame: &Frame<'_>, y: usize, share: f32) {
        let row = frame.row(y);
        for (colour, sums) in self.sums.chunks_exact_mut(self.width).take(3).enumerate() {
            row.write_values(colour, &mut self.colour);
            add(sums, &self.colour, share);
        }
        if !self.grey[0].is_empty() {
            self.add_tensor(frame, y, share);
        }
    }

    /// Adds what the edges of row `y` do: with the gradient (gx, gy) of grey, by Sobel's filters with
    /// the edge repeated, gx² - gy², 2 gx gy and gx² + gy².
    #[inline(always)]
    fn add_tensor(&mut self, frame: &Frame<'_>, y: usize, share: f32) {
        let last = frame.size().height - 1;
        match self.middle {
            Some(middle) if middle == y => {}
            Some(middle) if middle + 1 == y => {
                self.grey.rotate_left(1);
                write_grey(frame, (y + 1).min(last), &mut self.grey[2]);
            }
            _ => {
                let rows = [y.saturating_sub(1), y, (y + 1).min(last)];
                for (y, grey) in rows.into_iter().zip(&mut self.grey) {
                    write_grey(frame, y, grey);
                }
            }
        }
        self.middle = Some(y);
        let [above, at, below] = self.grey.each_ref().map(|row| &row[..self.width + 2]);
        let (difference, rest) = self.sums[3 * self.width..].split_at_mut(self.width);
        let (product, sum) = rest.split_at_mut(self.width);
        let difference = &mut difference[..self.width];
        let (product, sum) = (&mut product[..self.width], &mut sum[..self.width]);
        for x in 0..self.width {
            let gx =
                (above[x + 2] - above[x]) + 2.0 * (at[x + 2] - at[x]) + (below[x + 2] - below[x]);
            let gy = (below[x] - above[x])
                + 2.0 * (below[x + 1] - above[x + 1])
                + (below[x + 2] - above[x + 2]);
            let (gx, gy) = (gx * 0.125, gy * 0.125);
            difference[x] += share * (gx * gx - gy * gy);
            product[x] += share * (2.0 * gx * gy);
            sum[x] += share * (gx * gx + gy * gy);
        }
    }

    /// Writes the sums over the columns of cells, a row of them for each value.
    fn write(&self, columns: &[(usize, Vec<f32>)], averages: &mut [f32]) {
        let rows = averages.chunks_exact_mut(columns.len());
        for (sums, averages) in self.sums.chunks_exact(self.width).zip(rows) {
            for (average, (first, shares)) in averages.iter_mut().zip(columns) {
                let pixels = sums[*first..].iter().zip(shares);
                *average = pixels.map(|(pixel, share)| pixel * share).sum();
            }
        }
    }
}

#[inline(always)]
fn add(sums: &mut [f32], values: &[f32], share: f32) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += share * value;
    }
}

/// Writes four times the mean of red, green and blue of a row, with the first and the last pixel twice.
#[inline(always)]
fn write_grey(frame: &Frame<'_>, y: usize, grey: &mut [f32]) {
    let row = frame.row(y);
    let width = row.width;
    for (x, grey) in grey[1..=width].iter_mut().enumerate() {
        let sum: u16 = row.samples.iter().map(|c| u16::from(c[x * row.step])).sum();
        *grey = f32::from(sum) * (4.0 / (3.0 * 255.0));
    }
    grey[0] = grey[1];
    grey[width + 1] = grey[width];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cover_all_pixels_and_the_last_goes_on() {
        for (length, k) in [
            (1, 1.0),
            (1, 32.0),
            (7, 1.0),
            (33, 2.0),
            (61, 4.4),
            (19, 1.4),
        ] {
            let axis = Axis::new(length, k);
            assert!(axis.count as f64 * k >= length as f64);
            assert!((axis.count - 1) as f64 * k < length as f64);
            let mut covered = vec![0.0; length];
            for cell in 0..axis.count {
                let (first, shares) = axis.covered(cell);
                let sum: f32 = shares.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{length}, {k}: {sum}");
                for (pixel, share) in (first..).zip(shares) {
                    covered[pixel] += share * k as f32;
                }
            }
            let (last, others) = covered.split_last().unwrap();
            assert!(others.iter().all(|share| (share - 1.0).abs() < 1e-5));
            let beyond = axis.count as f64 * k - length as f64;
            assert!((last - 1.0 - beyond as f32).abs() < 1e-4, "{length}, {k}");
        }
    }

    #[test]
    fn pixels_lie_between_the_centres_of_cells() {
        let axis = Axis::new(10, 4.0);
        assert_eq!(axis.count, 3);
        let places: Vec<_> = (0..10)
            .map(|pixel| axis.place(f64::from(pixel) + 0.5))
            .collect();
        let expected = [
            0.0, 0.0, 0.125, 0.375, 0.625, 0.875, 1.125, 1.375, 1.625, 1.875,
        ];
        for ((before, on), expected) in places.into_iter().zip(expected) {
            assert_eq!(before as f32 + on, expected);
        }
        let one = Axis::new(3, 4.0);
        assert_eq!([0.5, 1.5, 2.5].map(|at| one.place(at)), [(0, 0.0); 3]);
    }
}
