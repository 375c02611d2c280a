use image::RgbImage;
use image::imageops::FilterType;

use super::known::KnownMotion;
use super::mean::{Mean, squared_difference};
use nca::Size;

/// Width and height of frames.
pub(super) const FRAME: usize = 160;

/// Width and height of a still.
const STILL: usize = 480;

/// Sharpness of bicubic sampling: the value that PyTorch and OpenCV have.
const BICUBIC: f32 = -0.75;

/// Red, green and blue in [0, 1], pixel after pixel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) size: Size,
    pub(super) pixels: Vec<[f32; 3]>,
}

impl Picture {
    pub(super) fn from_rgb8(size: Size, samples: &[u8]) -> Self {
        let pixels = samples.as_chunks::<3>().0;
        Self {
            size,
            pixels: pixels
                .iter()
                .map(|pixel| pixel.map(|sample| f32::from(sample) / 255.0))
                .collect(),
        }
    }

    pub(super) fn to_rgb8(&self) -> Vec<u8> {
        let samples = self.pixels.as_flattened().iter();
        samples
            .map(|sample| (sample.clamp(0.0, 1.0) * 255.0).round() as u8)
            .collect()
    }

    /// The pixel at a column and row; beyond the edges, the one nearest to it.
    fn at(&self, x: isize, y: isize) -> &[f32; 3] {
        let x = x.clamp(0, self.size.width as isize - 1) as usize;
        let y = y.clamp(0, self.size.height as isize - 1) as usize;
        &self.pixels[y * self.size.width + x]
    }

    /// What lies at a place between pixels, whose centres have whole numbers.
    fn sample<const N: usize>(&self, [x, y]: [f32; 2], weights: fn(f32) -> [f32; N]) -> [f32; 3] {
        let first = N as isize / 2 - 1;
        let (left, top) = (x.floor(), y.floor());
        let (across, down) = (weights(x - left), weights(y - top));
        let mut sum = [0.0; 3];
        for (dy, down) in (-first..).zip(down) {
            for (dx, across) in (-first..).zip(across) {
                let pixel = self.at(left as isize + dx, top as isize + dy);
                for (sum, value) in sum.iter_mut().zip(pixel) {
                    *sum += down * across * value;
                }
            }
        }
        sum
    }

    pub(super) fn bilinear(&self, place: [f32; 2]) -> [f32; 3] {
        self.sample(place, |part| [1.0 - part, part])
    }

    fn bicubic(&self, place: [f32; 2]) -> [f32; 3] {
        self.sample(place, |part| {
            let near = |d: f32| ((BICUBIC + 2.0) * d - (BICUBIC + 3.0)) * d * d + 1.0;
            let far = |d: f32| BICUBIC * (((d - 5.0) * d + 8.0) * d - 4.0);
            [
                far(1.0 + part),
                near(part),
                near(1.0 - part),
                far(2.0 - part),
            ]
        })
    }

    /// Adds the squared differences of the mean colours of 16 x 16 pixels; what is left over at the
    /// right and below is not looked at.
    pub(super) fn compare_coarsely(&self, other: &Self, error: &mut Mean) {
        const BLOCK: usize = 16;
        let Size { width, height } = self.size;
        for top in (0..=height.saturating_sub(BLOCK)).step_by(BLOCK) {
            for left in (0..=width.saturating_sub(BLOCK)).step_by(BLOCK) {
                let [a, b] = [self, other].map(|picture| {
                    let mut mean = [0.0; 3];
                    for y in top..(top + BLOCK).min(height) {
                        let row = &picture.pixels[y * width..][..width];
                        for pixel in &row[left..(left + BLOCK).min(width)] {
                            for (mean, value) in mean.iter_mut().zip(pixel) {
                                *mean += value / (BLOCK * BLOCK) as f32;
                            }
                        }
                    }
                    mean
                });
                error.add(squared_difference(&a, &b));
            }
        }
    }

    /// How strong strokes are, things of 8 to 60 pixels: the standard deviation of the difference of two
    /// Gaussian blurs, each of which leaves of a wave of the one or the other length a half of its power.
    pub(super) fn stroke_contrast(&self) -> f64 {
        const BAND: [f32; 2] = [8.0, 60.0];
        /// Of a wave whose length is so many times the deviation, half of the power is left.
        const HALVED: f32 = 7.547;
        let [fine, coarse] = BAND.map(|length| self.blurred(length / HALVED));
        let pairs = fine.pixels.iter().zip(&coarse.pixels);
        let sum: f64 = pairs.map(|(a, b)| squared_difference(a, b)).sum();
        (sum / self.size.pixels() as f64).sqrt()
    }

    /// Blurred by a Gaussian; the nearest pixel lies beyond the edges.
    fn blurred(&self, deviation: f32) -> Self {
        let radius = (3.0 * deviation).ceil() as isize;
        let weights = (-radius..=radius).map(|at| (-0.5 * (at as f32 / deviation).powi(2)).exp());
        let weights: Vec<f32> = weights.collect();
        let sum: f32 = weights.iter().sum();
        let along = |picture: &Self, dx: isize, dy: isize| {
            let Size { width, .. } = picture.size;
            let pixels = (0..picture.pixels.len()).map(|i| {
                let (x, y) = ((i % width) as isize, (i / width) as isize);
                let mut mean = [0.0; 3];
                for (at, weight) in (-radius..=radius).zip(&weights) {
                    let pixel = picture.at(x + at * dx, y + at * dy);
                    for (mean, value) in mean.iter_mut().zip(pixel) {
                        *mean += weight / sum * value;
                    }
                }
                mean
            });
            Self {
                size: picture.size,
                pixels: pixels.collect(),
            }
        };
        along(&along(self, 1, 0), 0, 1)
    }

    /// The standard deviation of what a 5 x 5 box takes out of the picture, which is mirrored at
    /// the edges.
    pub(super) fn fine_detail(&self) -> f64 {
        let Size { width, height } = self.size;
        let mirror = |at: isize, length: usize| {
            let last = length as isize - 1;
            let at = at.abs();
            if at > last {
                (2 * last - at).max(0)
            } else {
                at
            }
        };
        let mut sum = 0.0;
        for y in 0..height as isize {
            for x in 0..width as isize {
                let mut mean = [0.0; 3];
                for dy in -2..=2 {
                    for dx in -2..=2 {
                        let pixel = self.at(mirror(x + dx, width), mirror(y + dy, height));
                        for (mean, value) in mean.iter_mut().zip(pixel) {
                            *mean += value / 25.0;
                        }
                    }
                }
                for (value, mean) in self.at(x, y).iter().zip(mean) {
                    sum += f64::from(value - mean).powi(2);
                }
            }
        }
        (sum / (3 * self.size.pixels()) as f64).sqrt()
    }
}

/// A picture that is moved.
#[derive(Clone, Debug)]
pub struct Still(Picture);

impl Still {
    /// The middle of a photograph, as large a square as there is, resampled.
    pub fn from_photo(photo: &RgbImage) -> Self {
        let side = photo.width().min(photo.height());
        let (left, top) = ((photo.width() - side) / 2, (photo.height() - side) / 2);
        let square = image::imageops::crop_imm(photo, left, top, side, side).to_image();
        let still = STILL as u32;
        let still = image::imageops::resize(&square, still, still, FilterType::Lanczos3);
        Self(Picture::from_rgb8(Size::new(STILL, STILL), &still))
    }

    /// One that needs no photograph: discs of all sizes and colours, shaded and grained.
    pub fn synthetic() -> Self {
        let size = Size::new(STILL, STILL);
        let mut hash = 0x2545_f491_u32;
        let mut random = || {
            hash ^= hash << 13;
            hash ^= hash >> 17;
            hash ^= hash << 5;
            (hash >> 8) as f32 / (1 << 24) as f32
        };
        let discs: Vec<_> = (0..250)
            .map(|i| {
                let centre = [random(), random()].map(|at| at * STILL as f32);
                let radius = 130.0 / (1.0 + 0.12 * i as f32);
                (centre, radius, [random(), random(), random()], random())
            })
            .collect();
        let pixels = (0..size.pixels()).map(|i| {
            let (x, y) = ((i % STILL) as f32, (i / STILL) as f32);
            let mut colour = [0.45, 0.5, 0.4];
            for ([cx, cy], radius, disc, shade) in &discs {
                let distance = (x - cx).hypot(y - cy);
                // An edge one pixel wide.
                let cover = (radius - distance + 0.5).clamp(0.0, 1.0);
                let light = 1.0 - 0.5 * shade * (x - cx + y - cy) / (2.0 * radius);
                for (colour, disc) in colour.iter_mut().zip(disc) {
                    *colour += cover * ((disc * light).clamp(0.0, 1.0) - *colour);
                }
            }
            let grain = 0.06 * ((x * 1.3).sin() * (y * 1.7 + 0.2 * x).sin());
            colour.map(|value| (value + grain).clamp(0.0, 1.0))
        });
        Self(Picture {
            size,
            pixels: pixels.collect(),
        })
    }

    /// What is made of the whole of it.
    pub(super) fn restyled<E>(
        &self,
        restyle: impl FnOnce(&Picture) -> Result<Picture, E>,
    ) -> Result<Self, E> {
        restyle(&self.0).map(Self)
    }

    /// Frame `t` of a motion.
    pub(super) fn frame(&self, motion: KnownMotion, t: usize) -> Picture {
        let centre = |length: usize| (length as f32 - 1.0) / 2.0;
        let (frame, still) = (centre(FRAME), centre(STILL));
        let pixels = (0..FRAME * FRAME).map(|i| {
            let place = [i % FRAME, i / FRAME].map(|at| at as f32 - frame);
            let place = motion.in_still(t, place).map(|at| at + still);
            self.0.bicubic(place).map(|value| value.clamp(0.0, 1.0))
        });
        Picture {
            size: Size::new(FRAME, FRAME),
            pixels: pixels.collect(),
        }
    }
}
