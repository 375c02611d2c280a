use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::plane::{Band, Plane, least_bands};
use super::pyramid::Level;
use crate::Size;

/// Columns and rows of a patch.
const PATCH: usize = 8;

/// Pixels of a patch.
const AREA: f32 = (PATCH * PATCH) as f32;

/// A row of a patch.
type Lanes = [f32; PATCH];

/// How far the upper left corner of a patch may lie beyond the upper left and the lower right
/// corner of the picture: what the margins have.
const BEYOND: [f32; 2] = [-15.0, 6.0];

/// A patch that would move by less than this has arrived; pixels, squared.
const ARRIVED: f32 = 0.015 * 0.015;

/// Displacements nearer than this are the same to the descent; pixels, squared.
const DISTINCT: f32 = 1.0;

/// A descent that ends this far from its start has lost its patch; pixels, squared.
const LOST: f32 = 16.0;

/// Iterations after a patch took the displacement of a neighbour.
const ADOPTED: usize = 4;

/// Added to the diagonal of the Hessian, so that what is flat stays where it is; squares of luma.
const DAMPING: f32 = 16.0;

/// Squared differences of luma up to which pixels count fully where patches are laid over each
/// other.
const AGREEING: f32 = 4.0;

/// Rows that are laid out together.
const ROWS: usize = 16;

/// How the patches of a level are searched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Pixels from one patch to the next.
    pub(super) stride: usize,
    /// Most iterations of the descent.
    pub(super) iterations: usize,
    /// How often what patches found is passed on through the whole picture.
    pub(super) passes: usize,
}

/// The patches of a level, and where they were found.
///
/// Dense inverse search (Kroeger et al., ECCV 2016): patches that overlap are each brought to
/// agreement with the other image by inverse compositional Gauss-Newton on differences less their
/// mean, from what was found at half the size.
#[derive(Debug)]
pub(super) struct Patches {
    size: Size,
    search: Search,
    columns: usize,
    rows: usize,
    /// Row after row.
    found: Vec<Found>,
    next: Vec<Found>,
}

/// Where a patch was found.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// Along x and y, in pixels of the level.
    displacement: [f32; 2],
    /// Sum of the squared differences, less their mean.
    ssd: f32,
}

impl Patches {
    pub(super) fn new(size: Size, search: Search) -> Self {
        let count = |length: usize| 1 + length.saturating_sub(PATCH).div_ceil(search.stride);
        let (columns, rows) = (count(size.width), count(size.height));
        Self {
            size,
            search,
            columns,
            rows,
            found: vec![Found::default(); columns * rows],
            next: vec![Found::default(); columns * rows],
        }
    }

    /// The upper left corner of the patch in a row and a column.
    #[inline(always)]
    fn corner(&self, column: usize, row: usize) -> [usize; 2] {
        let start =
            |i: usize, length: usize| (i * self.search.stride).min(length.saturating_sub(PATCH));
        [start(column, self.size.width), start(row, self.size.height)]
    }

    /// Finds, for every patch of `template`, where in `image` it lies. `coarser` is the flow at
    /// half the size; without it, patches are looked for where they are.
    pub(super) fn search(
        &mut self,
        arch: Arch,
        template: &Level,
        image: &Plane,
        coarser: Option<[&Plane; 2]>,
    ) {
        let least = least_bands(self.size, self.search.stride);
        let mut found = std::mem::take(&mut self.found);
        found
            .par_chunks_exact_mut(self.columns)
            .enumerate()
            .with_min_len(least)
            .for_each(|(row, found)| {
                arch.dispatch(DescendRow {
                    patches: self,
                    template,
                    image,
                    coarser,
                    row,
                    found,
                });
            });
        for pass in 0..self.search.passes {
            arch.dispatch(Propagate {
                patches: self,
                template,
                image,
                found: &mut found,
                backwards: !pass.is_multiple_of(2),
            });
        }
        if self.search.passes == 0 {
            let mut next = std::mem::take(&mut self.next);
            next.par_chunks_exact_mut(self.columns)
                .enumerate()
                .with_min_len(least)
                .for_each(|(row, next)| {
                    arch.dispatch(AskNeighbours {
                        patches: self,
                        template,
                        image,
                        found: &found,
                        row,
                        next,
                    });
                });
            self.next = std::mem::replace(&mut found, next);
        }
        self.found = found;
    }

    /// Lays the patches out as a flow for every pixel: the mean of the displacements of those that
    /// cover it, weighted by how well each agrees with the images there.
    pub(super) fn densify(
        &self,
        arch: Arch,
        template: &Plane,
        image: &Plane,
        flow: &mut [Plane; 2],
        weights: &mut Plane,
    ) {
        let [u, v] = flow;
        u.bands_mut(ROWS)
            .zip(v.bands_mut(ROWS))
            .zip(weights.bands_mut(ROWS))
            .enumerate()
            .with_min_len(least_bands(self.size, ROWS))
            .for_each(|(i, ((mut u, mut v), mut weights))| {
                arch.dispatch(DensifyBand {
                    patches: self,
                    template,
                    image,
                    top: i * ROWS,
                    flow: [&mut u, &mut v],
                    weights: &mut weights,
                });
            });
    }
}

/// Searches a row of patches.
struct DescendRow<'a> {
    patches: &'a Patches,
    template: &'a Level,
    image: &'a Plane,
    coarser: Option<[&'a Plane; 2]>,
    row: usize,
    found: &'a mut [Found],
}

impl WithSimd for DescendRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            patches,
            template,
            image,
            coarser,
            row,
            found,
        } = self;
        for (column, found) in found.iter_mut().enumerate() {
            let corner = patches.corner(column, row);
            let patch = Patch::cut(template, corner);
            let mut start = [0.0; 2];
            let mut comparison = None;
            if let Some(coarser) = coarser {
                // What the patch itself had at half the size, then those beside it.
                for beside in [[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]] {
                    let displacement = coarser_at(coarser, corner, beside);
                    match &comparison {
                        Some(_) if distance(displacement, start) < DISTINCT => {}
                        Some(Comparison { ssd, .. }) => {
                            let other = patch.compare(image, displacement);
                            if other.ssd < *ssd {
                                start = displacement;
                                comparison = Some(other);
                            }
                        }
                        None => {
                            start = displacement;
                            comparison = Some(patch.compare(image, displacement));
                        }
                    }
                }
            }
            *found = patch.descend(image, start, comparison, patches.search.iterations);
        }
    }
}

/// The flow of half the size, some half patches beside the patch at `corner`, at full size.
#[inline(always)]
fn coarser_at(coarser: [&Plane; 2], corner: [usize; 2], beside: [isize; 2]) -> [f32; 2] {
    let Size { width, height } = coarser[0].size();
    let half = (PATCH / 2) as isize;
    let x = (corner[0] as isize + half) / 2 + beside[0] * half;
    let y = (corner[1] as isize + half) / 2 + beside[1] * half;
    let (x, y) = (
        x.clamp(0, width as isize - 1),
        y.clamp(0, height as isize - 1),
    );
    let at = coarser[0].index(x, y);
    [2.0 * coarser[0].values()[at], 2.0 * coarser[1].values()[at]]
}

/// The squared distance of two displacements.
#[inline(always)]
fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    let (x, y) = (a[0] - b[0], a[1] - b[1]);
    x * x + y * y
}

/// Offers every patch what the ones left of and above it found, or right of and below it, from
/// one corner of the picture to the other: a good find travels far.
struct Propagate<'a> {
    patches: &'a Patches,
    template: &'a Level,
    image: &'a Plane,
    found: &'a mut [Found],
    backwards: bool,
}

impl WithSimd for Propagate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            patches,
            template,
            image,
            found,
            backwards,
        } = self;
        let Patches { columns, rows, .. } = *patches;
        for i in 0..columns * rows {
            let at = if backwards { columns * rows - 1 - i } else { i };
            let (column, row) = (at % columns, at / columns);
            let offers = if backwards {
                [
                    (column + 1 < columns).then_some(at + 1),
                    (row + 1 < rows).then_some(at + columns),
                ]
            } else {
                [
                    at.checked_sub(1).filter(|_| column > 0),
                    at.checked_sub(columns),
                ]
            };
            found[at] = patches.consider(template, image, found, at, &offers);
        }
    }
}

/// Offers every patch of a row what those around it found.
struct AskNeighbours<'a> {
    patches: &'a Patches,
    template: &'a Level,
    image: &'a Plane,
    found: &'a [Found],
    row: usize,
    next: &'a mut [Found],
}

impl WithSimd for AskNeighbours<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            patches,
            template,
            image,
            found,
            row,
            next,
        } = self;
        let Patches { columns, rows, .. } = *patches;
        for (column, next) in next.iter_mut().enumerate() {
            let at = row * columns + column;
            let offers = [
                at.checked_sub(1).filter(|_| column > 0),
                (column + 1 < columns).then_some(at + 1),
                at.checked_sub(columns),
                (row + 1 < rows).then_some(at + columns),
            ];
            *next = patches.consider(template, image, found, at, &offers);
        }
    }
}

impl Patches {
    /// What patch `at` found, or what one of others did where it suits the patch better.
    #[inline(always)]
    fn consider(
        &self,
        template: &Level,
        image: &Plane,
        found: &[Found],
        at: usize,
        others: &[Option<usize>],
    ) -> Found {
        let own = found[at];
        let mut offers = [[0.0; 2]; 4];
        let mut count = 0;
        for &other in others.iter().flatten() {
            let displacement = found[other].displacement;
            if distance(displacement, own.displacement) >= DISTINCT {
                offers[count] = displacement;
                count += 1;
            }
        }
        if count == 0 {
            return own;
        }
        let patch = Patch::cut(template, self.corner(at % self.columns, at / self.columns));
        let mut best = None;
        let mut ssd = own.ssd;
        for &displacement in &offers[..count] {
            let comparison = patch.compare(image, displacement);
            if comparison.ssd < ssd {
                ssd = comparison.ssd;
                best = Some((displacement, comparison));
            }
        }
        match best {
            Some((displacement, comparison)) => {
                patch.descend(image, displacement, Some(comparison), ADOPTED)
            }
            None => own,
        }
    }
}

/// Lays the patches out in some rows.
struct DensifyBand<'a, 'b> {
    patches: &'a Patches,
    template: &'a Plane,
    image: &'a Plane,
    top: usize,
    flow: [&'a mut Band<'b>; 2],
    weights: &'a mut Band<'b>,
}

impl WithSimd for DensifyBand<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            patches,
            template,
            image,
            top: first,
            flow: [u, v],
            weights,
        } = self;
        let Size { width, height } = patches.size;
        let end = first + u.rows();
        for y in 0..u.rows() {
            u.row(y).fill(0.0);
            v.row(y).fill(0.0);
            weights.row(y).fill(0.0);
        }
        for (i, found) in patches.found.iter().enumerate() {
            let [left, top] = patches.corner(i % patches.columns, i / patches.columns);
            let rows = top.max(first)..(top + PATCH.min(height)).min(end);
            if rows.is_empty() {
                continue;
            }
            let at = Sampler::new(image, [left, top], found.displacement);
            let mut above = at.between_columns(rows.start - top);
            for y in rows {
                let below = at.between_columns(y + 1 - top);
                let sampled = at.between_rows(&above, &below);
                above = below;
                let own = template.index(left as isize, y as isize);
                let own = &template.values()[own..].as_chunks::<PATCH>().0[0];
                let mut weight = [0.0; PATCH];
                for x in 0..PATCH {
                    let difference = sampled[x] - own[x];
                    weight[x] = 1.0 / (difference * difference).max(AGREEING);
                }
                let [du, dv] = found.displacement;
                let y = y - first;
                add_scaled(&weight, du, &mut u.row(y)[left..]);
                add_scaled(&weight, dv, &mut v.row(y)[left..]);
                add_scaled(&weight, 1.0, &mut weights.row(y)[left..]);
            }
        }
        for y in 0..u.rows() {
            let (u, v, weights) = (u.row(y), v.row(y), weights.row(y));
            let (u, v, weights) = (&mut u[..width], &mut v[..width], &weights[..width]);
            for x in 0..width {
                let inverse = 1.0 / weights[x];
                u[x] *= inverse;
                v[x] *= inverse;
            }
        }
    }
}

/// Adds a row of a patch to what lies below it; less where the picture is narrower.
#[inline(always)]
fn add_scaled(lanes: &Lanes, scale: f32, sums: &mut [f32]) {
    if let Some(sums) = sums.first_chunk_mut::<PATCH>() {
        for i in 0..PATCH {
            sums[i] += scale * lanes[i];
        }
    } else {
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            *sum += scale * lane;
        }
    }
}

/// Reads a patch of an image from between its pixels.
struct Sampler<'a> {
    values: &'a [f32],
    stride: usize,
    /// Weights of what lies left and right, above and below.
    x: [f32; 2],
    y: [f32; 2],
}

impl<'a> Sampler<'a> {
    #[inline(always)]
    fn new(image: &'a Plane, corner: [usize; 2], displacement: [f32; 2]) -> Self {
        let Size { width, height } = image.size();
        let place = |corner: usize, displacement: f32, length: usize| {
            let at = corner as f32 + displacement;
            let at = at.max(BEYOND[0]).min(length as f32 + BEYOND[1]);
            let whole = at.floor();
            let part = at - whole;
            (whole as isize, [1.0 - part, part])
        };
        let (left, x) = place(corner[0], displacement[0], width);
        let (top, y) = place(corner[1], displacement[1], height);
        let stride = image.stride();
        Self {
            values: &image.values()[image.index(left, top)..][..PATCH * stride + PATCH + 1],
            stride,
            x,
            y,
        }
    }

    /// Row `y` of the image, between its columns.
    #[inline(always)]
    fn between_columns(&self, y: usize) -> Lanes {
        let row = &self.values[y * self.stride..][..PATCH + 1];
        let mut between = [0.0; PATCH];
        for i in 0..PATCH {
            between[i] = self.x[0] * row[i] + self.x[1] * row[i + 1];
        }
        between
    }

    #[inline(always)]
    fn between_rows(&self, above: &Lanes, below: &Lanes) -> Lanes {
        let mut between = [0.0; PATCH];
        for i in 0..PATCH {
            between[i] = self.y[0] * above[i] + self.y[1] * below[i];
        }
        between
    }
}

/// What is looked for.
struct Patch {
    corner: [usize; 2],
    luma: [Lanes; PATCH],
    dx: [Lanes; PATCH],
    dy: [Lanes; PATCH],
    /// Means of the derivatives.
    slope: [f32; 2],
    /// Inverse of the Hessian: xx, xy, yy.
    inverse: [f32; 3],
}

struct Comparison {
    /// Sum of the squared differences, less their mean.
    ssd: f32,
    /// Half of its derivatives along x and y.
    gradient: [f32; 2],
}

impl Patch {
    #[inline(always)]
    fn cut(level: &Level, corner: [usize; 2]) -> Self {
        let luma = block(&level.luma, corner);
        let dx = block(&level.dx, corner);
        let dy = block(&level.dy, corner);
        let mut sums = [[0.0; PATCH]; 5];
        for row in 0..PATCH {
            for i in 0..PATCH {
                let (dx, dy) = (dx[row][i], dy[row][i]);
                sums[0][i] += dx;
                sums[1][i] += dy;
                sums[2][i] += dx * dx;
                sums[3][i] += dx * dy;
                sums[4][i] += dy * dy;
            }
        }
        let [x, y, xx, xy, yy] = [
            sum(&sums[0]),
            sum(&sums[1]),
            sum(&sums[2]),
            sum(&sums[3]),
            sum(&sums[4]),
        ];
        let slope = [x / AREA, y / AREA];
        let xx = xx - x * slope[0] + DAMPING;
        let yy = yy - y * slope[1] + DAMPING;
        let xy = xy - x * slope[1];
        let determinant = xx * yy - xy * xy;
        Self {
            corner,
            luma,
            dx,
            dy,
            slope,
            inverse: [yy / determinant, -xy / determinant, xx / determinant],
        }
    }

    /// Compares the patch with what lies at a displacement.
    #[inline(always)]
    fn compare(&self, image: &Plane, displacement: [f32; 2]) -> Comparison {
        let at = Sampler::new(image, self.corner, displacement);
        let mut sums = [[0.0; PATCH]; 4];
        let mut above = at.between_columns(0);
        for row in 0..PATCH {
            let below = at.between_columns(row + 1);
            let sampled = at.between_rows(&above, &below);
            above = below;
            let (luma, dx, dy) = (&self.luma[row], &self.dx[row], &self.dy[row]);
            for i in 0..PATCH {
                let difference = sampled[i] - luma[i];
                sums[0][i] += difference;
                sums[1][i] += difference * difference;
                sums[2][i] += difference * dx[i];
                sums[3][i] += difference * dy[i];
            }
        }
        let first = sum(&sums[0]);
        Comparison {
            ssd: sum(&sums[1]) - first * first / AREA,
            gradient: [
                sum(&sums[2]) - first * self.slope[0],
                sum(&sums[3]) - first * self.slope[1],
            ],
        }
    }

    /// Inverse compositional Gauss-Newton from `start` on, whose comparison may be known.
    #[inline(always)]
    fn descend(
        &self,
        image: &Plane,
        start: [f32; 2],
        comparison: Option<Comparison>,
        iterations: usize,
    ) -> Found {
        let mut comparison = match comparison {
            Some(comparison) => comparison,
            None => self.compare(image, start),
        };
        let started = Found {
            displacement: start,
            ssd: comparison.ssd,
        };
        let mut best = started;
        for _ in 0..iterations {
            let [xx, xy, yy] = self.inverse;
            let [x, y] = comparison.gradient;
            let step = [xx * x + xy * y, xy * x + yy * y];
            if distance(step, [0.0; 2]) < ARRIVED {
                break;
            }
            let displacement = [
                best.displacement[0] - step[0],
                best.displacement[1] - step[1],
            ];
            comparison = self.compare(image, displacement);
            if comparison.ssd >= best.ssd {
                break;
            }
            best = Found {
                displacement,
                ssd: comparison.ssd,
            };
        }
        if distance(best.displacement, start) > LOST {
            started
        } else {
            best
        }
    }
}

/// The values of a patch.
#[inline(always)]
fn block(plane: &Plane, corner: [usize; 2]) -> [Lanes; PATCH] {
    let values = &plane.values()[plane.index(corner[0] as isize, corner[1] as isize)..];
    let mut block = [[0.0; PATCH]; PATCH];
    for (row, lanes) in block.iter_mut().enumerate() {
        *lanes = values[row * plane.stride()..].as_chunks::<PATCH>().0[0];
    }
    block
}

/// The sum of the lanes, in the same order on all processors.
#[inline(always)]
fn sum(lanes: &Lanes) -> f32 {
    let [a, b, c, d, e, f, g, h] = *lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
