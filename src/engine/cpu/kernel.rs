//! One step of one row, everything fused.
//!
//! Pixels lie in the lanes of vectors, weights are broadcast. A row is cut into tiles of up to
//! four vectors; a tile's perception is written to a panel that stays in the L1 cache, each layer
//! reads one panel and writes another, and the last one is added to the state:
//!
//! ```text
//! three rows of state -> panel [4C][tile] -> panel [hidden][tile] -> ... -> next row of state
//! ```

use pulp::{Simd, WithSimd};

use super::grid::{Grid, HALO, Line, fill_halo};
use super::isa::mul_add;
use super::rule::{Block, PackedBlur, PackedLayer, Rule};

/// Most vectors in a tile.
const MAX_VECTORS: usize = 4;
/// Most lanes in a vector.
const MAX_LANES: usize = 16;

/// Memory that a thread needs to step a row.
pub(super) struct Scratch {
    panels: [Vec<Line>; 2],
    /// Rows of blurred channels, one after the other.
    blurred: Vec<Line>,
    /// A row blurred vertically.
    column_sums: Vec<Line>,
}

impl Scratch {
    pub(super) fn new(rule: &Rule, stride: usize) -> Self {
        let panel = rule.widest() * MAX_VECTORS * MAX_LANES;
        Self {
            panels: [Line::zeros(panel), Line::zeros(panel)],
            blurred: Line::zeros(rule.blurs.len() * stride),
            column_sums: Line::zeros(if rule.blurs.is_empty() { 0 } else { stride }),
        }
    }
}

/// Computes row `y` of the next state. Says whether all of it is finite.
pub(super) struct StepRow<'a> {
    pub(super) rule: &'a Rule,
    pub(super) frozen: &'a Grid,
    pub(super) cells: &'a Grid,
    pub(super) y: usize,
    /// All updated channels of the row, laid out as in a [`Grid`].
    pub(super) next: &'a mut [f32],
    pub(super) scratch: &'a mut Scratch,
}

impl WithSimd for StepRow<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self {
            rule,
            frozen,
            cells,
            y,
            next,
            scratch,
        } = self;
        let y = y as isize;
        let stride = cells.stride();
        let width = cells.size().width;
        let [input, output] = &mut scratch.panels;
        let blurred: &mut [f32] = bytemuck::cast_slice_mut(&mut scratch.blurred);
        let column_sums = bytemuck::cast_slice_mut(&mut scratch.column_sums);
        for (blur, row) in rule.blurs.iter().zip(blurred.chunks_exact_mut(stride)) {
            blur_row(simd, cells, y, blur, column_sums, row);
        }
        let mut tile = Tile {
            simd,
            rule,
            stride,
            frozen: [-1, 0, 1].map(|dy| frozen.beyond(y + dy)),
            cells: [-1, 0, 1].map(|dy| cells.beyond(y + dy)),
            blurred,
            next,
            panels: [
                bytemuck::cast_slice_mut(input),
                bytemuck::cast_slice_mut(output),
            ],
            not_finite: simd.splat_f32s(0.0),
        };
        let lanes = S::F32_LANES;
        let vectors = width.div_ceil(lanes);
        let mut vector = 0;
        // As many sums as registers: 6 x 4 of 32, 6 x 2 of 16.
        if S::REGISTER_COUNT >= 32 {
            while vector + 4 <= vectors {
                tile.step::<4>(HALO + vector * lanes);
                vector += 4;
            }
        }
        while vector + 2 <= vectors {
            tile.step::<2>(HALO + vector * lanes);
            vector += 2;
        }
        if vector < vectors {
            tile.step::<1>(HALO + vector * lanes);
        }
        // Multiplied by zero, infinity and NaN become NaN, which no sum loses.
        let finite = simd.reduce_sum_f32s(tile.not_finite) == 0.0;
        for channel in tile.next.chunks_exact_mut(stride) {
            fill_halo(channel, width, cells.border());
        }
        finite
    }
}

/// What all tiles of a row share.
struct Tile<'a, S: Simd> {
    simd: S,
    rule: &'a Rule,
    stride: usize,
    /// The rows above, at and below.
    frozen: [&'a [f32]; 3],
    cells: [&'a [f32]; 3],
    blurred: &'a [f32],
    next: &'a mut [f32],
    panels: [&'a mut [f32]; 2],
    /// Zero as long as all values are finite.
    not_finite: S::f32s,
}

impl<S: Simd> Tile<'_, S> {
    /// Steps the `NV` vectors of pixels from column `x` of the padded row on.
    #[inline(always)]
    fn step<const NV: usize>(&mut self, x: usize) {
        let (simd, rule) = (self.simd, self.rule);
        let [input, output] = &mut self.panels;
        let mut input = S::as_mut_simd_f32s(input).0.as_chunks_mut::<NV>().0;
        let mut output = S::as_mut_simd_f32s(output).0.as_chunks_mut::<NV>().0;

        let channels = rule.frozen + rule.updated;
        let (values, responses) = input.split_at_mut(channels);
        let responses = responses.as_chunks_mut::<3>().0;
        let around = |channel: usize| {
            let start = channel * self.stride + x - 1;
            start..start + NV * S::F32_LANES + 2
        };
        for channel in 0..channels {
            let (rows, at) = match channel.checked_sub(rule.frozen) {
                None => (self.frozen, channel),
                Some(updated) => (self.cells, updated),
            };
            let rows = rows.map(|row| &row[around(at)]);
            perceive(simd, rows, &mut values[channel], &mut responses[channel]);
        }

        let last = rule.layers.len() - 1;
        for (i, layer) in rule.layers.iter().enumerate() {
            let floor = if i == last { f32::NEG_INFINITY } else { 0.0 };
            apply(simd, layer, simd.splat_f32s(floor), input, output);
            std::mem::swap(&mut input, &mut output);
        }

        let zero = simd.splat_f32s(0.0);
        for (channel, update) in input[..rule.updated].iter().enumerate() {
            let base = match rule.blur_of[channel] {
                Some(blur) => &self.blurred[blur * self.stride..],
                None => &self.cells[1][channel * self.stride..],
            };
            let base = vectors::<S, NV>(&base[x..]);
            let next = vectors_mut::<S, NV>(&mut self.next[channel * self.stride + x..]);
            for v in 0..NV {
                let value = simd.add_f32s(base[v], update[v]);
                next[v] = value;
                self.not_finite = mul_add(simd, value, zero, self.not_finite);
            }
        }
    }
}

/// The `NV` vectors that `values` begins with.
#[inline(always)]
fn vectors<S: Simd, const NV: usize>(values: &[f32]) -> &[S::f32s; NV] {
    let (vectors, _) = S::as_simd_f32s(&values[..NV * S::F32_LANES]);
    &vectors.as_chunks::<NV>().0[0]
}

/// The `NV` vectors that `values` begins with.
#[inline(always)]
fn vectors_mut<S: Simd, const NV: usize>(values: &mut [f32]) -> &mut [S::f32s; NV] {
    let (vectors, _) = S::as_mut_simd_f32s(&mut values[..NV * S::F32_LANES]);
    &mut vectors.as_chunks_mut::<NV>().0[0]
}

/// A channel's values and its responses to sobel_x, sobel_y and the laplacian, unscaled.
///
/// `rows` are the ones above, at and below, from the column left of the tile to the one right of
/// it.
#[inline(always)]
fn perceive<S: Simd, const NV: usize>(
    simd: S,
    rows: [&[f32]; 3],
    value: &mut [S::f32s; NV],
    responses: &mut [[S::f32s; NV]; 3],
) {
    let [above, at, below] = rows.map(|row| {
        [
            vectors::<S, NV>(row),
            vectors::<S, NV>(&row[1..]),
            vectors::<S, NV>(&row[2..]),
        ]
    });
    let two = simd.splat_f32s(2.0);
    let minus_twelve = simd.splat_f32s(-12.0);
    // a + 2b + c
    let smooth = |a, b, c| mul_add(simd, b, two, simd.add_f32s(a, c));
    for v in 0..NV {
        let left = smooth(above[0][v], at[0][v], below[0][v]);
        let right = smooth(above[2][v], at[2][v], below[2][v]);
        let top = smooth(above[0][v], above[1][v], above[2][v]);
        let bottom = smooth(below[0][v], below[1][v], below[2][v]);
        let beside = simd.add_f32s(at[0][v], at[2][v]);
        let ring = mul_add(simd, beside, two, simd.add_f32s(top, bottom));
        value[v] = at[1][v];
        responses[0][v] = simd.sub_f32s(right, left);
        responses[1][v] = simd.sub_f32s(bottom, top);
        responses[2][v] = mul_add(simd, at[1][v], minus_twelve, ring);
    }
}

/// A layer, from one panel to another; what comes out is at least `floor`, 0 for a rectifier.
#[inline(always)]
fn apply<S: Simd, const NV: usize>(
    simd: S,
    layer: &PackedLayer,
    floor: S::f32s,
    input: &[[S::f32s; NV]],
    output: &mut [[S::f32s; NV]],
) {
    let input = &input[..layer.inputs];
    let mut output = &mut output[..layer.outputs];
    for block in &layer.blocks {
        let (out, rest) = output.split_at_mut(block.outputs);
        output = rest;
        macro_rules! apply {
            ($($outputs:literal)*) => {
                match block.outputs {
                    $($outputs => {
                        let sums = sums::<S, $outputs, NV>(simd, block, input);
                        for (out, sums) in out.iter_mut().zip(sums) {
                            *out = sums.map(|sum| simd.max_f32s(sum, floor));
                        }
                    })*
                    _ => unreachable!("blocks have at most 6 outputs"),
                }
            };
        }
        apply!(1 2 3 4 5 6);
    }
}

/// The micro-kernel: weighted sums of a panel for `MO` outputs and `NV` vectors of pixels, all of
/// them in registers.
#[inline(always)]
fn sums<S: Simd, const MO: usize, const NV: usize>(
    simd: S,
    block: &Block,
    input: &[[S::f32s; NV]],
) -> [[S::f32s; NV]; MO] {
    let bias = &block.bias.as_chunks::<MO>().0[0];
    let mut sums = bias.map(|bias| [simd.splat_f32s(bias); NV]);
    for (weights, input) in block.weights.as_chunks::<MO>().0.iter().zip(input) {
        for o in 0..MO {
            let weight = simd.splat_f32s(weights[o]);
            for v in 0..NV {
                sums[o][v] = mul_add(simd, weight, input[v], sums[o][v]);
            }
        }
    }
    sums
}

/// Blurs one channel of row `y` into `blurred`, a padded row whose halos stay unset.
#[inline(always)]
fn blur_row<S: Simd>(
    simd: S,
    cells: &Grid,
    y: isize,
    blur: &PackedBlur,
    column_sums: &mut [f32],
    blurred: &mut [f32],
) {
    let lanes = S::F32_LANES;
    let stride = cells.stride();
    let radius = blur.kernel.len() / 2;
    let channel = blur.channel * stride;

    let (sums, _) = S::as_mut_simd_f32s(column_sums);
    for (i, &weight) in blur.kernel.iter().enumerate() {
        let row = cells.beyond(y + i as isize - radius as isize);
        let (row, _) = S::as_simd_f32s(&row[channel..channel + stride]);
        let weight = simd.splat_f32s(weight);
        if i == 0 {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum = simd.mul_f32s(weight, value);
            }
        } else {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum = mul_add(simd, weight, value, *sum);
            }
        }
    }
    let width = cells.size().width;
    for x in (HALO..HALO + width).step_by(lanes) {
        let mut sum = simd.splat_f32s(0.0);
        for (i, &weight) in blur.kernel.iter().enumerate() {
            let [values] = vectors::<S, 1>(&column_sums[x + i - radius..]);
            sum = mul_add(simd, simd.splat_f32s(weight), *values, sum);
        }
        *vectors_mut::<S, 1>(&mut blurred[x..]) = [sum];
    }
}
