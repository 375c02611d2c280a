//! Views of 8-bit RGB frames in memory that belongs to somebody else.
//!
//! Rows may be padded, pixels packed in any order of red, green, blue and a fourth byte that is
//! never touched, or the three colours may lie in planes of their own.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::{OutOfRange, Size};

/// Where the colours lie in a packed pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    step: usize,
    rgb: [usize; 3],
}

impl Packing {
    /// Three bytes: red, green, blue.
    pub const RGB: Self = Self {
        step: 3,
        rgb: [0, 1, 2],
    };
    /// Four bytes: red, green, blue, and one that is not touched.
    pub const RGBA: Self = Self {
        step: 4,
        rgb: [0, 1, 2],
    };

    /// A packing of `step` bytes a pixel with red, green and blue at the offsets `rgb`.
    ///
    /// # Errors
    /// When a colour would lie beyond the pixel, or two of them at the same place.
    ///
    /// ```
    /// use nca::frame::Packing;
    ///
    /// let bgra = Packing::new(4, [2, 1, 0])?;
    /// assert!(Packing::new(3, [1, 2, 3]).is_err());
    /// # Ok::<(), nca::OutOfRange>(())
    /// ```
    pub fn new(step: usize, rgb: [usize; 3]) -> Result<Self, OutOfRange> {
        let [red, green, blue] = rgb;
        let are_apart = red != green && green != blue && blue != red;
        if are_apart && rgb.iter().all(|offset| *offset < step) {
            return Ok(Self { step, rgb });
        }
        let needed = format!("a set of three different offsets below {step}");
        Err(OutOfRange::new("rgb", format!("{rgb:?}"), needed))
    }
}

/// Why memory is no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The memory ends before the frame does.
    #[error("the frame needs {needed} bytes of memory and has {found}")]
    TooShort {
        /// Bytes from the first to the last sample.
        needed: usize,
        /// Bytes there.
        found: usize,
    },
    /// A row begins before the last one has ended.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
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
pub(crate) struct Row<'a> {
    /// Red, green, blue, each from its first sample on.
    pub(crate) samples: [&'a [u8]; 3],
    /// Bytes from one pixel to the next.
    pub(crate) step: usize,
    /// Pixels in the row.
    pub(crate) width: usize,
}

impl<'a> Frame<'a> {
    /// A frame of packed pixels whose rows begin every `stride` bytes, the first with the memory.
    ///
    /// # Errors
    /// When the memory is too short, or the stride shorter than a row.
    pub fn packed(
        data: &'a [u8],
        stride: usize,
        size: Size,
        packing: Packing,
    ) -> Result<Self, FrameError> {
        check(data, stride, size, packing.step)?;
        Ok(Self {
            size,
            planes: packing.rgb.map(|offset| &data[offset.min(data.len())..]),
            strides: [stride; 3],
            step: packing.step,
        })
    }

    /// A frame of red, green and blue planes whose rows begin every `strides` bytes.
    ///
    /// # Errors
    /// When one of them is too short, or a stride shorter than a row.
    pub fn planar(
        planes: [&'a [u8]; 3],
        strides: [usize; 3],
        size: Size,
    ) -> Result<Self, FrameError> {
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
    pub(crate) fn row(&self, y: usize) -> Row<'a> {
        Row {
            samples: std::array::from_fn(|c| &self.planes[c][y * self.strides[c]..]),
            step: self.step,
            width: self.size.width,
        }
    }
}

impl Frame<'_> {
    /// Writes the frame as packed RGB without padding, in parallel.
    pub(crate) fn copy_to_rgb(&self, pixels: &mut [u8]) {
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
    pub(crate) fn write_values(&self, colour: usize, values: &mut [f32]) {
        let values = &mut values[..self.width];
        let samples = self.samples[colour];
        // Distances that the compiler knows let it load whole vectors.
        vectorized(
            #[inline(always)]
            || match self.step {
                1 => write_stepped::<1>(samples, values),
                3 => write_stepped::<3>(samples, values),
                4 => write_stepped::<4>(samples, values),
                step => {
                    for (value, &sample) in values.iter_mut().zip(samples.iter().step_by(step)) {
                        *value = value_of(sample);
                    }
                }
            },
        );
    }
}

#[inline(always)]
fn write_stepped<const STEP: usize>(samples: &[u8], values: &mut [f32]) {
    let Some(last) = values.len().checked_sub(1) else {
        return;
    };
    let samples = &samples[..last * STEP + 1];
    for (x, value) in values.iter_mut().enumerate() {
        *value = value_of(samples[x * STEP]);
    }
}

/// A sample as the automaton's value, in [-0.5, 0.5].
#[inline(always)]
fn value_of(sample: u8) -> f32 {
    f32::from(sample) * (1.0 / 255.0) - 0.5
}

/// Runs a loop compiled for the widest vectors of the processor.
#[inline(always)]
pub(crate) fn vectorized(run: impl FnOnce()) {
    pulp::Arch::new().dispatch(run);
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
pub(crate) enum RowMut<'a> {
    /// Packed pixels.
    Packed(&'a mut [u8], Packing),
    /// Red, green and blue samples.
    Planar([&'a mut [u8]; 3]),
}

impl<'a> FrameMut<'a> {
    /// A frame of packed pixels whose rows begin every `stride` bytes, the first with the memory.
    ///
    /// # Errors
    /// When the memory is too short, or the stride shorter than a row.
    pub fn packed(
        data: &'a mut [u8],
        stride: usize,
        size: Size,
        packing: Packing,
    ) -> Result<Self, FrameError> {
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
    ///
    /// # Errors
    /// When one of them is too short, or a stride shorter than a row.
    pub fn planar(
        planes: [&'a mut [u8]; 3],
        strides: [usize; 3],
        size: Size,
    ) -> Result<Self, FrameError> {
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
    pub(crate) fn for_each_row(&mut self, f: impl Fn(usize, RowMut<'_>) + Send + Sync) {
        let Size { width, height } = self.size;
        if self.size.pixels() == 0 {
            return;
        }
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
    pub(crate) fn mix_values<'v>(
        &mut self,
        strength: f32,
        picture: impl Fn(usize) -> [&'v [f32]; 3] + Send + Sync,
    ) {
        self.for_each_row(|y, row| {
            row.mix(strength, picture(y));
        });
    }

    /// Mixes a picture of the same size into the frame, in parallel.
    ///
    /// A `strength` of 1 replaces the frame's colours, 0 leaves them.
    pub(crate) fn mix_frame(&mut self, strength: f32, picture: &Frame<'_>) {
        self.for_each_row(|y, row| {
            let picture = picture.row(y);
            vectorized(
                #[inline(always)]
                || row.mix_samples(strength, &picture),
            );
        });
    }
}

impl RowMut<'_> {
    /// Mixes values in [-0.5, 0.5] of red, green and blue into the row; what lies outside is clamped.
    pub(crate) fn mix(self, strength: f32, picture: [&[f32]; 3]) {
        vectorized(
            #[inline(always)]
            || self.mix_values(strength, picture),
        );
    }

    /// Mixes values in [-0.5, 0.5] of red, green and blue into the row.
    #[inline(always)]
    fn mix_values(self, strength: f32, picture: [&[f32]; 3]) {
        let sample = |value: f32| (value + 0.5) * 255.0;
        match self {
            Self::Packed(pixels, Packing { step: 4, rgb }) => {
                // Whole pixels as numbers: every lane of a vector is one.
                let pixels = pixels.as_chunks_mut::<4>().0;
                let [red, green, blue] = picture.map(|values| &values[..pixels.len()]);
                let shifts = rgb.map(|offset| 8 * offset as u32);
                let kept = shifts
                    .iter()
                    .fold(u32::MAX, |kept, shift| kept & !(0xff << shift));
                for (x, pixel) in pixels.iter_mut().enumerate() {
                    let old = u32::from_le_bytes(*pixel);
                    let mut new = old & kept;
                    for (value, shift) in [red[x], green[x], blue[x]].into_iter().zip(shifts) {
                        let old = (old >> shift & 0xff) as f32;
                        new |= u32::from(mixed(old, sample(value), strength)) << shift;
                    }
                    *pixel = new.to_le_bytes();
                }
            }
            Self::Packed(pixels, Packing { step, rgb }) => {
                let [red, green, blue] = picture.map(|values| values.iter());
                let picture = red.zip(green).zip(blue);
                for (pixel, ((&red, &green), &blue)) in pixels.chunks_exact_mut(step).zip(picture) {
                    for (value, offset) in [red, green, blue].into_iter().zip(rgb) {
                        let old = f32::from(pixel[offset]);
                        pixel[offset] = mixed(old, sample(value), strength);
                    }
                }
            }
            Self::Planar(planes) => {
                for (samples, values) in planes.into_iter().zip(picture) {
                    for (old, &value) in samples.iter_mut().zip(values) {
                        *old = mixed(f32::from(*old), sample(value), strength);
                    }
                }
            }
        }
    }

    /// Mixes another row into the row.
    #[inline(always)]
    fn mix_samples(self, strength: f32, picture: &Row<'_>) {
        let [red, green, blue] = picture
            .samples
            .map(|samples| samples.iter().step_by(picture.step));
        match self {
            Self::Packed(pixels, Packing { step, rgb }) => {
                let picture = red.zip(green).zip(blue);
                for (pixel, ((&red, &green), &blue)) in pixels.chunks_exact_mut(step).zip(picture) {
                    for (sample, offset) in [red, green, blue].into_iter().zip(rgb) {
                        let old = f32::from(pixel[offset]);
                        pixel[offset] = mixed(old, f32::from(sample), strength);
                    }
                }
            }
            Self::Planar(planes) => {
                for (samples, picture) in planes.into_iter().zip([red, green, blue]) {
                    for (old, &sample) in samples.iter_mut().zip(picture) {
                        *old = mixed(f32::from(*old), f32::from(sample), strength);
                    }
                }
            }
        }
    }
}

/// A sample between `old` and `new`, both of which stand for samples in [0, 255]; `new` is
/// clamped to them.
#[inline(always)]
fn mixed(old: f32, new: f32, strength: f32) -> u8 {
    (old + (new.clamp(0.0, 255.0) - old) * strength + 0.5) as i32 as u8
}

/// Checks that `data` holds all of a frame's rows; the last one may lack its padding.
fn check(data: &[u8], stride: usize, size: Size, step: usize) -> Result<(), FrameError> {
    if size.pixels() == 0 {
        return Ok(());
    }
    let row = size.width.saturating_mul(step);
    if stride < row {
        let needed = format!("at least {row}, the bytes of a row,");
        return Err(OutOfRange::new("stride", stride, needed).into());
    }
    let needed = stride.saturating_mul(size.height - 1).saturating_add(row);
    if data.len() < needed {
        return Err(FrameError::TooShort {
            needed,
            found: data.len(),
        });
    }
    Ok(())
}
