//! One step of one row, everything fused.
//!
//! Pixels lie in the lanes of vectors, weights are broadcast. A row is cut into tiles of up to
//! four vectors; a tile's perception is written to a panel that stays in the L1 cache, each hidden
//! layer reads one panel and writes another, and what the last one gives is added to the state:
//!
//! ```text
//! three rows of state -> panel [4C][tile] -> panel [hidden][tile] -> ... -> next row of state
//! ```
//!
//! A panel's rows are a channel's value, its responses to both Sobel filters and to the Laplacian,
//! then those of the next channel. Panels hold f32 or pairs of bf16 ([`Operands`]); the state and
//! all sums are f32.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::arithmetic::mul_add;
use super::grid::{Grid, HALO, Line, fill_halo};
use super::growth::spans;
use super::isa::{Instructions, Isa};
#[cfg(target_arch = "x86_64")]
use super::operands::Avx512Bf16;
use super::operands::{Operands, Singles};
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

/// Computes row `y` of the next state, where its blocks say so. Says whether all of it is finite.
pub(super) struct StepRow<'a> {
    pub(super) rule: &'a Rule,
    pub(super) frozen: &'a Grid,
    pub(super) cells: &'a Grid,
    pub(super) y: usize,
    pub(super) blocks: &'a [bool],
    /// All updated channels of the row, laid out as in a [`Grid`].
    pub(super) next: &'a mut [f32],
    pub(super) scratch: &'a mut Scratch,
}

impl WithSimd for StepRow<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        self.step(simd, Singles)
    }
}

impl StepRow<'_> {
    /// Steps the row with these instructions, and with their precision.
    #[inline]
    pub(super) fn run(self, isa: Isa) -> bool {
        match isa.0 {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512Bf16(simd) => {
                struct Step<'a>(Avx512Bf16, StepRow<'a>);
                impl pulp::NullaryFnOnce for Step<'_> {
                    type Output = bool;

                    #[inline(always)]
                    fn call(self) -> bool {
                        self.1.step(self.0.v4(), self.0)
                    }
                }
                simd.vectorize(Step(simd, self))
            }
            _ => isa.run(self),
        }
    }

    /// The rule must be packed for the same operands.
    #[inline(always)]
    pub(super) fn step<S: Simd, O: Operands<S>>(self, simd: S, operands: O) -> bool {
        let Self {
            rule,
            frozen,
            cells,
            y,
            blocks,
            next,
            scratch,
        } = self;
        let y = y as isize;
        let stride = cells.stride();
        let width = cells.size().width;
        let mut panels = scratch
            .panels
            .each_mut()
            .map(|panel| bytemuck::cast_slice_mut(panel));
        let blurred: &mut [f32] = bytemuck::cast_slice_mut(&mut scratch.blurred);
        let column_sums = bytemuck::cast_slice_mut(&mut scratch.column_sums);
        for (blur, row) in rule.blurs.iter().zip(blurred.chunks_exact_mut(stride)) {
            for span in spans(blocks, width) {
                blur_row(simd, cells, y, span, blur, column_sums, row);
            }
        }
        let mut tile = Tile {
            simd,
            operands,
            rule,
            stride,
            frozen: [-1, 0, 1].map(|dy| frozen.beyond(y + dy)),
            cells: [-1, 0, 1].map(|dy| cells.beyond(y + dy)),
            blurred,
            next,
            not_finite: simd.splat_f32s(0.0),
        };
        let lanes = S::F32_LANES;
        for span in spans(blocks, width) {
            let vectors = span.end.div_ceil(lanes);
            let mut vector = span.start / lanes;
            // As many sums as registers: 6 x 4 of 32, 6 x 2 of 16.
            if S::REGISTER_COUNT >= 32 {
                while vector + 4 <= vectors {
                    tile.step::<4>(HALO + vector * lanes, &mut panels);
                    vector += 4;
                }
            }
            while vector + 2 <= vectors {
                tile.step::<2>(HALO + vector * lanes, &mut panels);
                vector += 2;
            }
            if vector < vectors {
                tile.step::<1>(HALO + vector * lanes, &mut panels);
            }
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
struct Tile<'a, S: Simd, O> {
    simd: S,
    operands: O,
    rule: &'a Rule,
    stride: usize,
    /// The rows above, at and below.
    frozen: [&'a [f32]; 3],
    cells: [&'a [f32]; 3],
    blurred: &'a [f32],
    next: &'a mut [f32],
    /// Zero as long as all values are finite.
    not_finite: S::f32s,
}

impl<S: Simd, O: Operands<S>> Tile<'_, S, O> {
    /// Steps the `NV` vectors of pixels from column `x` of the padded row on.
    #[inline(always)]
    fn step<const NV: usize>(&mut self, x: usize, [input, output]: &mut [&mut [u32]; 2]) {
        let (simd, operands, rule) = (self.simd, self.operands, self.rule);
        let mut input = O::vectors(input).as_chunks_mut::<NV>().0;
        let mut output = O::vectors(output).as_chunks_mut::<NV>().0;

        let around = |channel: usize| {
            let start = channel * self.stride + x - 1;
            start..start + NV * S::F32_LANES + 2
        };
        for channel in 0..rule.frozen + rule.updated {
            let (rows, at) = match channel.checked_sub(rule.frozen) {
                None => (self.frozen, channel),
                Some(updated) => (self.cells, updated),
            };
            prefetch(&rows[2][around(at).end..], NV * S::F32_LANES);
            let rows = [0, 1, 2].map(|i| &rows[i][around(at)]);
            let [value, sobel_x, sobel_y, laplacian] = perceive(simd, rows);
            operands.store(simd, input, 2 * channel, [&value, &sobel_x]);
            operands.store(simd, input, 2 * channel + 1, [&sobel_y, &laplacian]);
        }

        for layer in &rule.hidden {
            rectified(simd, operands, layer, input, output);
            std::mem::swap(&mut input, &mut output);
        }

        let update = &rule.update;
        let input = &input[..update.inputs / O::VALUES];
        let mut channel = 0;
        for block in &update.blocks {
            macro_rules! add {
                ($($outputs:literal)*) => {
                    match block.outputs {
                        $($outputs => {
                            let sums = sums::<S, O, $outputs, NV>(simd, operands, block, input);
                            for (o, sums) in sums.iter().enumerate() {
                                self.add(x, channel + o, sums);
                            }
                        })*
                        _ => unreachable!("an update has 3 outputs or more, a block 3 to 6"),
                    }
                };
            }
            add!(3 4 5 6);
            channel += block.outputs;
        }
    }

    /// Adds an update to a channel, or to its blur.
    #[inline(always)]
    fn add<const NV: usize>(&mut self, x: usize, channel: usize, update: &[S::f32s; NV]) {
        let simd = self.simd;
        let base = match self.rule.blur_of[channel] {
            Some(blur) => &self.blurred[blur * self.stride..],
            None => &self.cells[1][channel * self.stride..],
        };
        let base = vectors::<S, NV>(&base[x..]);
        let next = vectors_mut::<S, NV>(&mut self.next[channel * self.stride + x..]);
        let zero = simd.splat_f32s(0.0);
        for v in 0..NV {
            let value = simd.add_f32s(base[v], update[v]);
            next[v] = value;
            self.not_finite = mul_add(simd, value, zero, self.not_finite);
        }
    }
}

/// Asks for the first `count` of `values` to be brought into the cache.
///
/// A tile looks at a few lines of memory in each of many channels, which no hardware foresees. The
/// rows above and at the tile have been looked at before, the one below it has not.
#[inline(always)]
pub(super) fn prefetch(values: &[f32], count: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..count).step_by(16) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch changes nothing, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_add(line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, count);
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

/// A channel's value and its responses to sobel_x, sobel_y and the laplacian, unscaled.
///
/// `rows` are the ones above, at and below, from the column left of the tile to the one right of
/// it.
#[inline(always)]
fn perceive<S: Simd, const NV: usize>(simd: S, rows: [&[f32]; 3]) -> [[S::f32s; NV]; 4] {
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
    let mut perceived = [[simd.splat_f32s(0.0); NV]; 4];
    for v in 0..NV {
        let left = smooth(above[0][v], at[0][v], below[0][v]);
        let right = smooth(above[2][v], at[2][v], below[2][v]);
        let top = smooth(above[0][v], above[1][v], above[2][v]);
        let bottom = smooth(below[0][v], below[1][v], below[2][v]);
        let beside = simd.add_f32s(at[0][v], at[2][v]);
        let ring = mul_add(simd, beside, two, simd.add_f32s(top, bottom));
        perceived[0][v] = at[1][v];
        perceived[1][v] = simd.sub_f32s(right, left);
        perceived[2][v] = simd.sub_f32s(bottom, top);
        perceived[3][v] = mul_add(simd, at[1][v], minus_twelve, ring);
    }
    perceived
}

/// A hidden layer, from one panel to another.
#[inline(always)]
fn rectified<S: Simd, O: Operands<S>, const NV: usize>(
    simd: S,
    operands: O,
    layer: &PackedLayer,
    input: &[[O::Vector; NV]],
    output: &mut [[O::Vector; NV]],
) {
    let input = &input[..layer.inputs / O::VALUES];
    let zero = simd.splat_f32s(0.0);
    let mut pair = 0;
    for block in &layer.blocks {
        macro_rules! rectify {
            ($($outputs:literal)*) => {
                match block.outputs {
                    $($outputs => {
                        let mut sums = sums::<S, O, $outputs, NV>(simd, operands, block, input);
                        for sum in sums.as_flattened_mut() {
                            *sum = simd.max_f32s(*sum, zero);
                        }
                        for [even, odd] in sums.as_chunks::<2>().0 {
                            operands.store(simd, output, pair, [even, odd]);
                            pair += 1;
                        }
                    })*
                    _ => unreachable!("blocks of hidden layers have 2, 4 or 6 outputs"),
                }
            };
        }
        rectify!(2 4 6);
    }
}

/// The micro-kernel: weighted sums of a panel for `MO` outputs and `NV` vectors of pixels, all of
/// them in registers.
#[inline(always)]
fn sums<S: Simd, O: Operands<S>, const MO: usize, const NV: usize>(
    simd: S,
    operands: O,
    block: &Block,
    input: &[[O::Vector; NV]],
) -> [[S::f32s; NV]; MO] {
    let mut sums = [[simd.splat_f32s(0.0); NV]; MO];
    for (sums, &bias) in sums.iter_mut().zip(&block.bias) {
        *sums = [simd.splat_f32s(bias); NV];
    }
    for (weights, input) in block.weights.as_chunks::<MO>().0.iter().zip(input) {
        for o in 0..MO {
            let weight = operands.splat(simd, weights[o]);
            for v in 0..NV {
                sums[o][v] = operands.multiply_add(simd, weight, input[v], sums[o][v]);
            }
        }
    }
    sums
}

/// Blurs the pixels `span` of one channel of row `y` into `blurred`, a padded row whose halos stay
/// unset. A span begins at a multiple of the halo's width.
#[inline(always)]
fn blur_row<S: Simd>(
    simd: S,
    cells: &Grid,
    y: isize,
    span: Range<usize>,
    blur: &PackedBlur,
    column_sums: &mut [f32],
    blurred: &mut [f32],
) {
    let lanes = S::F32_LANES;
    let stride = cells.stride();
    let radius = blur.kernel.len() / 2;
    let channel = blur.channel * stride;

    // The pixels and a halo on either side.
    let around = span.start..span.end.next_multiple_of(HALO) + 2 * HALO;
    let (sums, _) = S::as_mut_simd_f32s(&mut column_sums[around.clone()]);
    for (i, &weight) in blur.kernel.iter().enumerate() {
        let row = cells.beyond(y + i as isize - radius as isize);
        let (row, _) = S::as_simd_f32s(&row[channel..channel + stride][around.clone()]);
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
    for x in (HALO + span.start..HALO + span.end).step_by(lanes) {
        let mut sum = simd.splat_f32s(0.0);
        for (i, &weight) in blur.kernel.iter().enumerate() {
            let [values] = vectors::<S, 1>(&column_sums[x + i - radius..]);
            sum = mul_add(simd, simd.splat_f32s(weight), *values, sum);
        }
        *vectors_mut::<S, 1>(&mut blurred[x..]) = [sum];
    }
}
