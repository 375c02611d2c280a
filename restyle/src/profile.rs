//! What the colours of a picture are: its ICC profile.

use image::RgbaImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// What is done with a picture's ICC profile, now that its pixels are RGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The colours are those of sRGB.
    Srgb,
    /// The colours are those of this profile, which goes with the pixels.
    Rgb(Vec<u8>),
    /// The picture was grey, and its levels are those of this profile; it says nothing about RGB.
    Gray(Vec<u8>),
}

impl Profile {
    /// Of a profile as it is in a file. One that is not read, or of inks (CMYK), which the decoder
    /// has made RGB of by itself, is of no use.
    pub fn of(icc: Option<Vec<u8>>) -> Self {
        let Some(icc) = icc else { return Self::Srgb };
        match ColorProfile::new_from_slice(&icc).map(|profile| profile.color_space) {
            Ok(DataColorSpace::Rgb) => Self::Rgb(icc),
            Ok(DataColorSpace::Gray) => Self::Gray(icc),
            _ => Self::Srgb,
        }
    }

    /// Brings pixels to sRGB, as far as the profile can be computed with.
    pub fn to_srgb(&self, pixels: &mut RgbaImage) {
        let (icc, gray) = match self {
            Self::Srgb => return,
            Self::Rgb(icc) => (icc, false),
            Self::Gray(icc) => (icc, true),
        };
        let srgb = ColorProfile::new_srgb();
        let layout = if gray {
            Layout::GrayAlpha
        } else {
            Layout::Rgba
        };
        let transform = ColorProfile::new_from_slice(icc).and_then(|profile| {
            profile.create_transform_8bit(layout, &srgb, Layout::Rgba, TransformOptions::default())
        });
        let Ok(transform) = transform else { return };
        let width = pixels.width() as usize;
        let mut before = Vec::new();
        for row in pixels.chunks_exact_mut(width * 4) {
            before.clear();
            if gray {
                let pixels = row.chunks_exact(4);
                before.extend(pixels.flat_map(|pixel| [pixel[0], pixel[3]]));
            } else {
                before.extend_from_slice(row);
            }
            if transform.transform(&before, row).is_err() {
                return;
            }
        }
    }
}
