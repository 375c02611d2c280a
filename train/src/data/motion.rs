//! Cameras that move over pictures in ways that are exactly known.

use std::f32::consts::TAU;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// A window that moves over a picture: one frame of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shot {
    /// Index of the picture.
    pub picture: usize,
    /// Index of the picture's size: 0 is the full one, each further one is half as large.
    pub level: usize,
    /// Width and height of that picture.
    extent: [f32; 2],
    /// Whether the picture is mirrored.
    flipped: bool,
    /// Where the middle of the window lies in the picture, in its pixels.
    centre: [f32; 2],
    /// Pixels of the picture for each of the window.
    scale: f32,
    /// Turn of the window in radians.
    angle: f32,
    /// Pixels of the window a frame.
    drift: [f32; 2],
    /// Radians a frame.
    spin: f32,
    /// Factor on the scale a frame.
    zoom: f32,
    /// What bends the picture.
    waves: Vec<Wave>,
    /// Deviation of the noise on each frame.
    pub noise: f32,
    /// Swing of the exposure around 1, and its frequency in radians a frame.
    exposure: [f32; 2],
    /// Frames since the shot began.
    age: u32,
}

/// A smooth displacement that travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wave {
    /// Pixels.
    amplitude: [f32; 2],
    /// Radians a pixel.
    frequency: [f32; 2],
    /// Radians at the beginning.
    phase: f32,
    /// Radians a frame.
    speed: f32,
}

impl Shot {
    /// A shot of a window of `size` x `size` pixels over a picture of the given width and height.
    /// One in four stands still; the others pan, turn, zoom and bend, one way or several.
    pub fn draw(rng: &mut impl Rng, picture: usize, extent: [usize; 2], size: usize) -> Self {
        let full = extent.map(|length| length as f32);
        let widest = (full[0].min(full[1]) / size as f32 / 1.1).clamp(1.0, 3.5);
        let scale = widest.powf(rng.random_range(0.0..1.0));
        let level = scale.log2().floor().max(0.0) as usize;
        let shrink = (1 << level) as f32;
        let extent = full.map(|length| (length / shrink).floor().max(1.0));
        let mut shot = Self {
            level,
            flipped: rng.random_bool(0.5),
            scale: scale / shrink,
            ..Self::still(picture, extent)
        };
        for axis in 0..2 {
            let [low, high] = shot.range(axis, size);
            shot.centre[axis] = low + (high - low) * rng.random_range(0.0..1.0);
        }
        if rng.random_bool(0.75) {
            let kinds = rng.random_range(1..32_u32);
            if kinds & 3 != 0 {
                let speed: f32 = 4.0 * rng.random_range(0.05_f32..1.0).powi(2);
                let direction = rng.random_range(0.0..TAU);
                shot.drift = [speed * direction.cos(), speed * direction.sin()];
                if kinds & 3 == 1 {
                    shot.drift = shot.drift.map(f32::round);
                }
            }
            if kinds & 4 != 0 {
                shot.spin = rng.random_range(-0.015..0.015);
            }
            if kinds & 8 != 0 {
                shot.zoom = 1.0 + rng.random_range(-0.012..0.012);
            }
            if kinds & 16 != 0 {
                shot.waves = (0..2).map(|_| Wave::draw(rng)).collect();
            }
        }
        if rng.random_bool(0.5) {
            shot.noise = rng.random_range(0.005..0.04);
        }
        if rng.random_bool(0.3) {
            shot.exposure = [rng.random_range(0.02..0.12), rng.random_range(0.05..2.0)];
        }
        shot
    }

    /// A shot that only pans, over the middle of a picture: what previews show.
    pub fn pan(picture: usize, extent: [usize; 2], drift: [f32; 2]) -> Self {
        Self {
            drift,
            ..Self::still(picture, extent.map(|length| length as f32))
        }
    }

    /// The window over the middle of a picture of this width and height, unmoved.
    fn still(picture: usize, extent: [f32; 2]) -> Self {
        Self {
            picture,
            level: 0,
            extent,
            flipped: false,
            centre: extent.map(|length| length / 2.0),
            scale: 1.0,
            angle: 0.0,
            drift: [0.0; 2],
            spin: 0.0,
            zoom: 1.0,
            waves: Vec::new(),
            noise: 0.0,
            exposure: [0.0; 2],
            age: 0,
        }
    }

    /// The largest square in the middle of a picture, still.
    pub fn square(picture: usize, extent: [usize; 2], size: usize) -> Self {
        let scale = extent[0].min(extent[1]) as f32 / size as f32;
        let level = scale.log2().floor().clamp(0.0, 2.0) as usize;
        let mut shot = Self::pan(picture, extent.map(|n| (n >> level).max(1)), [0.0; 2]);
        shot.level = level;
        shot.scale = scale / (1 << level) as f32;
        shot
    }

    /// The shot's next frame. At the edges of the picture the window turns back.
    pub fn next(&self, size: usize) -> Self {
        let mut next = self.clone();
        next.age += 1;
        next.angle += next.spin;
        next.scale *= next.zoom;
        if !(0.5..=2.5).contains(&next.scale) {
            next.zoom = 1.0 / next.zoom;
            next.scale = self.scale * next.zoom;
        }
        for axis in 0..2 {
            next.centre[axis] += next.drift[axis] * next.scale;
            let [low, high] = next.range(axis, size);
            if !(low..=high).contains(&next.centre[axis]) {
                next.drift[axis] = -next.drift[axis];
                next.centre[axis] = next.centre[axis].clamp(low, high);
            }
        }
        next
    }

    /// Factor on the frame's brightness.
    pub fn gain(&self) -> f32 {
        1.0 + self.exposure[0] * (self.exposure[1] * self.age as f32).sin()
    }

    /// Whether nothing moves.
    pub fn is_still(&self) -> bool {
        self.drift == [0.0; 2] && self.spin == 0.0 && self.zoom == 1.0 && self.waves.is_empty()
    }

    /// Where each pixel of a window of `width` x `height` lies in the picture: x, y in [-1, 1], as
    /// grid_sample takes it.
    pub fn grid(&self, width: usize, height: usize) -> Vec<f32> {
        let mut grid = Vec::with_capacity(width * height * 2);
        for_pixels(width, height, |p| {
            let [x, y] = self.to_picture(p);
            grid.push(normalised(
                if self.flipped { self.extent[0] - x } else { x },
                self.extent[0],
            ));
            grid.push(normalised(y, self.extent[1]));
        });
        grid
    }

    /// Where each pixel of this frame was in the frame `other` of the same shot, as grid_sample
    /// takes it, and whether it was in the window.
    pub fn flow(&self, other: &Self, width: usize, height: usize) -> (Vec<f32>, Vec<f32>) {
        let mut grid = Vec::with_capacity(width * height * 2);
        let mut covered = Vec::with_capacity(width * height);
        let half = [width as f32 / 2.0, height as f32 / 2.0];
        for_pixels(width, height, |p| {
            let q = other.to_window(self.to_picture(p));
            let at = [0, 1].map(|axis| q[axis] / half[axis]);
            grid.extend(at);
            // The outermost pixel is at half a pixel from the edge.
            let inside = [0, 1].map(|axis| q[axis].abs() <= half[axis] - 0.5 + 1e-3);
            covered.push(f32::from(u8::from(inside[0] && inside[1])));
        });
        (grid, covered)
    }

    /// Where each pixel of a window is while nothing moves, as grid_sample takes it.
    pub fn still_grid(width: usize, height: usize) -> Vec<f32> {
        let mut grid = Vec::with_capacity(width * height * 2);
        for_pixels(width, height, |p| {
            grid.extend([2.0 * p[0] / width as f32, 2.0 * p[1] / height as f32]);
        });
        grid
    }

    /// Where the middle may lie along an axis, so that most of the window lies in the picture.
    fn range(&self, axis: usize, size: usize) -> [f32; 2] {
        let middle = self.extent[axis] / 2.0;
        let room = (middle - size as f32 * self.scale / 2.0).max(0.0);
        [middle - room, middle + room]
    }

    /// From pixels of the window, counted from its middle, to pixels of the picture.
    fn to_picture(&self, p: [f32; 2]) -> [f32; 2] {
        let bend = self.displacement(p);
        let (sin, cos) = self.angle.sin_cos();
        let (x, y) = (p[0] + bend[0], p[1] + bend[1]);
        [
            self.centre[0] + self.scale * (cos * x - sin * y),
            self.centre[1] + self.scale * (sin * x + cos * y),
        ]
    }

    /// The inverse of [`Self::to_picture`].
    fn to_window(&self, q: [f32; 2]) -> [f32; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let (x, y) = (
            (q[0] - self.centre[0]) / self.scale,
            (q[1] - self.centre[1]) / self.scale,
        );
        let straight = [cos * x + sin * y, cos * y - sin * x];
        // The waves are gentle: this closes in by half or more each time.
        let mut p = straight;
        for _ in 0..16 {
            let bend = self.displacement(p);
            let next = [straight[0] - bend[0], straight[1] - bend[1]];
            let moved = (next[0] - p[0]).abs() + (next[1] - p[1]).abs();
            p = next;
            if moved < 2e-3 {
                break;
            }
        }
        p
    }

    fn displacement(&self, p: [f32; 2]) -> [f32; 2] {
        self.waves.iter().fold([0.0; 2], |sum, wave| {
            let phase = wave.frequency[0] * p[0]
                + wave.frequency[1] * p[1]
                + wave.phase
                + wave.speed * self.age as f32;
            let height = phase.sin();
            [
                sum[0] + wave.amplitude[0] * height,
                sum[1] + wave.amplitude[1] * height,
            ]
        })
    }
}

impl Wave {
    /// At most a quarter of a pixel a pixel.
    fn draw(rng: &mut impl Rng) -> Self {
        let length = rng.random_range(40.0_f32..120.0);
        let direction = rng.random_range(0.0..TAU);
        let swing = rng.random_range(0.0..TAU);
        let frequency = TAU / length;
        let amplitude = rng.random_range(0.05..0.25) / frequency;
        Self {
            amplitude: [amplitude * swing.cos(), amplitude * swing.sin()],
            frequency: [frequency * direction.cos(), frequency * direction.sin()],
            phase: rng.random_range(0.0..TAU),
            speed: rng.random_range(-0.3..0.3),
        }
    }
}

/// Calls `f` with every pixel's place, counted from the middle.
fn for_pixels(width: usize, height: usize, mut f: impl FnMut([f32; 2])) {
    for y in 0..height {
        for x in 0..width {
            f([
                x as f32 + 0.5 - width as f32 / 2.0,
                y as f32 + 0.5 - height as f32 / 2.0,
            ]);
        }
    }
}

fn normalised(at: f32, length: f32) -> f32 {
    2.0 * at / length - 1.0
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Where a pixel was is where it shows the same point of the picture.
    #[test]
    fn flow_leads_to_the_same_point_of_the_picture() {
        let mut moved = 0;
        for seed in 0..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let first = Shot::draw(&mut rng, 0, [768, 512], 64);
            let later = (0..3).fold(first.clone(), |shot, _| shot.next(64));
            let (grid, covered) = later.flow(&first, 64, 48);
            let mut pixels = Vec::new();
            for_pixels(64, 48, |p| pixels.push(p));
            for ((p, at), covered) in pixels.iter().zip(grid.chunks(2)).zip(covered) {
                let q = [at[0] * 32.0, at[1] * 24.0];
                let (now, then) = (later.to_picture(*p), first.to_picture(q));
                for axis in 0..2 {
                    assert!(
                        (now[axis] - then[axis]).abs() < 1e-2,
                        "{later:?}: {now:?} {then:?}"
                    );
                }
                // But for what lies on the edge.
                let inside = [31.5 - q[0].abs(), 23.5 - q[1].abs()];
                if inside.iter().all(|room| room.abs() > 0.01) {
                    assert_eq!(covered == 1.0, inside.iter().all(|room| *room > 0.0));
                }
                moved += usize::from((q[0] - p[0]).abs() > 0.5);
            }
        }
        assert!(moved > 10_000, "only {moved} pixels moved");
    }

    #[test]
    fn the_window_stays_in_the_picture() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..50 {
            let mut shot = Shot::draw(&mut rng, 0, [300, 200], 64);
            for _ in 0..500 {
                shot = shot.next(64);
                let middle = shot.to_picture([0.0; 2]);
                assert!((-20.0..=320.0).contains(&middle[0]), "{shot:?}");
                assert!((-20.0..=220.0).contains(&middle[1]), "{shot:?}");
            }
        }
    }
}
