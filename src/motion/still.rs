use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::plane::{Plane, least_bands};
use super::pyramid::Level;
use crate::Size;

/// Columns and rows of a block.
const BLOCK: usize = 8;

/// Blocks along each side of a region.
const REGION: usize = 4;

/// How much better than none a motion must explain the difference of two frames: the square of
/// its distance from zero in standard deviations. Noise that is the same everywhere gets that far
/// once in 10^8 blocks, but the tone curve makes it larger in shadows, and codecs in places.
const SIGNIFICANT: f32 = 40.0;

/// How much larger the squared differences without motion may be than those with it. A motion by
/// half a pixel alone gets rid of a third of what noise makes, as it takes means of pixels, and one
/// that may be another in each pixel of more. Where there is texture, a large motion cannot.
const ALIKE: f32 = 8.0;
const ALIKE_TELLING: f32 = 2.5;

/// The squared difference of luma that rounding to 8 bits makes in shadows.
const ROUNDING: f32 = 0.1;

/// Squared derivatives, relative to squared differences, from which on a block shows by its
/// texture whether it moves.
const TELLING: f32 = 4.0;

/// The same for what does not move although the camera does.
const CLEAR: f32 = 64.0;

/// Motions less than this are hardly any; pixels, squared.
const NEAR: f32 = 0.25;

/// How different a block may be from what it is said to have been, as a standard deviation of
/// luma: so much always, and so much for each unit of its derivatives.
const DIFFERENT: [f32; 2] = [3.0, 0.5];

/// How much brighter or darker a block may be, in luma, than what it is said to have been, to be taken
/// for the same.
const BRIGHTER: f32 = 4.0;

/// Of the eight blocks around one that does not move although the camera does, those that must not
/// either.
const COMPANY: usize = 3;

/// How much further than a region a block is said to move that has its motion from elsewhere.
const FURTHER: f32 = 4.0;

/// What two frames say about the motion of a block.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// Mean squared difference where the flow points to, and without motion. Changes of brightness
    /// and of contrast are no difference.
    moved: f32,
    unmoved: f32,
    /// How much brighter it is than it was without motion, and than where the flow points to.
    brighter: [f32; 2],
    /// Mean squared derivatives.
    texture: f32,
    /// The normal equations of a small motion, in units of the difference's variance: xx, xy, yy
    /// of the Hessian, x and y of the gradient.
    hessian: [f32; 3],
    gradient: [f32; 2],
    /// The largest squared motion in it; pixels.
    farthest: f32,
}

impl Block {
    /// Whether there may be no motion.
    fn may_be_still(&self) -> bool {
        let alike = if self.is_telling() && self.farthest > 1.0 {
            ALIKE_TELLING
        } else {
            ALIKE
        };
        self.unmoved <= alike * self.moved + ROUNDING
            && significance(&self.hessian, &self.gradient) < SIGNIFICANT
    }

    /// Whether its motion is hardly any.
    fn is_near(&self) -> bool {
        self.farthest < NEAR
    }

    /// Whether there is texture enough to see a motion.
    fn is_telling(&self) -> bool {
        self.texture > TELLING * (self.unmoved.min(self.moved) + ROUNDING)
    }

    /// How different the frames are, relative to what is to be expected. Without motion, if
    /// there is none.
    fn difference(&self, still: bool) -> f32 {
        let squares = if still { self.unmoved } else { self.moved };
        squares.sqrt() / (DIFFERENT[0] + DIFFERENT[1] * self.texture.sqrt())
    }

    /// How far the frames agree, without motion, if there is none: 1 if what differs is half of what is
    /// to be expected, and brightness hardly does.
    fn agreement(&self, still: bool) -> f32 {
        let brighter = self.brighter[usize::from(!still)].abs() / BRIGHTER;
        let alike = |difference: f32| (2.0 - 2.0 * difference).clamp(0.0, 1.0);
        alike(self.difference(still)) * alike(brighter)
    }

    /// Whether any motion would have made much more of a difference than there is.
    fn shows_stillness(&self) -> bool {
        self.texture > CLEAR * (self.unmoved + ROUNDING)
    }
}

/// The length of the best small motion, in pixels.
fn displacement(&[xx, xy, yy]: &[f32; 3], &[x, y]: &[f32; 2]) -> f32 {
    let damping = 1e-3 * (xx + yy) + 1e-6;
    let (xx, yy) = (xx + damping, yy + damping);
    let determinant = xx * yy - xy * xy;
    (yy * x - xy * y).hypot(xx * y - xy * x) / determinant
}

/// The squared distance of the best small motion from zero, in standard deviations.
fn significance(&[xx, xy, yy]: &[f32; 3], &[x, y]: &[f32; 2]) -> f32 {
    let damping = 1e-3 * (xx + yy) + 1e-6;
    let (xx, yy) = (xx + damping, yy + damping);
    let determinant = xx * yy - xy * xy;
    (yy * x * x - 2.0 * xy * x * y + xx * y * y) / determinant
}

/// Tells what does not move, so that it has no motion at all and not the little that noise makes.
#[derive(Debug)]
pub(super) struct Stillness {
    size: Size,
    columns: usize,
    rows: usize,
    /// Row after row.
    blocks: Vec<Block>,
    still: Vec<bool>,
    /// The same, before those without company are taken out.
    alone: Vec<bool>,
    /// How different the frames are in each block, relative to what is to be expected.
    different: Vec<f32>,
    /// How far they agree, up to 1.
    agreement: Vec<f32>,
}

impl Stillness {
    pub(super) fn new(size: Size) -> Self {
        let columns = size.width.div_ceil(BLOCK);
        let rows = size.height.div_ceil(BLOCK);
        Self {
            size,
            columns,
            rows,
            blocks: vec![Block::default(); columns * rows],
            still: vec![false; columns * rows],
            alone: vec![false; columns * rows],
            different: vec![0.0; columns * rows],
            agreement: vec![0.0; columns * rows],
        }
    }

    /// How different the frames are where the flow points to from a pixel, around which four
    /// blocks lie: up to 1 is to be expected. And how far they agree, up to 1.
    #[inline(always)]
    pub(super) fn comparison(&self, x: usize, y: usize) -> [f32; 2] {
        let place = |at: usize, count: usize| {
            let at = (at as f32 + 0.5) / BLOCK as f32 - 0.5;
            let at = at.max(0.0).min((count - 1) as f32);
            let first = at as usize;
            (first, (first + 1).min(count - 1), at - first as f32)
        };
        let (left, right, x) = place(x, self.columns);
        let (top, bottom, y) = place(y, self.rows);
        [&self.different, &self.agreement].map(|values| {
            let [above, below] = [top, bottom].map(|row| {
                let row = &values[row * self.columns..][..self.columns];
                row[left] + x * (row[right] - row[left])
            });
            above + y * (below - above)
        })
    }

    /// Sets the flow to zero where nothing moves; says whether that is everywhere. `moved` is the old
    /// frame, sampled where the flow points to.
    pub(super) fn settle(
        &mut self,
        arch: Arch,
        new: &Level,
        old: &Level,
        moved: &Plane,
        flow: &mut [Plane; 2],
    ) -> bool {
        let [u, v] = flow;
        let (columns, size) = (self.columns, self.size);
        {
            let flow = [&*u, &*v];
            self.blocks
                .par_chunks_exact_mut(columns)
                .enumerate()
                .with_min_len(least_bands(size, BLOCK))
                .for_each(|(row, blocks)| {
                    arch.dispatch(LookAtBlocks {
                        new,
                        old,
                        moved,
                        flow,
                        row,
                        blocks,
                    });
                });
        }
        self.decide();
        let blocks = self.blocks.iter().zip(&self.still);
        let found = self.different.iter_mut().zip(&mut self.agreement);
        for ((different, agreement), (block, &still)) in found.zip(blocks) {
            *different = block.difference(still);
            *agreement = block.agreement(still);
        }
        let still = &self.still;
        u.bands_mut(BLOCK)
            .zip(v.bands_mut(BLOCK))
            .enumerate()
            .with_min_len(least_bands(size, BLOCK))
            .for_each(|(row, (mut u, mut v))| {
                let still = &still[row * columns..][..columns];
                for y in 0..u.rows() {
                    for band in [&mut u, &mut v] {
                        for (values, &still) in band.row(y).chunks_mut(BLOCK).zip(still) {
                            if still {
                                values.fill(0.0);
                            }
                        }
                    }
                }
            });
        still.iter().all(|&still| still)
    }

    /// Decides which blocks are still.
    fn decide(&mut self) {
        let (mut telling, mut still) = (0, 0);
        for (is_still, block) in self.still.iter_mut().zip(&self.blocks) {
            *is_still = block.may_be_still();
            if block.is_telling() {
                telling += 1;
                still += usize::from(*is_still);
            }
        }
        // Blocks that alone may be still can together be seen to move: slowly, all the same way.
        for size in [REGION, usize::MAX] {
            for top in (0..self.rows).step_by(size.min(self.rows)) {
                for left in (0..self.columns).step_by(size.min(self.columns)) {
                    self.decide_region(left, top, size);
                }
            }
        }
        if 2 * still < telling {
            self.follow_camera();
        }
    }

    /// If the camera moves, what has little texture moves along as its neighbours do, and what
    /// does not, like a caption, must show it clearly: it looks the same as before.
    fn follow_camera(&mut self) {
        for (still, block) in self.still.iter_mut().zip(&self.blocks) {
            *still &= block.is_near() || block.shows_stillness();
        }
        self.alone.copy_from_slice(&self.still);
        for at in 0..self.blocks.len() {
            if self.still[at] && !self.blocks[at].is_near() && self.company(at) < COMPANY {
                self.still[at] = false;
            }
        }
    }

    /// How many of the eight blocks around one are still.
    fn company(&self, at: usize) -> usize {
        let (column, row) = (at % self.columns, at / self.columns);
        let rows = row.saturating_sub(1)..(row + 2).min(self.rows);
        let around = rows.flat_map(|row| {
            let columns = column.saturating_sub(1)..(column + 2).min(self.columns);
            &self.alone[row * self.columns..][columns]
        });
        around.filter(|still| **still).count() - usize::from(self.alone[at])
    }

    /// Takes out the blocks of a region that together are seen to move. Those said to move much
    /// further stay: it is not their motion, they have it from neighbours.
    fn decide_region(&mut self, left: usize, top: usize, size: usize) {
        let right = left.saturating_add(size).min(self.columns);
        let bottom = top.saturating_add(size).min(self.rows);
        let (mut hessian, mut gradient) = ([0.0; 3], [0.0; 2]);
        for row in top..bottom {
            for at in row * self.columns + left..row * self.columns + right {
                if self.still[at] {
                    let block = &self.blocks[at];
                    for (sum, value) in hessian.iter_mut().zip(block.hessian) {
                        *sum += value;
                    }
                    for (sum, value) in gradient.iter_mut().zip(block.gradient) {
                        *sum += value;
                    }
                }
            }
        }
        if significance(&hessian, &gradient) >= SIGNIFICANT {
            let far = 1.0 + FURTHER * displacement(&hessian, &gradient);
            for row in top..bottom {
                for at in row * self.columns + left..row * self.columns + right {
                    self.still[at] &= self.blocks[at].farthest > far * far;
                }
            }
        }
    }
}

/// Computes a row of blocks.
struct LookAtBlocks<'a> {
    new: &'a Level,
    old: &'a Level,
    moved: &'a Plane,
    flow: [&'a Plane; 2],
    row: usize,
    blocks: &'a mut [Block],
}

impl WithSimd for LookAtBlocks<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Size { width, height } = self.new.size();
        for column in 0..self.blocks.len() {
            let (left, top) = (column * BLOCK, self.row * BLOCK);
            let columns = BLOCK.min(width - left);
            let rows = BLOCK.min(height - top);
            let block = if columns == BLOCK {
                // Known to be whole, a row is one vector.
                self.look(left, top, BLOCK, rows)
            } else {
                self.look(left, top, columns, rows)
            };
            self.blocks[column] = block;
        }
    }
}

impl LookAtBlocks<'_> {
    #[inline(always)]
    fn look(&self, left: usize, top: usize, columns: usize, rows: usize) -> Block {
        let Self {
            new,
            old,
            moved,
            flow: [u, v],
            ..
        } = self;
        let mut sums = [[0.0; BLOCK]; 17];
        let mut farthest = [0.0_f32; BLOCK];
        for y in top..top + rows {
            let y = y as isize;
            let luma = &new.luma.row(y)[left..][..columns];
            let unmoved = &old.luma.row(y)[left..][..columns];
            let moved = &moved.row(y)[left..][..columns];
            let new_dx = &new.dx.row(y)[left..][..columns];
            let old_dx = &old.dx.row(y)[left..][..columns];
            let new_dy = &new.dy.row(y)[left..][..columns];
            let old_dy = &old.dy.row(y)[left..][..columns];
            let u = &u.row(y)[left..][..columns];
            let v = &v.row(y)[left..][..columns];
            for i in 0..columns {
                let contrast = luma[i];
                let dx = 0.5 * (new_dx[i] + old_dx[i]);
                let dy = 0.5 * (new_dy[i] + old_dy[i]);
                let still = luma[i] - unmoved[i];
                let flown = luma[i] - moved[i];
                sums[0][i] += contrast;
                sums[1][i] += dx;
                sums[2][i] += dy;
                sums[3][i] += still;
                sums[4][i] += flown;
                sums[5][i] += contrast * contrast;
                sums[6][i] += contrast * dx;
                sums[7][i] += contrast * dy;
                sums[8][i] += contrast * still;
                sums[9][i] += contrast * flown;
                sums[10][i] += dx * dx;
                sums[11][i] += dx * dy;
                sums[12][i] += dy * dy;
                sums[13][i] += dx * still;
                sums[14][i] += dy * still;
                sums[15][i] += still * still;
                sums[16][i] += flown * flown;
                farthest[i] = farthest[i].max(u[i] * u[i] + v[i] * v[i]);
            }
        }
        let mut totals = [0.0; 17];
        for (total, lanes) in totals.iter_mut().zip(&sums) {
            let [a, b, c, d, e, f, g, h] = *lanes;
            *total = ((a + e) + (c + g)) + ((b + f) + (d + h));
        }
        let [
            c,
            x,
            y,
            s,
            m,
            cc,
            cx,
            cy,
            cs,
            cm,
            xx,
            xy,
            yy,
            xs,
            ys,
            ss,
            mm,
        ] = totals;
        let pixels = (columns * rows) as f32;
        // Sums of products less what the means and the contrast explain of them.
        let centred = |product: f32, a: f32, b: f32| product - a * b / pixels;
        let (cx, cy) = (centred(cx, c, x), centred(cy, c, y));
        let (cs, cm) = (centred(cs, c, s), centred(cm, c, m));
        let contrast = centred(cc, c, c) + 1e-3 * pixels;
        let rest = |product: f32, a: f32, b: f32, ca: f32, cb: f32| {
            centred(product, a, b) - ca * cb / contrast
        };
        let unmoved = rest(ss, s, s, cs, cs).max(0.0) / pixels;
        let texture = (centred(xx, x, x) + centred(yy, y, y)).max(0.0) / pixels;
        let variance = 1.0 / (unmoved + ROUNDING);
        Block {
            moved: rest(mm, m, m, cm, cm).max(0.0) / pixels,
            unmoved,
            brighter: [s / pixels, m / pixels],
            texture,
            hessian: [
                rest(xx, x, x, cx, cx).max(0.0) * variance,
                rest(xy, x, y, cx, cy) * variance,
                rest(yy, y, y, cy, cy).max(0.0) * variance,
            ],
            gradient: [
                rest(xs, x, s, cx, cs) * variance,
                rest(ys, y, s, cy, cs) * variance,
            ],
            farthest: farthest.into_iter().fold(0.0, f32::max),
        }
    }
}
