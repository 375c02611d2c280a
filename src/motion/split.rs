use rayon::iter::IndexedParallelIterator;
use rayon::slice::{ParallelSlice, ParallelSliceMut};

use super::lines::Lines;
use crate::Size;

/// Values before and after the columns of a half row.
const PAD: usize = 16;

/// One value a pixel, with the even columns of each row before the odd ones.
///
/// ```text
/// row -1 | even columns | odd columns |
/// row  0 | even columns | odd columns |     each: | 16 | ceil(W / 2) | to a multiple of 16, 16 |
///  ...
/// row  H | even columns | odd columns |
/// ```
///
/// Where pixels are updated in two colours like those of a chessboard, the ones of one colour in a
/// row lie side by side, and so do their neighbours.
#[derive(Clone, Debug)]
pub(super) struct Split {
    layout: Layout,
    values: Lines,
}

/// Where things lie in the rows of a [`Split`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) width: usize,
    /// Columns in half a row; the last odd one is none of the picture's where the width is odd.
    pub(super) half: usize,
    /// Values in half a row.
    stride: usize,
}

impl Layout {
    pub(super) fn new(width: usize) -> Self {
        let half = width.div_ceil(2);
        Self {
            width,
            half,
            stride: PAD + half.next_multiple_of(16) + PAD,
        }
    }

    /// Values in a row.
    pub(super) fn row_len(self) -> usize {
        2 * self.stride
    }

    /// Where the columns of a parity begin in a row.
    pub(super) fn columns(self, parity: usize) -> usize {
        parity * self.stride + PAD
    }
}

impl Split {
    pub(super) fn zeros(size: Size) -> Self {
        Self::rows(Layout::new(size.width), size.height)
    }

    /// `rows` rows, and one above and below them.
    pub(super) fn rows(layout: Layout, rows: usize) -> Self {
        Self {
            layout,
            values: Lines::zeros(layout.row_len() * (rows + 2)),
        }
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// Rows of the picture.
    pub(super) fn height(&self) -> usize {
        self.values.len() / self.layout.row_len() - 2
    }

    /// Row `y`, from -1 to H.
    #[inline(always)]
    pub(super) fn row(&self, y: isize) -> &[f32] {
        let length = self.layout.row_len();
        &self.values[(y + 1) as usize * length..][..length]
    }

    /// Row `y`, from -1 to H.
    #[inline(always)]
    pub(super) fn row_mut(&mut self, y: isize) -> &mut [f32] {
        let length = self.layout.row_len();
        &mut self.values[(y + 1) as usize * length..][..length]
    }

    /// The rows of the picture, up to `rows` at a time.
    pub(super) fn bands(&self, rows: usize) -> impl IndexedParallelIterator<Item = &[f32]> {
        let length = self.layout.row_len();
        self.values[length..self.values.len() - length].par_chunks(rows * length)
    }

    /// The rows of the picture, up to `rows` at a time.
    pub(super) fn bands_mut(
        &mut self,
        rows: usize,
    ) -> impl IndexedParallelIterator<Item = &mut [f32]> {
        let length = self.layout.row_len();
        let end = self.values.len() - length;
        self.values[length..end].par_chunks_mut(rows * length)
    }

    /// Repeats the edges of the picture above and below it.
    pub(super) fn repeat_rows(&mut self) {
        let length = self.layout.row_len();
        let end = self.values.len();
        self.values.copy_within(length..2 * length, 0);
        self.values
            .copy_within(end - 2 * length..end - length, end - length);
    }
}

/// Splits a row of W values.
#[inline(always)]
pub(super) fn split(layout: Layout, row: &[f32], out: &mut [f32]) {
    let (even, odd) = out.split_at_mut(layout.stride);
    split_part(
        row,
        &mut even[PAD..][..layout.half],
        &mut odd[PAD..][..layout.half],
    );
}

/// Splits a piece of a row that begins at an even column.
#[inline(always)]
pub(super) fn split_part(row: &[f32], even: &mut [f32], odd: &mut [f32]) {
    let (pairs, last) = row.as_chunks::<2>();
    for ((pair, even), odd) in pairs.iter().zip(&mut *even).zip(odd) {
        *even = pair[0];
        *odd = pair[1];
    }
    if let [last] = last {
        even[pairs.len()] = *last;
    }
}

/// Puts a split row together.
#[inline(always)]
pub(super) fn merge(layout: Layout, row: &[f32], out: &mut [f32]) {
    let (even, odd) = row.split_at(layout.stride);
    let (even, odd) = (&even[PAD..][..layout.half], &odd[PAD..][..layout.half]);
    let (pairs, last) = out.as_chunks_mut::<2>();
    for ((pair, even), odd) in pairs.iter_mut().zip(even).zip(odd) {
        *pair = [*even, *odd];
    }
    if let [last] = last {
        *last = even[layout.half - 1];
    }
}

/// Repeats the first and the last column of a row beyond the picture.
#[inline(always)]
pub(super) fn repeat_columns(layout: Layout, row: &mut [f32]) {
    let [even, odd] = [layout.columns(0), layout.columns(1)];
    row[odd - 1] = row[even];
    if layout.width.is_multiple_of(2) {
        row[even + layout.half] = row[odd + layout.half - 1];
    } else {
        row[odd + layout.half - 1] = row[even + layout.half - 1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_are_repeated() {
        for width in [1, 2, 3, 8, 15, 16, 17] {
            let layout = Layout::new(width);
            let values: Vec<f32> = (1..=width).map(|x| x as f32).collect();
            let mut row = vec![f32::NAN; layout.row_len()];
            split(layout, &values, &mut row);
            repeat_columns(layout, &mut row);
            let at = |x: isize| {
                let parity = x.rem_euclid(2);
                let column = (x - parity) / 2;
                row[(layout.columns(parity as usize) as isize + column) as usize]
            };
            for x in -1..=width as isize {
                let expected = values[x.clamp(0, width as isize - 1) as usize];
                assert_eq!(at(x), expected, "width {width}, column {x}");
            }
            let mut merged = vec![0.0; width];
            merge(layout, &row, &mut merged);
            assert_eq!(merged, values);
        }
    }
}
