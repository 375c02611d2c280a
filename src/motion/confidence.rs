use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};

use super::plane::{Plane, least_bands};
use super::still::Stillness;
use crate::Size;

/// Rows that a thread takes at a time.
const ROWS: usize = 8;

/// How far there and back again may end from where it began, in cells: so much always, and so
/// much of the way.
const ASTRAY: [f32; 2] = [0.5, 0.05];

/// How many times further it may end from there where the frames agree along the way: bare surfaces
/// do not show how they move, and what moves along with them by a little less is hardly wrong.
const AGREEING: f32 = 4.0;

/// Computes how far the flow can be trusted: 1 up to the limits above, 0 from twice that on, and
/// 0 where it points out of the picture.
///
/// `flow` is from the new frame to the old one on a grid `scale` times as fine as that of
/// `confidence`; `back` is from the old frame to the new one, on the same grid as `confidence`.
pub(super) fn estimate(
    arch: Arch,
    flow: [&Plane; 2],
    back: [&Plane; 2],
    scale: usize,
    stillness: &Stillness,
    confidence: &mut Plane,
) {
    let least = least_bands(confidence.size(), ROWS);
    confidence
        .bands_mut(ROWS)
        .enumerate()
        .with_min_len(least)
        .for_each(|(i, mut band)| {
            for y in 0..band.rows() {
                arch.dispatch(Trust {
                    flow,
                    back,
                    scale,
                    stillness,
                    y: i * ROWS + y,
                    out: band.row(y),
                });
            }
        });
}

/// Computes a row.
struct Trust<'a> {
    flow: [&'a Plane; 2],
    back: [&'a Plane; 2],
    scale: usize,
    stillness: &'a Stillness,
    y: usize,
    out: &'a mut [f32],
}

impl WithSimd for Trust<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            flow,
            back,
            scale,
            stillness,
            y,
            out,
        } = self;
        let Size { width, height } = back[0].size();
        let row = (y * scale).min(flow[0].size().height - 1);
        let [u, v] = flow.map(|plane| plane.row(row as isize));
        let stride = back[0].stride();
        let [most_x, most_y] = [width, height].map(|length| length as f32 - 0.5);
        for (x, out) in out.iter_mut().enumerate() {
            let column = (x * scale).min(u.len() - 1);
            let (du, dv) = (u[column] / scale as f32, v[column] / scale as f32);
            let (at_x, at_y) = (x as f32 + du, y as f32 + dv);
            let inside = at_x > -0.5 && at_x < most_x && at_y > -0.5 && at_y < most_y;
            if !inside {
                *out = 0.0;
                continue;
            }
            let (left, top) = (at_x.floor(), at_y.floor());
            let (right, below) = (at_x - left, at_y - top);
            let at = back[0].index(left as isize, top as isize);
            let sample = |plane: &Plane| {
                let values = &plane.values()[at..][..stride + 2];
                let above = values[0] + right * (values[1] - values[0]);
                let bottom = values[stride] + right * (values[stride + 1] - values[stride]);
                above + below * (bottom - above)
            };
            let (back_u, back_v) = (sample(back[0]), sample(back[1]));
            let (off_u, off_v) = (du + back_u, dv + back_v);
            let way = (du * du + dv * dv + back_u * back_u + back_v * back_v).sqrt();
            let [different, agreement] = stillness.comparison(column, row);
            let limit = (ASTRAY[0] + ASTRAY[1] * way) * (1.0 + (AGREEING - 1.0) * agreement);
            let astray = (off_u * off_u + off_v * off_v).sqrt() / limit;
            *out = (2.0 - astray).clamp(0.0, 1.0) * (2.0 - different).clamp(0.0, 1.0);
        }
    }
}
