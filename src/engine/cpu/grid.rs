//! How channels lie in memory.

use bytemuck::{Pod, Zeroable};

use crate::Size;
use crate::model::Border;

/// Columns beyond either edge of a row. Wide enough for the widest blur and for the vector that
/// reaches over the right edge; a multiple of the widest vector keeps rows aligned.
pub(super) const HALO: usize = 16;

const _: () = assert!(crate::model::Blur::MAX_SIZE / 2 < HALO);

/// A cache line of values; memory made of it is aligned to one.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; 16]);

impl Line {
    /// Zeroed memory for at least `values` values.
    pub(super) fn zeros(values: usize) -> Vec<Self> {
        vec![Self::zeroed(); values.div_ceil(16)]
    }
}

/// Some channels of the state.
///
/// ```text
/// row 0 | channel 0 | halo 16 | W values | to a multiple of 16, halo 16 |
///       | channel 1 | ...
/// row 1 | channel 0 | ...
/// ```
///
/// The halos repeat what the border says lies beyond the edges, so that no inner loop wraps an
/// index. Rows above the first and below the last are found by [`Grid::beyond`].
pub(super) struct Grid {
    channels: usize,
    size: Size,
    border: Border,
    /// Values from one channel of a row to the next.
    stride: usize,
    lines: Vec<Line>,
}

impl Grid {
    pub(super) fn zeros(channels: usize, size: Size, border: Border) -> Self {
        let stride = HALO + size.width.next_multiple_of(16) + HALO;
        Self {
            channels,
            size,
            border,
            stride,
            // And a line, for vectors that reach over the last halo.
            lines: Line::zeros(channels * stride * size.height + 16),
        }
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn border(&self) -> Border {
        self.border
    }

    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Values of one row: all of its channels.
    pub(super) fn row_len(&self) -> usize {
        self.channels * self.stride
    }

    /// All rows, and a line.
    pub(super) fn values(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }

    /// All channels of row `y`.
    pub(super) fn row(&self, y: usize) -> &[f32] {
        &self.values()[y * self.row_len()..][..self.row_len()]
    }

    /// All channels of the row at `y`, which may lie beyond the picture.
    pub(super) fn beyond(&self, y: isize) -> &[f32] {
        let height = self.size.height as isize;
        self.row(match self.border {
            Border::Circular => y.rem_euclid(height) as usize,
            Border::Replicate => y.clamp(0, height - 1) as usize,
        })
    }

    /// The W values of one channel of row `y`.
    pub(super) fn pixels(&self, y: usize, channel: usize) -> &[f32] {
        &self.row(y)[channel * self.stride + HALO..][..self.size.width]
    }
}

/// Fills the halos of one channel of one row of `width` pixels.
#[inline(always)]
pub(super) fn fill_halo(channel: &mut [f32], width: usize, border: Border) {
    match border {
        Border::Circular if width >= HALO => {
            channel.copy_within(width..width + HALO, 0);
            channel.copy_within(HALO..2 * HALO, HALO + width);
        }
        Border::Circular => {
            for i in 0..HALO {
                channel[HALO + width + i] = channel[HALO + i % width];
            }
            for i in 1..=HALO {
                channel[HALO - i] = channel[HALO + width - 1 - (i - 1) % width];
            }
        }
        Border::Replicate => {
            let (first, last) = (channel[HALO], channel[HALO + width - 1]);
            channel[..HALO].fill(first);
            channel[HALO + width..][..HALO].fill(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halos_repeat_what_lies_beyond() {
        for width in [1, 2, 5, 15, 16, 17, 40] {
            for border in [Border::Circular, Border::Replicate] {
                let grid = Grid::zeros(1, Size::new(width, 1), border);
                let mut channel = vec![f32::NAN; grid.stride()];
                for x in 0..width {
                    channel[HALO + x] = x as f32;
                }
                fill_halo(&mut channel, width, border);
                for x in -(HALO as isize)..(width + HALO) as isize {
                    let expected = match border {
                        Border::Circular => x.rem_euclid(width as isize),
                        Border::Replicate => x.clamp(0, width as isize - 1),
                    };
                    assert_eq!(
                        channel[(HALO as isize + x) as usize],
                        expected as f32,
                        "width {width}, {border:?}, x {x}"
                    );
                }
            }
        }
    }
}
