use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};

use super::plane::{Band, MARGIN, Plane, least_bands};
use super::pyramid::Level;
use super::split::{Layout, Split, merge, repeat_columns, split, split_part};
use crate::Size;

/// Rows that are solved together.
const ROWS: usize = 24;

/// Columns of which the data term is computed at a time.
const COLUMNS: usize = 64;

/// Weights, relative to smoothness, of constant brightness and of constant derivatives.
const BRIGHTNESS: f32 = 0.25;
const DERIVATIVES: f32 = 0.5;

/// Over-relaxation. Few sweeps need more of it than many.
const OMEGA: f32 = 1.9;

/// Added to the squared derivatives that constancies are divided by, so that noise in flat areas
/// says little.
const NOISE: f32 = 0.1;

/// Added to squares of which a root is taken: below this, differences count as their squares.
const EPSILON: f32 = 0.001 * 0.001;

/// How a level's flow is refined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refine {
    /// How often what is an outlier is told anew.
    pub(super) rounds: usize,
    /// Sweeps over the pixels in each round.
    pub(super) sweeps: usize,
}

/// Variational refinement of one level's flow: the flow sought is smooth except at edges, and the
/// images agree along it in brightness and in its derivatives, except for outliers (Brox et al.,
/// ECCV 2004).
#[derive(Debug)]
pub(super) struct Refinement {
    size: Size,
    /// The data term of every pixel, a quadratic form of its flow f: f'Jf - 2c'f + r. In this
    /// order: J of xx, xy and yy, c of x and y, r.
    data: [Split; 6],
    /// The image, sampled where the flow points to.
    warped: Plane,
    flow: [Split; 2],
    bands: Vec<System>,
}

impl Refinement {
    pub(super) fn new(size: Size) -> Self {
        let zeros = || Split::zeros(size);
        let layout = Layout::new(size.width);
        Self {
            size,
            data: std::array::from_fn(|_| zeros()),
            warped: Plane::zeros(size),
            flow: [zeros(), zeros()],
            bands: vec![System::new(layout); size.height.div_ceil(ROWS)],
        }
    }

    /// Refines the flow from `template` to `image`.
    pub(super) fn refine(
        &mut self,
        arch: Arch,
        refine: &Refine,
        template: &Level,
        image: &Plane,
        flow: &mut [Plane; 2],
    ) {
        let least = least_bands(self.size, ROWS);
        let layout = self.flow[0].layout();
        self.linearise(arch, template, image, flow.each_ref());
        let Self {
            size,
            data,
            flow: [u, v],
            bands,
            ..
        } = self;
        for _ in 0..refine.rounds {
            u.repeat_rows();
            v.repeat_rows();
            for (i, system) in bands.iter_mut().enumerate() {
                system.keep_beyond(i * ROWS, [&*u, &*v]);
            }
            u.bands_mut(ROWS)
                .zip(v.bands_mut(ROWS))
                .zip(bands.par_iter_mut())
                .enumerate()
                .with_min_len(least)
                .for_each(|(i, ((u, v), system))| {
                    arch.dispatch(Solve {
                        sweeps: refine.sweeps,
                        height: size.height,
                        top: i * ROWS,
                        data,
                        flow: [u, v],
                        system,
                    });
                });
        }
        for (from, to) in self.flow.iter().zip(flow) {
            from.bands(ROWS)
                .zip(to.bands_mut(ROWS))
                .with_min_len(least)
                .for_each(|(from, mut to)| {
                    arch.dispatch(Merge(layout, from, &mut to));
                });
        }
    }

    /// The image, sampled where the flow pointed to that was last given to be refined.
    pub(super) fn warped(&self) -> &Plane {
        &self.warped
    }

    /// Computes the data term around `flow`, and splits that.
    fn linearise(&mut self, arch: Arch, template: &Level, image: &Plane, flow: [&Plane; 2]) {
        let least = least_bands(self.size, ROWS);
        self.warped
            .bands_mut(ROWS)
            .enumerate()
            .with_min_len(least)
            .for_each(|(i, mut band)| {
                for y in 0..band.rows() {
                    let at = i * ROWS + y;
                    let [u, v] = flow.map(|plane| plane.row(at as isize));
                    arch.dispatch(Warp {
                        image,
                        y: at,
                        u,
                        v,
                        out: band.row(y),
                    });
                }
            });
        self.warped.fill_margins();
        let warped = &self.warped;
        let [xx, xy, yy, x, y, r] = &mut self.data;
        let [u, v] = &mut self.flow;
        let data = xx.bands_mut(ROWS).zip(xy.bands_mut(ROWS));
        let data = data.zip(yy.bands_mut(ROWS)).zip(x.bands_mut(ROWS));
        let data = data.zip(y.bands_mut(ROWS)).zip(r.bands_mut(ROWS));
        data.zip(u.bands_mut(ROWS))
            .zip(v.bands_mut(ROWS))
            .enumerate()
            .with_min_len(least)
            .for_each(|(i, (((((((xx, xy), yy), x), y), r), u), v))| {
                arch.dispatch(Linearise {
                    template,
                    warped,
                    top: i * ROWS,
                    flow,
                    data: [xx, xy, yy, x, y, r],
                    split: [u, v],
                });
            });
    }
}

/// Puts rows of a [`Split`] together.
struct Merge<'a, 'b>(Layout, &'a [f32], &'a mut Band<'b>);

impl WithSimd for Merge<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(layout, from, to) = self;
        for (y, row) in from.chunks_exact(layout.row_len()).enumerate() {
            merge(layout, row, to.row(y));
        }
    }
}

/// Computes the data term of some rows.
struct Linearise<'a> {
    template: &'a Level,
    warped: &'a Plane,
    top: usize,
    flow: [&'a Plane; 2],
    data: [&'a mut [f32]; 6],
    split: [&'a mut [f32]; 2],
}

impl WithSimd for Linearise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            template,
            warped,
            top,
            flow,
            mut data,
            split: [split_u, split_v],
        } = self;
        let layout = Layout::new(template.size().width);
        let length = layout.row_len();
        for row in 0..split_u.len() / length {
            let at = row * length..(row + 1) * length;
            let y = (top + row) as isize;
            let (u, v) = (flow[0].row(y), flow[1].row(y));
            for (values, out) in [(u, &mut *split_u), (v, &mut *split_v)] {
                let out = &mut out[at.clone()];
                split(layout, values, out);
                repeat_columns(layout, out);
            }
            let mut x = 0;
            while x < layout.width {
                let columns = COLUMNS.min(layout.width - x);
                let flow = [&u[x..][..columns], &v[x..][..columns]];
                let term = data_term(template, warped, x, y, flow);
                for (values, out) in term.iter().zip(&mut data) {
                    let out = &mut out[at.clone()];
                    let (even, odd) = out.split_at_mut(length / 2);
                    let (even, odd) = (
                        &mut even[layout.columns(0) + x / 2..],
                        &mut odd[layout.columns(0) + x / 2..],
                    );
                    split_part(&values[..columns], even, odd);
                }
                x += COLUMNS;
            }
        }
    }
}

/// Samples a row of the image where the flow points to.
struct Warp<'a> {
    image: &'a Plane,
    y: usize,
    u: &'a [f32],
    v: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Warp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            image,
            y,
            u,
            v,
            out,
        } = self;
        let size = image.size();
        let stride = image.stride();
        let least = 1.0 - MARGIN as f32;
        let [most_x, most_y] = [size.width, size.height].map(|length| (length + MARGIN - 3) as f32);
        let (v, out) = (&v[..u.len()], &mut out[..u.len()]);
        for x in 0..u.len() {
            let at_x = (x as f32 + u[x]).max(least).min(most_x);
            let at_y = (y as f32 + v[x]).max(least).min(most_y);
            let (left, top) = (at_x.floor(), at_y.floor());
            let (right, below) = (at_x - left, at_y - top);
            let from = image.index(left as isize, top as isize);
            let values = &image.values()[from..][..stride + 2];
            let top = values[0] + right * (values[1] - values[0]);
            let bottom = values[stride] + right * (values[stride + 1] - values[stride]);
            out[x] = top + below * (bottom - top);
        }
    }
}

/// The data term of some columns.
#[inline(always)]
fn data_term(
    template: &Level,
    warped: &Plane,
    x: usize,
    y: isize,
    flow: [&[f32]; 2],
) -> [[f32; COLUMNS]; 6] {
    let columns = flow[0].len();
    let (u, v) = (&flow[0][..columns], &flow[1][..columns]);
    let image = &warped.wide_row(y, 1)[x..][..columns + 2];
    let image_above = &warped.row(y - 1)[x..][..columns];
    let image_below = &warped.row(y + 1)[x..][..columns];
    let luma = &template.luma.row(y)[x..][..columns];
    let dx = &template.dx.wide_row(y, 1)[x..][..columns + 2];
    let dy = &template.dy.wide_row(y, 1)[x..][..columns + 2];
    let dx_above = &template.dx.row(y - 1)[x..][..columns];
    let dx_below = &template.dx.row(y + 1)[x..][..columns];
    let dy_above = &template.dy.row(y - 1)[x..][..columns];
    let dy_below = &template.dy.row(y + 1)[x..][..columns];
    let mut term = [[0.0; COLUMNS]; 6];
    let [xx, xy, yy, cx, cy, rest] = &mut term;
    for i in 0..columns.min(COLUMNS) {
        let image_dx = 0.5 * (image[i + 2] - image[i]);
        let image_dy = 0.5 * (image_below[i] - image_above[i]);
        let ix = 0.5 * (dx[i + 1] + image_dx);
        let iy = 0.5 * (dy[i + 1] + image_dy);
        let it = image[i + 1] - luma[i];
        let ixt = image_dx - dx[i + 1];
        let iyt = image_dy - dy[i + 1];
        let ixx = 0.5 * (dx[i + 2] - dx[i]);
        let ixy = 0.25 * ((dx_below[i] - dx_above[i]) + (dy[i + 2] - dy[i]));
        let iyy = 0.5 * (dy_below[i] - dy_above[i]);
        // Divided by the derivatives, differences of brightness become distances in pixels.
        let weight = BRIGHTNESS / (ix * ix + iy * iy + NOISE);
        let weight_x = DERIVATIVES / (ixx * ixx + ixy * ixy + NOISE);
        let weight_y = DERIVATIVES / (ixy * ixy + iyy * iyy + NOISE);
        let (wix, wiy) = (weight * ix, weight * iy);
        let (wixx, wixy) = (weight_x * ixx, weight_x * ixy);
        let (wiyx, wiyy) = (weight_y * ixy, weight_y * iyy);
        xx[i] = wix * ix + wixx * ixx + wiyx * ixy;
        xy[i] = wix * iy + wixx * ixy + wiyx * iyy;
        yy[i] = wiy * iy + wixy * ixy + wiyy * iyy;
        let gx = wix * it + wixx * ixt + wiyx * iyt;
        let gy = wiy * it + wixy * ixt + wiyy * iyt;
        let t = weight * it * it + weight_x * ixt * ixt + weight_y * iyt * iyt;
        let (u, v) = (u[i], v[i]);
        cx[i] = (xx[i] * u + xy[i] * v) - gx;
        cy[i] = (xy[i] * u + yy[i] * v) - gy;
        rest[i] = t + (u * (cx[i] - gx) + v * (cy[i] - gy));
    }
    term
}

/// The linear equations of some rows.
#[derive(Clone, Debug)]
struct System {
    /// Along x and y: the two rows above the band and the two below it, as they were before the
    /// bands changed.
    beyond: [Split; 2],
    /// Of smoothness.
    weight: Split,
    /// Weights of the smoothness between a pixel and the one right of it.
    right: Split,
    /// The same for the one below.
    down: Split,
    /// The coefficient of v in the equation of u, and of u in that of v.
    cross: Split,
    constant: [Split; 2],
    /// Inverses of the diagonal.
    inverse: [Split; 2],
}

impl System {
    fn new(layout: Layout) -> Self {
        let rows = || Split::rows(layout, ROWS);
        Self {
            beyond: [Split::rows(layout, 2), Split::rows(layout, 2)],
            weight: rows(),
            right: rows(),
            down: rows(),
            cross: rows(),
            constant: [rows(), rows()],
            inverse: [rows(), rows()],
        }
    }

    fn keep_beyond(&mut self, top: usize, flow: [&Split; 2]) {
        for (beyond, flow) in self.beyond.iter_mut().zip(flow) {
            let height = flow.height() as isize;
            let top = top as isize;
            let bottom = (top + ROWS as isize).min(height);
            let rows = [top - 2, top - 1, bottom, bottom + 1];
            for (to, from) in (-1..).zip(rows) {
                let from = flow.row(from.clamp(-1, height));
                beyond.row_mut(to).copy_from_slice(from);
            }
        }
    }
}

/// Some rows of the flow along one axis, and what lies beyond them.
struct Rows<'a> {
    length: usize,
    count: isize,
    own: &'a mut [f32],
    beyond: &'a Split,
}

impl Rows<'_> {
    /// Row `y`, from -2 to the number of rows + 1.
    #[inline(always)]
    fn row(&self, y: isize) -> &[f32] {
        if y < 0 {
            self.beyond.row(y + 1)
        } else if y < self.count {
            &self.own[y as usize * self.length..][..self.length]
        } else {
            self.beyond.row(y - self.count + 1)
        }
    }

    /// Row `y`, from 0 to the number of rows - 1, the one above it and the one below.
    #[inline(always)]
    fn around_mut(&mut self, y: isize) -> (&[f32], &mut [f32], &[f32]) {
        let (above, rest) = self.own.split_at_mut(y as usize * self.length);
        let (at, below) = rest.split_at_mut(self.length);
        let above = if y == 0 {
            self.beyond.row(0)
        } else {
            &above[above.len() - self.length..]
        };
        let below = if below.is_empty() {
            self.beyond.row(1)
        } else {
            &below[..self.length]
        };
        (above, at, below)
    }
}

/// Solves the equations of some rows; those around keep the flow that they have.
struct Solve<'a> {
    sweeps: usize,
    height: usize,
    top: usize,
    data: &'a [Split; 6],
    flow: [&'a mut [f32]; 2],
    system: &'a mut System,
}

impl WithSimd for Solve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            sweeps,
            height,
            top,
            data,
            flow: [u, v],
            system,
        } = self;
        let layout = data[0].layout();
        let length = layout.row_len();
        let rows = (u.len() / length) as isize;
        let top = top as isize;
        let System {
            beyond: [beyond_u, beyond_v],
            weight,
            right,
            down,
            cross,
            constant,
            inverse,
        } = system;
        let mut u = Rows {
            length,
            count: rows,
            own: u,
            beyond: beyond_u,
        };
        let mut v = Rows {
            length,
            count: rows,
            own: v,
            beyond: beyond_v,
        };
        for y in -1..=rows {
            if (0..height as isize).contains(&(top + y)) {
                weigh(layout, [&u, &v], y, weight.row_mut(y));
            }
        }
        for y in -1..rows {
            let inside = top + y >= 0 && top + y + 1 < height as isize;
            let [at, below] = [y, y + 1].map(|y| weight.row(y));
            link_down(inside, at, below, down.row_mut(y));
        }
        for y in 0..rows {
            link_right(layout, weight.row(y), right.row_mut(y));
            let [cx, cy] = &mut *constant;
            let [ix, iy] = &mut *inverse;
            equations(
                layout,
                data.each_ref().map(|data| data.row(top + y)),
                [u.row(y), v.row(y)],
                [down.row(y - 1), down.row(y), right.row(y)],
                [
                    cross.row_mut(y),
                    cx.row_mut(y),
                    cy.row_mut(y),
                    ix.row_mut(y),
                    iy.row_mut(y),
                ],
            );
        }
        for _ in 0..sweeps {
            for colour in 0..2 {
                for y in 0..rows {
                    let parity = (top + y + colour) as usize % 2;
                    let links = [down.row(y - 1), down.row(y), right.row(y)];
                    let cross = cross.row(y);
                    for component in 0..2 {
                        let (flow, other) = if component == 0 {
                            (&mut u, &v)
                        } else {
                            (&mut v, &u)
                        };
                        let equation = [
                            cross,
                            constant[component].row(y),
                            inverse[component].row(y),
                            other.row(y),
                        ];
                        let (above, at, below) = flow.around_mut(y);
                        sweep(layout, parity, links, equation, [above, below], at);
                    }
                }
            }
        }
        for flow in [u, v] {
            for row in flow.own.chunks_exact_mut(length) {
                repeat_columns(layout, row);
            }
        }
    }
}

/// The weights of smoothness at the pixels of row `y`: small where the flow changes.
#[inline(always)]
fn weigh(layout: Layout, flow: [&Rows<'_>; 2], y: isize, weight: &mut [f32]) {
    let [u, v] = flow;
    let [u_above, u_at, u_below] = [y - 1, y, y + 1].map(|y| u.row(y));
    let [v_above, v_at, v_below] = [y - 1, y, y + 1].map(|y| v.row(y));
    let half = layout.half;
    for parity in 0..2 {
        let own = layout.columns(parity);
        let other = layout.columns(1 - parity);
        let (left, right) = (other + parity - 1, other + parity);
        let (u_left, u_right) = (&u_at[left..][..half], &u_at[right..][..half]);
        let (v_left, v_right) = (&v_at[left..][..half], &v_at[right..][..half]);
        let (u_above, u_below) = (&u_above[own..][..half], &u_below[own..][..half]);
        let (v_above, v_below) = (&v_above[own..][..half], &v_below[own..][..half]);
        let weight = &mut weight[own..][..half];
        for i in 0..half {
            let (ux, uy) = (u_right[i] - u_left[i], u_below[i] - u_above[i]);
            let (vx, vy) = (v_right[i] - v_left[i], v_below[i] - v_above[i]);
            let squares = (ux * ux + uy * uy) + (vx * vx + vy * vy);
            weight[i] = inverse_root(0.25 * squares + EPSILON);
        }
    }
}

/// The weights between a row and the one below: the means of both, 0 across the picture's edge.
#[inline(always)]
fn link_down(inside: bool, at: &[f32], below: &[f32], down: &mut [f32]) {
    if inside {
        for ((down, at), below) in down.iter_mut().zip(at).zip(below) {
            *down = 0.5 * (at + below);
        }
    } else {
        down.fill(0.0);
    }
}

/// The weights between the neighbours of a row.
#[inline(always)]
fn link_right(layout: Layout, weight: &[f32], link: &mut [f32]) {
    let half = layout.half;
    for parity in 0..2 {
        let own = layout.columns(parity);
        let next = layout.columns(1 - parity) + parity;
        let (at, next) = (&weight[own..][..half], &weight[next..][..half]);
        let link = &mut link[own..][..half];
        for i in 0..half {
            link[i] = 0.5 * (at[i] + next[i]);
        }
    }
    // Nothing is linked across the edges.
    link[layout.columns(1) - 1] = 0.0;
    let last = layout.columns((layout.width - 1) % 2) + half - 1;
    link[last] = 0.0;
    if !layout.width.is_multiple_of(2) {
        link[layout.columns(1) + half - 1] = 0.0;
    }
}

/// The equations of a row but for the links between pixels, which are given: to the row above, to
/// the one below, and to the right. What is written are the cross coefficients, the constants
/// along x and y, and the inverses of the diagonal along x and y.
#[inline(always)]
fn equations(
    layout: Layout,
    data: [&[f32]; 6],
    flow: [&[f32]; 2],
    links: [&[f32]; 3],
    equations: [&mut [f32]; 5],
) {
    let half = layout.half;
    let [cross, cx, cy, inverse_x, inverse_y] = equations;
    for parity in 0..2 {
        let own = layout.columns(parity);
        let left = layout.columns(1 - parity) + parity - 1;
        let data = data.map(|data| &data[own..][..half]);
        let flow = flow.map(|flow| &flow[own..][..half]);
        let to_left = &links[2][left..][..half];
        let [to_above, to_below, to_right] = links.map(|links| &links[own..][..half]);
        let links = [to_left, to_right, to_above, to_below];
        let [xx, xy, yy, x, y, _] = data;
        // The weights stand where the last inverses will.
        let weights = &mut inverse_y[own..][..half];
        weigh_data(weights, data, flow);
        scale(&mut cross[own..][..half], weights, xy);
        scale(&mut cx[own..][..half], weights, x);
        scale(&mut cy[own..][..half], weights, y);
        let inverse_x = &mut inverse_x[own..][..half];
        inverse_x.copy_from_slice(weights);
        invert(inverse_x, xx, links);
        invert(weights, yy, links);
    }
}

// Each of the following writes one slice that is a parameter of its own, which tells the compiler
// that it lies apart from the others.

/// The weights of the data term: small where it is large, because there is an outlier.
#[inline(always)]
fn weigh_data(weights: &mut [f32], data: [&[f32]; 6], flow: [&[f32]; 2]) {
    let count = weights.len();
    let [xx, xy, yy, x, y, rest] = data.map(|values| &values[..count]);
    let [u, v] = flow.map(|values| &values[..count]);
    for i in 0..count {
        let squares = u[i] * ((xx[i] * u[i] - 2.0 * x[i]) + 2.0 * xy[i] * v[i])
            + v[i] * (yy[i] * v[i] - 2.0 * y[i])
            + rest[i];
        weights[i] = inverse_root(squares.max(0.0) + EPSILON);
    }
}

#[inline(always)]
fn scale(out: &mut [f32], weights: &[f32], values: &[f32]) {
    for ((out, weight), value) in out.iter_mut().zip(weights).zip(values) {
        *out = weight * value;
    }
}

/// Turns weights into the inverses of the diagonal.
#[inline(always)]
fn invert(weights: &mut [f32], data: &[f32], links: [&[f32]; 4]) {
    let count = weights.len();
    let data = &data[..count];
    let [left, right, above, below] = links.map(|links| &links[..count]);
    for i in 0..count {
        let links = (left[i] + right[i]) + (above[i] + below[i]);
        weights[i] = 1.0 / (weights[i] * data[i] + links + EPSILON);
    }
}

/// 1 / sqrt(x) to five digits, by two of Newton's steps.
#[inline(always)]
fn inverse_root(x: f32) -> f32 {
    let guess = f32::from_bits(0x5f37_59df - (x.to_bits() >> 1));
    let half = 0.5 * x;
    let better = guess * (1.5 - half * guess * guess);
    better * (1.5 - half * better * better)
}

/// One step of successive over-relaxation for the columns of one parity in a row.
///
/// `equation` holds the cross coefficients, the constants, the inverses of the diagonal and the
/// other component of the flow.
#[inline(always)]
fn sweep(
    layout: Layout,
    parity: usize,
    links: [&[f32]; 3],
    equation: [&[f32]; 4],
    [above, below]: [&[f32]; 2],
    row: &mut [f32],
) {
    let half = layout.half;
    let own = layout.columns(parity);
    let left = layout.columns(1 - parity) + parity - 1;
    let to_left = &links[2][left..][..half];
    let [to_above, to_below, to_right] = links.map(|links| &links[own..][..half]);
    let (even, odd) = row.split_at_mut(layout.row_len() / 2);
    let (flow, beside) = if parity == 0 {
        (even, &*odd)
    } else {
        (odd, &*even)
    };
    let start = layout.columns(0);
    relax(
        &mut flow[start..][..half],
        [to_left, to_right, to_above, to_below],
        [
            &beside[start + parity - 1..][..half],
            &beside[start + parity..][..half],
            &above[own..][..half],
            &below[own..][..half],
        ],
        equation.map(|values| &values[own..][..half]),
    );
}

#[inline(always)]
fn relax(flow: &mut [f32], links: [&[f32]; 4], around: [&[f32]; 4], equation: [&[f32]; 4]) {
    let count = flow.len();
    let [to_left, to_right, to_above, to_below] = links.map(|values| &values[..count]);
    let [left, right, above, below] = around.map(|values| &values[..count]);
    let [cross, constant, inverse, other] = equation.map(|values| &values[..count]);
    for i in 0..count {
        let pull = (to_left[i] * left[i] + to_right[i] * right[i])
            + (to_above[i] * above[i] + to_below[i] * below[i]);
        let solution = (pull + constant[i] - cross[i] * other[i]) * inverse[i];
        flow[i] += OMEGA * (solution - flow[i]);
    }
}
