//! Hard cuts between the frames of a video.

use crate::frame::Frame;

/// Columns and rows of the thumbnail that frames are compared by.
const COLUMNS: usize = 32;
const ROWS: usize = 18;
/// Samples that a thumbnail's cell is the mean of, along each axis.
const SAMPLES: usize = 4;

/// How far a camera may swing from one frame to the next, in cells.
const SWING: [usize; 2] = [8, 4];

/// Weights of red, green and blue in luma (BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Luma below which a cell shows nothing but that it is dark, and red, green or blue above which
/// it shows nothing but that it is bright.
const DARK: f32 = 0.03;
const BRIGHT: f32 = 0.97;

/// Share of the cells that must be exposed, and the standard deviation of their luma, for a frame
/// to show anything.
const SHOWN: f32 = 0.15;
const CONTRAST: f32 = 0.015;

/// Unrelated pictures differ by a fifth or more of the range of colours.
const SCALE: f32 = 4.0;

/// Frames after which what was seen before a flash, or before the screen went black, is forgotten.
pub(crate) const FLASH: usize = 4;

/// Mean confidences of the motion up to which there may be a cut, and from which on there is none.
/// Measured: cuts between photographs have at most 0.11, fast action at least 0.2.
pub(crate) const TRUSTED: [f32; 2] = [0.1, 0.35];

/// Mean confidence of the motion up to which a frame has nothing to do with the one before it, whether
/// or not there is a cut.
pub(crate) const UNRELATED: f32 = 0.15;

/// Finds hard cuts by comparing every frame with those before it.
///
/// After a cut, things are elsewhere: the thumbnails of the frames differ, and neither another
/// brightness and contrast nor a shift makes them alike. When the exposure changes, and when the
/// camera swings, they do. In a fade, the frames do not
/// differ by much. A frame that shows nothing, because a flash has made it white or because the
/// screen is black, is no cut; what comes after it is one if it is unlike what was before it and
/// does not come up slowly.
///
/// If the motion between the frames is known, there must also be none that explains them.
#[derive(Debug, Default)]
pub(crate) struct CutDetector {
    /// The last frame.
    last: Option<Thumbnail>,
    /// The last one before it that shows something, and how many frames ago it was.
    before: Option<(Thumbnail, usize)>,
}

impl CutDetector {
    /// How different the next frame is from what was before it, from 0 to 1; `None` for the first.
    ///
    /// `confidence` is the mean confidence of the motion since the last frame that shows something,
    /// where that is known.
    pub(crate) fn difference(
        &mut self,
        thumbnail: Thumbnail,
        confidence: Option<f32>,
    ) -> Option<f32> {
        let last = self.last.take();
        let difference = last.as_ref().map(|last| {
            let unexplained = confidence.map_or(1.0, |confidence| {
                let [least, most] = TRUSTED;
                ((most - confidence) / (most - least)).clamp(0.0, 1.0)
            });
            // Motion finds out more about the structure than thumbnails do.
            let stress = if confidence.is_some() { 2.0 } else { 1.0 };
            let mut difference = unexplained.min(thumbnail.difference(last, stress));
            if let Some((before, _)) = &self.before {
                difference = difference.min(thumbnail.difference(before, stress));
            }
            difference
        });
        self.before = match (last, self.before.take()) {
            (Some(last), _) if last.shows => Some((last, 1)),
            (_, Some((before, frames))) if frames < FLASH => Some((before, frames + 1)),
            _ => None,
        };
        self.last = Some(thumbnail);
        difference
    }

    /// The same where the motion is not known, without taking note of the frame; 0 for the first.
    pub(crate) fn unlikeness(&self, thumbnail: &Thumbnail) -> f32 {
        let before = self.before.iter().map(|(before, _)| before);
        let differences = before.map(|before| thumbnail.difference(before, 1.0));
        self.last.as_ref().map_or(0.0, |last| {
            differences.fold(thumbnail.difference(last, 1.0), f32::min)
        })
    }

    /// Forgets all frames.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

/// What is kept of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Thumbnail {
    /// Mean colour of each cell, in [0, 1].
    colours: [[f32; 3]; COLUMNS * ROWS],
    /// Its luma; none where it is under- or overexposed.
    luma: [Option<f32>; COLUMNS * ROWS],
    /// Whether there is anything to be seen.
    pub(crate) shows: bool,
}

impl Thumbnail {
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        let size = frame.size();
        let mut colours = [[0.0; 3]; COLUMNS * ROWS];
        let per_cell = (SAMPLES * SAMPLES) as f32;
        for y in 0..ROWS * SAMPLES {
            let row = frame.row((2 * y + 1) * size.height / (2 * ROWS * SAMPLES));
            for x in 0..COLUMNS * SAMPLES {
                let at = (2 * x + 1) * size.width / (2 * COLUMNS * SAMPLES) * row.step;
                let cell = &mut colours[y / SAMPLES * COLUMNS + x / SAMPLES];
                for (mean, samples) in cell.iter_mut().zip(row.samples) {
                    *mean += f32::from(samples[at]) / 255.0 / per_cell;
                }
            }
        }
        let luma = colours.map(|colour| {
            let luma = colour.iter().zip(LUMA).map(|(c, weight)| c * weight).sum();
            let bright = colour.iter().any(|c| *c > BRIGHT);
            (luma >= DARK && !bright).then_some(luma)
        });
        let mut exposed = Moments::default();
        for &luma in luma.iter().flatten() {
            exposed.add(luma, luma);
        }
        let deviation = (exposed.covariance() / exposed.count.max(1.0))
            .max(0.0)
            .sqrt();
        Self {
            colours,
            luma,
            shows: exposed.count >= SHOWN * (COLUMNS * ROWS) as f32 && deviation >= CONTRAST,
        }
    }

    /// How different two frames are, from 0 to 1. Different structure counts as `stress` says.
    fn difference(&self, other: &Self, stress: f32) -> f32 {
        if !self.shows {
            return 0.0;
        }
        let cells = self.colours.as_flattened().iter();
        let distances = cells
            .zip(other.colours.as_flattened())
            .map(|(a, b)| (a - b).abs());
        let distance = SCALE * distances.sum::<f32>() / (3 * COLUMNS * ROWS) as f32;
        let structure = if other.shows {
            stress * self.unlikeness(other)
        } else {
            1.0
        };
        distance.min(structure).min(1.0)
    }

    /// How different the structure of two frames is, from 0 to 1, which neither another exposure
    /// makes, nor a swing of the camera.
    fn unlikeness(&self, other: &Self) -> f32 {
        let [across, down] = SWING.map(|cells| cells as isize);
        let shifts = (-down..=down).flat_map(|dy| (-across..=across).map(move |dx| (dx, dy)));
        let shifted = shifts.filter_map(|(dx, dy)| {
            let (correlation, distance) = self.compare(other, dx, dy)?;
            // What repeats can be alike once shifted; with the exposure as it was, it is the same.
            Some((1.0 - correlation).max(SCALE * distance))
        });
        // If hardly anything can be compared, nothing speaks against it.
        let in_place = self
            .compare(other, 0, 0)
            .map_or(0.0, |(correlation, _)| 1.0 - correlation);
        shifted.fold(in_place, f32::min).clamp(0.0, 1.0)
    }

    /// The correlation of luma, and its mean distance, with a picture shifted by some cells, where
    /// both are exposed; `None` where hardly anything is.
    fn compare(&self, other: &Self, dx: isize, dy: isize) -> Option<(f32, f32)> {
        let overlap = |shift: isize, length: usize| {
            shift.max(0) as usize..(length as isize + shift.min(0)) as usize
        };
        let [mut both, mut own, mut others] = [Moments::default(); 3];
        let mut distance = 0.0;
        let columns = overlap(dx, COLUMNS);
        let rows = overlap(dy, ROWS);
        let cells = (columns.len() * rows.len()) as f32;
        for y in rows {
            let from = (y as isize - dy) as usize * COLUMNS;
            for x in columns.clone() {
                let a = self.luma[y * COLUMNS + x];
                let b = other.luma[from + (x as isize - dx) as usize];
                if let (Some(a), Some(b)) = (a, b) {
                    both.add(a, b);
                    own.add(a, a);
                    others.add(b, b);
                    distance += (a - b).abs();
                }
            }
        }
        if both.count < SHOWN * cells {
            return None;
        }
        let noise = CONTRAST * CONTRAST * 0.1 * both.count;
        let (own, others) = (own.covariance() + noise, others.covariance() + noise);
        let correlation = both.covariance() / (own * others).sqrt();
        Some((correlation, distance / both.count))
    }
}

/// Sums of pairs of values and of their products.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f32,
    sums: [f32; 2],
    products: f32,
}

impl Moments {
    fn add(&mut self, a: f32, b: f32) {
        self.count += 1.0;
        self.sums[0] += a;
        self.sums[1] += b;
        self.products += a * b;
    }

    /// The sum of the products of both, each less its mean.
    fn covariance(&self) -> f32 {
        self.products - self.sums[0] * self.sums[1] / self.count.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;
    use crate::frame::Packing;

    const SIZE: Size = Size::new(192, 108);
    /// The element's default.
    const THRESHOLD: f32 = 0.3;
    const NONE: [usize; 0] = [];

    type Picture = Vec<u8>;

    /// A scene of its own for each seed: patches of colour of all sizes.
    fn scene(seed: u32, left: isize) -> Picture {
        let mut hash = seed.wrapping_mul(0x9e37_79b9) | 1;
        let mut random = move |most: u32| {
            hash ^= hash << 13;
            hash ^= hash >> 17;
            hash ^= hash << 5;
            hash % most
        };
        let background = [(); 3].map(|()| 40 + random(160) as u8);
        let patches: Vec<_> = (0..30)
            .map(|i| {
                let width = 150 / (1 + i / 3) as isize;
                let x = random(400) as isize - 100;
                let y = random(140) as isize - 30;
                (
                    x..x + width,
                    y..y + width / 2,
                    [(); 3].map(|()| 10 + random(230) as u8),
                )
            })
            .collect();
        let mut pixels = Vec::new();
        for y in 0..SIZE.height as isize {
            for x in 0..SIZE.width as isize {
                let x = x + left;
                let patch = patches
                    .iter()
                    .rev()
                    .find(|(xs, ys, _)| xs.contains(&x) && ys.contains(&y));
                pixels.extend(patch.map_or(background, |(_, _, colour)| *colour));
            }
        }
        pixels
    }

    fn lit(picture: &[u8], gain: f32, offset: f32) -> Picture {
        let light = |&sample: &u8| (f32::from(sample) * gain + offset).clamp(0.0, 255.0) as u8;
        picture.iter().map(light).collect()
    }

    fn mixed(a: &[u8], b: &[u8], share: f32) -> Picture {
        let mix = |(&a, &b): (&u8, &u8)| {
            (f32::from(a) + (f32::from(b) - f32::from(a)) * share).round() as u8
        };
        a.iter().zip(b).map(mix).collect()
    }

    /// The frames at which there is a cut.
    fn cuts(frames: &[Picture]) -> Vec<usize> {
        let mut detector = CutDetector::default();
        let mut cuts = Vec::new();
        for (i, pixels) in frames.iter().enumerate() {
            let frame = Frame::packed(pixels, SIZE.width * 3, SIZE, Packing::RGB).unwrap();
            let difference = detector.difference(Thumbnail::of(&frame), None);
            assert_eq!(difference.is_none(), i == 0);
            if difference.is_some_and(|difference| difference > THRESHOLD) {
                cuts.push(i);
            }
        }
        cuts
    }

    #[test]
    fn hard_cuts_are_found() {
        let mut missed = 0;
        for seed in 0..40 {
            let (a, b) = (scene(seed, 0), scene(seed + 100, 0));
            let found = cuts(&[a.clone(), a.clone(), a, b.clone(), b.clone(), b]);
            assert!(found.is_empty() || found == [3], "seed {seed}: {found:?}");
            missed += usize::from(found.is_empty());
        }
        assert!(missed <= 1, "{missed} of 40 are missed");
    }

    #[test]
    fn cuts_that_follow_each_other_are_found() {
        let scenes: Vec<_> = (0..4).map(|seed| scene(seed, 0)).collect();
        assert_eq!(cuts(&scenes), [1, 2, 3]);
    }

    #[test]
    fn fades_are_no_cuts() {
        for seed in 0..20 {
            let (a, b, black) = (
                scene(seed, 0),
                scene(seed + 100, 0),
                vec![0; SIZE.pixels() * 3],
            );
            for frames in [10, 25] {
                let fade = |a: &[u8], b: &[u8]| -> Vec<Picture> {
                    let share = |i| i as f32 / frames as f32;
                    (0..=frames).map(|i| mixed(a, b, share(i))).collect()
                };
                assert_eq!(cuts(&fade(&a, &b)), NONE, "seed {seed}");
                let through_black = [fade(&a, &black), fade(&black, &b)].concat();
                assert_eq!(cuts(&through_black), NONE, "seed {seed}");
            }
        }
    }

    #[test]
    fn flashes_and_changes_of_light_are_no_cuts() {
        for seed in 0..20 {
            let a = scene(seed, 0);
            for (gain, offset) in [
                (1.5, 0.0),
                (0.5, 0.0),
                (1.0, 60.0),
                (1.0, -60.0),
                (3.0, 0.0),
                (2.0, 100.0),
                (0.0, 255.0),
                (0.0, 0.0),
            ] {
                let flash = lit(&a, gain, offset);
                for length in [1, 2, 3] {
                    let mut frames = vec![a.clone(); 3];
                    frames.extend(vec![flash.clone(); length]);
                    frames.extend(vec![a.clone(); 3]);
                    let found = cuts(&frames);
                    assert_eq!(found, NONE, "seed {seed}, light x {gain} + {offset}");
                }
            }
        }
    }

    #[test]
    fn fast_pans_are_no_cuts() {
        for seed in 0..20 {
            for speed in [4, 12, 24, 40] {
                let frames: Vec<_> = (0..4).map(|i| scene(seed, speed * i)).collect();
                assert_eq!(cuts(&frames), NONE, "seed {seed}, {speed} pixels a frame");
            }
        }
    }

    #[test]
    fn a_scene_after_black_or_white_is_a_cut() {
        let (a, b) = (scene(1, 0), scene(2, 0));
        for light in [0, 255] {
            for length in [1, 3, 12] {
                let mut frames = vec![a.clone(); 3];
                frames.extend(vec![vec![light; SIZE.pixels() * 3]; length]);
                frames.extend(vec![b.clone(); 2]);
                assert_eq!(cuts(&frames), [3 + length], "{length} frames of {light}");
            }
        }
    }

    #[test]
    fn motion_that_explains_the_frames_speaks_against_a_cut() {
        let frames = [scene(1, 0), scene(2, 0)];
        let difference = |confidence| {
            let mut detector = CutDetector::default();
            let frame = |pixels| Frame::packed(pixels, SIZE.width * 3, SIZE, Packing::RGB).unwrap();
            detector.difference(Thumbnail::of(&frame(&frames[0])), confidence);
            detector
                .difference(Thumbnail::of(&frame(&frames[1])), confidence)
                .unwrap()
        };
        assert!(difference(Some(0.05)) > THRESHOLD);
        assert_eq!(difference(Some(0.6)), 0.0);
    }

    #[test]
    fn all_sizes_are_survived() {
        for (width, height) in [(1, 1), (1, 50), (33, 2), (640, 360)] {
            let size = Size::new(width, height);
            let mut detector = CutDetector::default();
            for light in [0, 255, 90] {
                let pixels = vec![light; size.pixels() * 3];
                let frame = Frame::packed(&pixels, width * 3, size, Packing::RGB).unwrap();
                let difference = detector.difference(Thumbnail::of(&frame), None);
                assert!(difference.is_none_or(|d| (0.0..=1.0).contains(&d)));
            }
        }
    }
}
