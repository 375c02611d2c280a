use std::num::NonZeroU32;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ImageView, ImageViewMut, ResizeAlg, ResizeOptions, Resizer};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use crate::Size;
use crate::frame::{Frame, Packing};

/// Resamples 8-bit RGB pictures from one size to another, with memory that is kept.
///
/// Catmull-Rom, widened to cover all pixels where the picture shrinks. What comes out is the same whatever
/// the number of threads.
pub(super) struct Resampler {
    /// One for each thread.
    resizers: Vec<Resizer>,
    from: (Size, Vec<u8>),
    /// As wide as the input and as high as the output.
    between: Vec<u8>,
    to: (Size, Vec<u8>),
}

impl Resampler {
    pub(super) fn new() -> Self {
        let nothing = || (Size::new(0, 0), Vec::new());
        Self {
            resizers: Vec::new(),
            from: nothing(),
            between: Vec::new(),
            to: nothing(),
        }
    }

    /// Packed RGB of `size`, to be filled and then resampled.
    pub(super) fn input(&mut self, size: Size) -> &mut [u8] {
        self.from.0 = size;
        self.from.1.resize(size.pixels() * 3, 0);
        &mut self.from.1
    }

    /// What was last put into [`Resampler::input`], at `size`.
    pub(super) fn resample(&mut self, size: Size) -> Frame<'_> {
        self.resample_in(size, rayon::current_num_threads());
        Frame::packed(&self.to.1, size.width * 3, size, Packing::RGB)
            .expect("the picture has the memory that its size needs")
    }

    /// Columns are resampled first, `parts` strips of them side by side, then bands of rows.
    fn resample_in(&mut self, size: Size, parts: usize) {
        let between = Size::new(self.from.0.width, size.height);
        self.between.resize(between.pixels() * 3, 0);
        self.to.0 = size;
        self.to.1.resize(size.pixels() * 3, 0);
        self.resizers.resize_with(parts, Resizer::new);
        {
            let from = picture(self.from.0, &self.from.1);
            let mut to = picture_mut(between, &mut self.between);
            let [width, parts] = [between.width, parts.min(between.width)].map(non_zero);
            let strips = from.split_by_width(0, width, parts);
            let strips = strips.zip(to.split_by_width_mut(0, width, parts));
            let (from, to) = strips.expect("there are as many columns as strips");
            side_by_side(&mut self.resizers, from, to);
        }
        let from = picture(between, &self.between);
        let mut to = picture_mut(size, &mut self.to.1);
        let [height, parts] = [size.height, parts.min(size.height)].map(non_zero);
        let bands = from.split_by_height(0, height, parts);
        let bands = bands.zip(to.split_by_height_mut(0, height, parts));
        let (from, to) = bands.expect("there are as many rows as bands");
        side_by_side(&mut self.resizers, from, to);
    }
}

// Of known type: the kinds of pixels that are not needed take minutes to compile.
type Pixel = U8x3;

fn side_by_side(
    resizers: &mut [Resizer],
    from: Vec<impl ImageView<Pixel = Pixel>>,
    mut to: Vec<impl ImageViewMut<Pixel = Pixel>>,
) {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    let parts = from.par_iter().zip(&mut to).zip(resizers);
    parts.for_each(|((from, to), resizer)| {
        resizer
            .resize_typed(from, to, &options)
            .expect("all of a picture is resampled");
    });
}

fn picture(size: Size, pixels: &[u8]) -> TypedImageRef<'_, Pixel> {
    TypedImageRef::from_buffer(size.width as u32, size.height as u32, pixels)
        .expect("the picture has the memory that its size needs")
}

fn picture_mut(size: Size, pixels: &mut [u8]) -> TypedImage<'_, Pixel> {
    TypedImage::from_buffer(size.width as u32, size.height as u32, pixels)
        .expect("the picture has the memory that its size needs")
}

fn non_zero(number: usize) -> NonZeroU32 {
    NonZeroU32::new(number as u32).expect("a picture has pixels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_no_difference() {
        for (from, to) in [
            (Size::new(64, 48), Size::new(32, 24)),
            (Size::new(64, 48), Size::new(61, 47)),
            (Size::new(64, 48), Size::new(64, 48)),
            (Size::new(64, 48), Size::new(64, 20)),
            (Size::new(64, 48), Size::new(20, 48)),
            (Size::new(40, 30), Size::new(127, 97)),
            (Size::new(33, 1080), Size::new(17, 333)),
            (Size::new(17, 333), Size::new(33, 1080)),
            (Size::new(5, 7), Size::new(5, 100)),
            (Size::new(5, 700), Size::new(5, 1)),
        ] {
            let mut resampler = Resampler::new();
            let mut noise = 1u32;
            for value in resampler.input(from) {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value = (noise >> 24) as u8;
            }
            let mut whole = vec![0; to.pixels() * 3];
            Resizer::new()
                .resize_typed(
                    &picture(from, &resampler.from.1),
                    &mut picture_mut(to, &mut whole),
                    &ResizeOptions::new()
                        .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)),
                )
                .unwrap();
            for parts in [1, 2, 3, 5, 8, 16, 64] {
                resampler.resample_in(to, parts);
                assert!(resampler.to.1 == whole, "{from:?} to {to:?}, {parts}");
            }
        }
    }
}
