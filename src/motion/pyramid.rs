use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};

use super::plane::{Plane, least_bands};
use crate::Size;
use crate::frame::{Frame, Row};

/// Rows that a thread takes at a time.
const ROWS: usize = 8;

/// Shorter side of the coarsest level, at least, where the frame has as much.
const COARSEST: usize = 10;

/// Weights of red, green and blue in 256ths of luma (BT.601).
const LUMA: [u32; 3] = [77, 150, 29];

/// Luma at which the tone curve has half its height, before it is stretched to 255.
const KNEE: f32 = 100.0;

/// Luma of a frame at several sizes, each half of the one before, and its derivatives.
#[derive(Debug)]
pub(super) struct Pyramid {
    factor: usize,
    /// The finest first.
    pub(super) levels: Vec<Level>,
}

/// One size of a [`Pyramid`].
#[derive(Debug)]
pub(super) struct Level {
    /// Luma in [0, 255], through the tone curve.
    pub(super) luma: Plane,
    /// Its central differences along x and y.
    pub(super) dx: Plane,
    pub(super) dy: Plane,
}

impl Level {
    fn zeros(size: Size) -> Self {
        let zeros = || Plane::zeros(size);
        Self {
            luma: zeros(),
            dx: zeros(),
            dy: zeros(),
        }
    }

    pub(super) fn size(&self) -> Size {
        self.luma.size()
    }
}

/// The size of which every pixel stands for `factor` x `factor` of `size`, or what is left of
/// them at the right and bottom edges.
pub(super) fn reduced(size: Size, factor: usize) -> Size {
    Size::new(size.width.div_ceil(factor), size.height.div_ceil(factor))
}

impl Pyramid {
    /// For frames of `size`, whose width and height the finest level has divided by `factor`.
    pub(super) fn new(size: Size, factor: usize) -> Self {
        let mut size = reduced(size, factor);
        let mut levels = vec![Level::zeros(size)];
        while size.width.min(size.height) >= 2 * COARSEST {
            size = reduced(size, 2);
            levels.push(Level::zeros(size));
        }
        Self { factor, levels }
    }

    /// Takes `frame` in, whose size must be the one given to `new`.
    pub(super) fn fill(&mut self, arch: Arch, frame: &Frame<'_>) {
        for i in 0..self.levels.len() {
            let (finer, level) = self.levels.split_at_mut(i);
            let Level { luma, dx, dy } = &mut level[0];
            let least = least_bands(luma.size(), ROWS);
            match finer.last() {
                None => reduce_frame(arch, frame, self.factor, luma),
                Some(finer) => luma
                    .bands_mut(ROWS)
                    .enumerate()
                    .with_min_len(least)
                    .for_each(|(i, mut band)| {
                        for y in 0..band.rows() {
                            let from = 2 * (i * ROWS + y) as isize;
                            let rows = [from, from + 1].map(|y| finer.luma.wide_row(y, 1));
                            arch.dispatch(Halve(rows, band.row(y)));
                        }
                    }),
            }
            luma.fill_margins();
            let luma = &*luma;
            dx.bands_mut(ROWS)
                .zip(dy.bands_mut(ROWS))
                .enumerate()
                .with_min_len(least)
                .for_each(|(i, (mut dx, mut dy))| {
                    for y in 0..dx.rows() {
                        let at = (i * ROWS + y) as isize;
                        let rows = [at - 1, at, at + 1].map(|y| luma.wide_row(y, 1));
                        arch.dispatch(Differentiate(rows, dx.row(y), dy.row(y)));
                    }
                });
            dx.fill_margins();
            dy.fill_margins();
        }
    }
}

/// Writes means of 2x2 pixels of the two rows, which have a column more on either side.
struct Halve<'a>([&'a [f32]; 2], &'a mut [f32]);

impl WithSimd for Halve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(rows, out) = self;
        let [above, below] = rows.map(|row| row[1..].as_chunks::<2>().0);
        for ((out, above), below) in out.iter_mut().zip(above).zip(below) {
            *out = 0.25 * ((above[0] + above[1]) + (below[0] + below[1]));
        }
    }
}

/// Writes central differences along x and y of the middle one of three rows, which have a column
/// more on either side.
struct Differentiate<'a>([&'a [f32]; 3], &'a mut [f32], &'a mut [f32]);

impl WithSimd for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self([above, at, below], dx, dy) = self;
        let width = dx.len();
        let (left, right) = (&at[..width], &at[2..][..width]);
        let (above, below) = (&above[1..][..width], &below[1..][..width]);
        let dy = &mut dy[..width];
        for x in 0..width {
            dx[x] = 0.5 * (right[x] - left[x]);
            dy[x] = 0.5 * (below[x] - above[x]);
        }
    }
}

/// Luma of a frame at a size reduced by `factor`, through the tone curve.
fn reduce_frame(arch: Arch, frame: &Frame<'_>, factor: usize, luma: &mut Plane) {
    let least = least_bands(luma.size(), ROWS);
    let height = frame.size().height;
    luma.bands_mut(ROWS)
        .enumerate()
        .with_min_len(least)
        .for_each(|(i, mut band)| {
            for y in 0..band.rows() {
                let first = (i * ROWS + y) * factor;
                let out = band.row(y);
                out.fill(0.0);
                for row in first..first + factor {
                    let row = frame.row(row.min(height - 1));
                    arch.dispatch(AddLuma { row, factor, out });
                }
                arch.dispatch(ToneCurve {
                    scale: 1.0 / (256 * factor * factor) as f32,
                    out,
                });
            }
        });
}

/// Lifts shadows: what is dark moves as much as what is bright, and with less contrast. In the
/// middle it is close to a logarithm, which turns a change of exposure into one of brightness;
/// that is what the search takes out.
struct ToneCurve<'a> {
    scale: f32,
    out: &'a mut [f32],
}

impl WithSimd for ToneCurve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for out in self.out {
            let luma = *out * self.scale;
            *out = luma * (255.0 + KNEE) / (luma + KNEE);
        }
    }
}

/// Adds the luma of `factor` neighbours in a row to each value, in 256ths.
struct AddLuma<'a> {
    row: Row<'a>,
    factor: usize,
    out: &'a mut [f32],
}

impl WithSimd for AddLuma<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { row, factor, out } = self;
        // Known distances let the compiler load whole vectors.
        match (row.step, factor) {
            (1, 2) => add_luma::<1, 2>(&row, out),
            (3, 2) => add_luma::<3, 2>(&row, out),
            (4, 2) => add_luma::<4, 2>(&row, out),
            (3, 4) => add_luma::<3, 4>(&row, out),
            (4, 4) => add_luma::<4, 4>(&row, out),
            _ => add_any_luma(&row, 0, factor, out),
        }
    }
}

#[inline(always)]
fn add_luma<const STEP: usize, const FACTOR: usize>(row: &Row<'_>, out: &mut [f32]) {
    let whole = row.width / FACTOR;
    // The last pixels may lack the bytes behind their samples.
    let blocks = whole.saturating_sub(1);
    let bytes = blocks * FACTOR * STEP;
    let [red, green, blue] = row
        .samples
        .map(|samples| &samples[..bytes.min(samples.len())]);
    let blocks = red
        .chunks_exact(FACTOR * STEP)
        .zip(green.chunks_exact(FACTOR * STEP));
    let blocks = blocks.zip(blue.chunks_exact(FACTOR * STEP));
    let mut done = 0;
    for (out, ((red, green), blue)) in out.iter_mut().zip(blocks) {
        let mut sum = 0;
        for i in 0..FACTOR {
            sum += LUMA[0] * u32::from(red[i * STEP])
                + LUMA[1] * u32::from(green[i * STEP])
                + LUMA[2] * u32::from(blue[i * STEP]);
        }
        *out += sum as i32 as f32;
        done += 1;
    }
    add_any_luma(row, done, FACTOR, out);
}

/// From column `first` of the output on, repeating the last pixel where the row ends.
#[inline(always)]
fn add_any_luma(row: &Row<'_>, first: usize, factor: usize, out: &mut [f32]) {
    for (x, out) in out.iter_mut().enumerate().skip(first) {
        let mut sum = 0;
        for x in x * factor..(x + 1) * factor {
            let at = x.min(row.width - 1) * row.step;
            for (samples, weight) in row.samples.iter().zip(LUMA) {
                sum += weight * u32::from(samples[at]);
            }
        }
        *out += sum as i32 as f32;
    }
}
