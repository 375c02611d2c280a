use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::lines::Lines;
use crate::Size;

/// Values beyond each edge, so that patches may reach out of the picture.
pub(super) const MARGIN: usize = 16;

/// Pixels from which on work is shared between threads; for less, waking them takes longer.
const WORTH_SHARING: usize = 4096;

/// One value a pixel, with a margin around the picture.
///
/// Rows are as far apart as is needed for both margins and a whole number of vectors.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    size: Size,
    stride: usize,
    values: Lines,
}

impl Plane {
    pub(super) fn zeros(size: Size) -> Self {
        let stride = (size.width + 2 * MARGIN).next_multiple_of(16);
        Self {
            size,
            stride,
            values: Lines::zeros(stride * (size.height + 2 * MARGIN)),
        }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Values from one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// All values, margins included.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Where the pixel at column `x` and row `y` lies; both may reach into the margin.
    #[inline(always)]
    pub(super) fn index(&self, x: isize, y: isize) -> usize {
        let margin = MARGIN as isize;
        ((y + margin) * self.stride as isize + x + margin) as usize
    }

    /// The pixel at column `x` and row `y`, to be written.
    #[inline(always)]
    pub(super) fn pixel_mut(&mut self, x: usize, y: usize) -> &mut f32 {
        let index = self.index(x as isize, y as isize);
        &mut self.values[index]
    }

    /// The W values of row `y`, which may lie in the margin.
    #[inline(always)]
    pub(super) fn row(&self, y: isize) -> &[f32] {
        &self.values[self.index(0, y)..][..self.size.width]
    }

    /// Row `y` from `margin` columns left of the picture to as many right of it.
    #[inline(always)]
    pub(super) fn wide_row(&self, y: isize, margin: usize) -> &[f32] {
        let start = self.index(-(margin as isize), y);
        &self.values[start..][..self.size.width + 2 * margin]
    }

    /// The rows of the picture, up to `rows` at a time, for one thread each; so few of them that
    /// it is not worth waking another thread stay together.
    pub(super) fn bands_mut(
        &mut self,
        rows: usize,
    ) -> impl IndexedParallelIterator<Item = Band<'_>> {
        let Self { size, stride, .. } = *self;
        self.values[MARGIN * stride..][..size.height * stride]
            .par_chunks_mut(rows * stride)
            .map(move |values| Band {
                width: size.width,
                stride,
                values,
            })
    }

    /// Repeats the edges of the picture in the margins.
    pub(super) fn fill_margins(&mut self) {
        let Self {
            size,
            stride,
            values,
        } = self;
        let rows = MARGIN * *stride..(MARGIN + size.height) * *stride;
        for row in values[rows.clone()].chunks_exact_mut(*stride) {
            let (first, last) = (row[MARGIN], row[MARGIN + size.width - 1]);
            row[..MARGIN].fill(first);
            row[MARGIN + size.width..].fill(last);
        }
        let last = rows.end - *stride;
        for margin in 0..MARGIN {
            values.copy_within(rows.start..rows.start + *stride, margin * *stride);
            values.copy_within(last..rows.end, rows.end + margin * *stride);
        }
    }
}

/// Bands of `rows` rows that one thread is given at least.
pub(super) fn least_bands(size: Size, rows: usize) -> usize {
    if size.pixels() < WORTH_SHARING {
        usize::MAX
    } else {
        (WORTH_SHARING / 4).div_ceil(rows * size.width)
    }
}

/// Some rows of a [`Plane`], to be written.
pub(super) struct Band<'a> {
    width: usize,
    stride: usize,
    values: &'a mut [f32],
}

impl Band<'_> {
    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.stride
    }

    /// The W values of the band's row `y`.
    #[inline(always)]
    pub(super) fn row(&mut self, y: usize) -> &mut [f32] {
        &mut self.values[y * self.stride + MARGIN..][..self.width]
    }
}
