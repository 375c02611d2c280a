use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::Size;
use crate::frame::{Frame, Packing};

/// Resamples 8-bit RGB pictures from one size to another, with memory that is kept.
///
/// Catmull-Rom, widened to cover all pixels where the picture shrinks.
pub(super) struct Resampler {
    resizer: Resizer,
    from: (Size, Vec<u8>),
    to: (Size, Vec<u8>),
}

impl Resampler {
    pub(super) fn new() -> Self {
        let nothing = || (Size::new(0, 0), Vec::new());
        Self {
            resizer: Resizer::new(),
            from: nothing(),
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
        self.to.0 = size;
        self.to.1.resize(size.pixels() * 3, 0);
        let [(from_width, from_height), (to_width, to_height)] =
            [self.from.0, size].map(|size| (size.width as u32, size.height as u32));
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
        // Of known type: the kinds of pixels that are not needed take minutes to compile.
        TypedImageRef::<U8x3>::from_buffer(from_width, from_height, &self.from.1)
            .ok()
            .zip(TypedImage::<U8x3>::from_buffer(to_width, to_height, &mut self.to.1).ok())
            .and_then(|(from, mut to)| self.resizer.resize_typed(&from, &mut to, &options).ok())
            .expect("both pictures have the memory that their sizes need");
        Frame::packed(&self.to.1, size.width * 3, size, Packing::RGB)
            .expect("the picture has the memory that its size needs")
    }
}
