use std::f32::consts::TAU;

/// Steps by which the inverse of a warp is found. Each makes the error at least twice as small.
const INVERSIONS: usize = 24;

/// Frames in which a warp swings there and back.
const SWING: f32 = 30.0;

/// The waves of a warp: wavelength in pixels, direction and phase as shares of a turn, amplitude
/// in pixels along x and y. Drawn at random once; their slopes stay below a half, so that nothing
/// folds.
const WAVES: [[f32; 5]; 4] = [
    [117.0, 0.13, 0.71, 3.1, -2.2],
    [93.0, 0.39, 0.18, -2.3, 1.6],
    [141.0, 0.62, 0.44, 2.9, 3.4],
    [79.0, 0.87, 0.93, 1.1, 1.9],
];

/// A motion that is known exactly: where each pixel of each frame lies in a still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownMotion {
    /// By (3, 1) pixels a frame.
    Pan,
    /// By (2.5, 0.75) pixels a frame.
    SubpixelPan,
    /// By half a degree a frame.
    Rotation,
    /// By one percent a frame.
    Zoom,
    /// To and fro along smooth random waves, by up to about 1.5 pixels a frame.
    Warp,
    /// None.
    Still,
}

impl KnownMotion {
    /// All of them, with their names.
    pub const NAMES: [(Self, &str); 6] = [
        (Self::Pan, "pan"),
        (Self::SubpixelPan, "subpixel-pan"),
        (Self::Rotation, "rotation"),
        (Self::Zoom, "zoom"),
        (Self::Warp, "warp"),
        (Self::Still, "still"),
    ];

    /// Where `place` of frame `t` lies in the still; both are counted from the centres, in pixels.
    pub fn in_still(self, t: usize, place: [f32; 2]) -> [f32; 2] {
        let [x, y] = place;
        let frames = t as f32;
        match self {
            Self::Pan => [x + 3.0 * frames - 60.0, y + frames - 20.0],
            Self::SubpixelPan => [x + 2.5 * frames - 50.0, y + 0.75 * frames - 15.0],
            Self::Rotation => {
                let (sine, cosine) = (0.5 * frames).to_radians().sin_cos();
                [cosine * x - sine * y, sine * x + cosine * y]
            }
            Self::Zoom => {
                let scale = 1.2 * 1.01_f32.powf(-frames);
                [scale * x, scale * y]
            }
            Self::Warp => {
                let [dx, dy] = warp(t, place);
                [x + dx, y + dy]
            }
            Self::Still => place,
        }
    }

    /// Where `place` of frame `from` lies in frame `to`.
    pub fn between(self, from: usize, to: usize, place: [f32; 2]) -> [f32; 2] {
        let [x, y] = self.in_still(from, place);
        let frames = to as f32;
        match self {
            Self::Pan => [x - 3.0 * frames + 60.0, y - frames + 20.0],
            Self::SubpixelPan => [x - 2.5 * frames + 50.0, y - 0.75 * frames + 15.0],
            Self::Rotation => {
                let (sine, cosine) = (0.5 * frames).to_radians().sin_cos();
                [cosine * x + sine * y, cosine * y - sine * x]
            }
            Self::Zoom => {
                let scale = 1.2 * 1.01_f32.powf(-frames);
                [x / scale, y / scale]
            }
            Self::Warp => {
                let mut place = [x, y];
                for _ in 0..INVERSIONS {
                    let [dx, dy] = warp(to, place);
                    place = [x - dx, y - dy];
                }
                place
            }
            Self::Still => place,
        }
    }
}

/// The displacement of a place by the warp of frame `t`.
fn warp(t: usize, [x, y]: [f32; 2]) -> [f32; 2] {
    let swing = (TAU * t as f32 / SWING).sin();
    let mut sum = [0.0; 2];
    for [length, direction, phase, across, down] in WAVES {
        let (sine, cosine) = (TAU * direction).sin_cos();
        let wave = (TAU * ((cosine * x + sine * y) / length + phase)).sin();
        sum[0] += swing * across * wave;
        sum[1] += swing * down * wave;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_same_in_the_still() {
        for (motion, name) in KnownMotion::NAMES {
            for (from, to) in [(0, 0), (3, 4), (8, 18), (29, 1)] {
                for place in [[0.0, 0.0], [-70.0, 33.5], [79.5, -79.5]] {
                    let a = motion.in_still(from, place);
                    let b = motion.in_still(to, motion.between(from, to, place));
                    let off = (a[0] - b[0]).hypot(a[1] - b[1]);
                    assert!(off < 1e-3, "{name} from {from} to {to} at {place:?}: {off}");
                }
            }
        }
    }
}
