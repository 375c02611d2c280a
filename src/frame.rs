//! Views of 8-bit RGB frames in memory that belongs to somebody else.
//!
//! Rows may be padded, pixels packed in any order of red, green, blue and a fourth byte that is
//! never touched, or the three colours may lie in planes of their own.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::Size;

/// Where the colours lie in a packed pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Bytes from one pixel to the next.
    pub step: usize,
    /// Offsets of red, green and blue within the pixel.
    pub rgb: [usize; 3],
}

impl Packing {
    /// Three bytes: red, green, blue.
    pub const RGB: Self = Self::new(3, [0, 1, 2]);

    /// A packing of `step` bytes a pixel with red, green and blue at the offsets `rgb`.
    pub const fn new(step: usize, rgb: [usize; 3]) -> Self {
        Self { step, rgb }
    }
}

/// A frame's memory is too small for its size: bytes needed, bytes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the frame needs {needed} bytes of memory and has {found}")]
pub struct FrameTooShort {
    /// Bytes from the first to the last sample.
    pub needed: usize,
    /// Bytes there.
    pub found: usize,
}

/// A frame to read.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    size: Size,
    /// Red, green, blue, each from its first sample on.
    planes: [&'a [u8]; 3],
    strides: [usize; 3],
    step: usize,
}

/// One row of a [`Frame`].
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Red, green, blue, each from its first sample on.
    pub samples: [&'a [u8]; 3],
    /// Bytes from one pixel to the next.
    pub step: usize,
    /// Pixels in the row.
    pub width: usize,
}

impl<'a> Frame<'a> {
    /// A frame of packed pixels whose rows begin every `stride` bytes.
    pub fn packed(
        data: &'a [u8],
        stride: usize,
        size: Size,
        packing: Packing,
    ) -> Result<Self, FrameTooShort> {
        check(data, stride, size, packing.step)?;
        Ok(Self {
            size,
            planes: packing.rgb.map(|offset| &data[offset.min(data.len())..]),
            strides: [stride; 3],
            step: packing.step,
        })
    }

    /// A frame of red, green and blue planes whose rows begin every `strides` bytes.
    pub fn planar(
        planes: [&'a [u8]; 3],
        strides: [usize; 3],
        size: Size,
    ) -> Result<Self, FrameTooShort> {
        for (plane, stride) in planes.iter().zip(strides) {
            check(plane, stride, size, 1)?;
        }
        Ok(Self {
            size,
            planes,
            strides,
            step: 1,
        })
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Row `y`, from the top.
    pub fn row(&self, y: usize) -> Row<'a> {
        Row {
            samples: std::array::from_fn(|c| &self.planes[c][y * self.strides[c]..]),
            step: self.step,
            width: self.size.width,
        }
    }
}

impl Frame<'_> {
    /// Writes the frame as packed RGB without padding, in parallel.
    pub fn copy_to_rgb(&self, pixels: &mut [u8]) {
        pixels
            .par_chunks_exact_mut(3 * self.size.width.max(1))
            .take(self.size.height)
            .enumerate()
            .for_each(|(y, pixels)| {
                let row = self.row(y);
                for (x, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                    *pixel = row.samples.map(|samples| samples[x * row.step]);
                }
            });
    }
}

impl Row<'_> {
    /// Writes the samples of one colour as values in [-0.5, 0.5].
    pub fn write_values(&self, colour: usize, values: &mut [f32]) {
        // Known distances let the compiler load whole vectors.
        match self.step {
            1 => self.write_stepped::<1>(colour, values),
            3 => self.write_stepped::<3>(colour, values),
            4 => self.write_stepped::<4>(colour, values),
            _ => {
                let samples = self.samples[colour].iter().step_by(self.step);
                for (value, &sample) in values[..self.width].iter_mut().zip(samples) {
                    *value = value_of(sample);
                }
            }
        }
    }

    #[inline]
    fn write_stepped<const STEP: usize>(&self, colour: usize, values: &mut [f32]) {
        let values = &mut values[..self.width];
        if values.is_empty() {
            return;
        }
        let samples = &self.samples[colour][..(self.width - 1) * STEP + 1];
        for (x, value) in values.iter_mut().enumerate() {
            *value = value_of(samples[x * STEP]);
        }
    }
}

/// A sample as the automaton's value, in [-0.5, 0.5].
#[inline]
fn value_of(sample: u8) -> f32 {
    f32::from(sample) * (1.0 / 255.0) - 0.5
}

/// A frame to read and write.
#[derive(Debug)]
pub struct FrameMut<'a> {
    size: Size,
    planes: PlanesMut<'a>,
}

#[derive(Debug)]
enum PlanesMut<'a> {
    Packed {
        data: &'a mut [u8],
        stride: usize,
        packing: Packing,
    },
    Planar {
        planes: [&'a mut [u8]; 3],
        strides: [usize; 3],
    },
}

/// One row of a [`FrameMut`].
#[derive(Debug)]
pub enum RowMut<'a> {
    /// Packed pixels.
    Packed(&'a mut [u8], Packing),
    /// Red, green and blue samples.
    Planar([&'a mut [u8]; 3]),
}

impl<'a> FrameMut<'a> {
    /// A frame of packed pixels whose rows begin every `stride` bytes.
    pub fn packed(
        data: &'a mut [u8],
        stride: usize,
        size: Size,
        packing: Packing,
    ) -> Result<Self, FrameTooShort> {
        check(data, stride, size, packing.step)?;
        Ok(Self {
            size,
            planes: PlanesMut::Packed {
                data,
                stride,
                packing,
            },
        })
    }

    /// A frame of red, green and blue planes whose rows begin every `strides` bytes.
    pub fn planar(
        planes: [&'a mut [u8]; 3],
        strides: [usize; 3],
        size: Size,
    ) -> Result<Self, FrameTooShort> {
        for (plane, stride) in planes.iter().zip(strides) {
            check(plane, stride, size, 1)?;
        }
        Ok(Self {
            size,
            planes: PlanesMut::Planar { planes, strides },
        })
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The same frame, to read.
    pub fn as_frame(&self) -> Frame<'_> {
        let (planes, strides, step) = match &self.planes {
            PlanesMut::Packed {
                data,
                stride,
                packing,
            } => (
                packing.rgb.map(|offset| &data[offset.min(data.len())..]),
                [*stride; 3],
                packing.step,
            ),
            PlanesMut::Planar { planes, strides } => {
                (planes.each_ref().map(|plane| &**plane), *strides, 1)
            }
        };
        Frame {
            size: self.size,
            planes,
            strides,
            step,
        }
    }

    /// Calls `f` with every row's number and the row, in parallel.
    pub fn for_each_row(&mut self, f: impl Fn(usize, RowMut<'_>) + Send + Sync) {
        let Size { width, height } = self.size;
        match &mut self.planes {
            PlanesMut::Packed {
                data,
                stride,
                packing,
            } => data
                .par_chunks_mut(*stride)
                .take(height)
                .enumerate()
                .for_each(|(y, row)| {
                    f(
                        y,
                        RowMut::Packed(&mut row[..width * packing.step], *packing),
                    );
                }),
            PlanesMut::Planar { planes, strides } => {
                let [red, green, blue] = planes;
                let rows = (
                    red.par_chunks_mut(strides[0]),
                    green.par_chunks_mut(strides[1]),
                    blue.par_chunks_mut(strides[2]),
                );
                rows.into_par_iter()
                    .take(height)
                    .enumerate()
                    .for_each(|(y, (r, g, b))| {
                        f(
                            y,
                            RowMut::Planar([&mut r[..width], &mut g[..width], &mut b[..width]]),
                        );
                    });
            }
        }
    }
}

impl FrameMut<'_> {
    /// Mixes a picture of the same size into the frame, in parallel.
    ///
    /// `picture` gives red, green and blue of a row as values in [-0.5, 0.5]; what lies outside
    /// is clamped. A `strength` of 1 replaces the frame's colours, 0 leaves them.
    pub fn mix_values<'v>(
        &mut self,
        strength: f32,
        picture: impl Fn(usize) -> [&'v [f32]; 3] + Send + Sync,
    ) {
        self.for_each_row(|y, row| {
            let picture = picture(y);
            row.mix(strength, |colour, x| {
                (picture[colour][x].clamp(-0.5, 0.5) + 0.5) * 255.0
            });
        });
    }

    /// Mixes a picture of the same size into the frame, in parallel.
    ///
    /// A `strength` of 1 replaces the frame's colours, 0 leaves them.
    pub fn mix_frame(&mut self, strength: f32, picture: &Frame<'_>) {
        self.for_each_row(|y, row| {
            let picture = picture.row(y);
            row.mix(strength, |colour, x| {
                f32::from(picture.samples[colour][x * picture.step])
            });
        });
    }
}

impl RowMut<'_> {
    /// Mixes `picture`, which gives samples in [0, 255] by colour and column, into the row.
    #[inline]
    fn mix(self, strength: f32, picture: impl Fn(usize, usize) -> f32) {
        let mix = |sample: &mut u8, colour, x| {
            let old = f32::from(*sample);
            *sample = (old + (picture(colour, x) - old) * strength + 0.5) as u8;
        };
        match self {
            Self::Packed(pixels, Packing { step, rgb }) => {
                for (x, pixel) in pixels.chunks_exact_mut(step).enumerate() {
                    for (colour, &offset) in rgb.iter().enumerate() {
                        mix(&mut pixel[offset], colour, x);
                    }
                }
            }
            Self::Planar(planes) => {
                for (colour, samples) in planes.into_iter().enumerate() {
                    for (x, sample) in samples.iter_mut().enumerate() {
                        mix(sample, colour, x);
                    }
                }
            }
        }
    }
}

/// Checks that `data` holds all of a frame's rows; the last one may lack its padding.
fn check(data: &[u8], stride: usize, size: Size, step: usize) -> Result<(), FrameTooShort> {
    let row = size.width.saturating_mul(step);
    let needed = if size.pixels() == 0 {
        0
    } else {
        stride
            .max(row)
            .saturating_mul(size.height - 1)
            .saturating_add(row)
    };
    if data.len() < needed || (stride < row && size.height > 1) {
        return Err(FrameTooShort {
            needed,
            found: data.len(),
        });
    }
    Ok(())
}
