//! A row of the picture, painted.
//!
//! Lanes are the values that a layer gives, and what it is given is broadcast, so that the state can be
//! sampled anywhere: the values of a cell lie next to each other. No sum goes over lanes, so that all
//! instructions with fused multiply-add agree bit for bit.
//!
//! What the first layer makes of the state is a sum of its channels, and so is a sample between four
//! cells: the sum is taken first, once for each cell, and then sampled at every pixel.
//!
//! ```text
//! a row of cells: state [C - F] -> projected [hidden, RGB]
//! a tile of pixels: projected, sampled + frame and coarse frame [6] -> [hidden] -> ... -> RGB
//! ```

use pulp::{Simd, WithSimd};

use super::arithmetic::mul_add;
use super::grid::{Grid, HALO};
use crate::model::{Layer, Model, Painter};

/// Lanes of the widest vector; widths of layers are padded to a multiple of it.
const LANES: usize = 16;
/// Pixels that are painted together.
const TILE: usize = 32;
/// Values that the first layer is given of each pixel: the frame, and the frame as the cells see it.
const OF_FRAME: usize = Painter::OF_FRAME;

/// The painter as the kernels want it.
pub(super) struct PackedPainter {
    /// From the state to what is sampled: the first layer's share of it and its biases, then the
    /// channels of the picture as they are.
    projection: Dense,
    /// The first layer's share of the frame, without biases.
    of_frame: Dense,
    /// Width of the first layer, which is where the channels of the picture begin.
    hidden: usize,
    second: Option<Dense>,
    last: Dense,
}

/// A layer: for each input the weights of all outputs, padded.
struct Dense {
    inputs: usize,
    /// A multiple of [`LANES`].
    outputs: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Dense {
    fn zeros(inputs: usize, outputs: usize) -> Self {
        let outputs = outputs.next_multiple_of(LANES);
        Self {
            inputs,
            outputs,
            weights: vec![0.0; inputs * outputs],
            bias: vec![0.0; outputs],
        }
    }

    fn new(layer: &Layer) -> Self {
        let mut dense = Self::zeros(layer.inputs, layer.outputs);
        for output in 0..layer.outputs {
            for input in 0..layer.inputs {
                *dense.weight(input, output) = layer.weights[output * layer.inputs + input];
            }
        }
        dense.set_bias(layer);
        dense
    }

    fn set_bias(&mut self, layer: &Layer) {
        if let Some(bias) = &layer.bias {
            self.bias[..layer.outputs].copy_from_slice(bias);
        }
    }

    fn weight(&mut self, input: usize, output: usize) -> &mut f32 {
        &mut self.weights[input * self.outputs + output]
    }
}

impl PackedPainter {
    /// The painter of a model; none if it has none.
    pub(super) fn new(model: &Model) -> Option<Self> {
        let [first, second @ .., last] = &model.painter[..] else {
            return None;
        };
        let updated = model.architecture.updated();
        let hidden = first.outputs;
        let mut projection = Dense::zeros(updated, hidden + 3);
        let mut of_frame = Dense::zeros(OF_FRAME, hidden + 3);
        projection.set_bias(first);
        for output in 0..hidden {
            let weights = &first.weights[output * first.inputs..][..first.inputs];
            let (of_state, rest) = weights.split_at(updated);
            for (input, weight) in of_state.iter().enumerate() {
                *projection.weight(input, output) = *weight;
            }
            // The layer is given the frame, and twice the frame minus the coarse one.
            let (frame, detail) = rest.split_at(3);
            for c in 0..3 {
                *of_frame.weight(c, output) = frame[c] + 2.0 * detail[c];
                *of_frame.weight(3 + c, output) = -2.0 * detail[c];
            }
        }
        for c in 0..3 {
            *projection.weight(c, hidden + c) = 1.0;
        }
        Some(Self {
            hidden,
            second: second.first().map(Dense::new),
            last: Dense::new(last),
            projection,
            of_frame,
        })
    }

    /// Values of a cell that are sampled.
    pub(super) fn projected(&self) -> usize {
        self.projection.outputs
    }
}

/// Computes what is sampled of the cells of row `y`.
pub(super) struct ProjectRow<'a> {
    pub(super) painter: &'a PackedPainter,
    pub(super) cells: &'a Grid,
    pub(super) y: usize,
    /// [`PackedPainter::projected`] values for each cell.
    pub(super) projected: &'a mut [f32],
}

impl WithSimd for ProjectRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            painter,
            cells,
            y,
            projected,
        } = self;
        let (row, stride) = (cells.row(y), cells.stride());
        let layer = &painter.projection;
        let vectors = layer.outputs / S::F32_LANES;
        for (i, out) in projected.chunks_mut(4 * layer.outputs).enumerate() {
            // The last ones may reach into the halo.
            let at = HALO + 4 * i;
            dense::<S, 4>(
                simd,
                layer,
                vectors,
                false,
                out,
                #[inline(always)]
                |input, pixel| row[input * stride + at + pixel],
            );
        }
    }
}

/// Where a pixel lies among the cells.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    /// Numbers of the four cells around it.
    pub(super) corners: [u32; 4],
    /// How much each of them weighs.
    pub(super) weights: [f32; 4],
}

/// Paints a row.
pub(super) struct PaintRow<'a> {
    pub(super) painter: &'a PackedPainter,
    /// What [`ProjectRow`] made of all cells.
    pub(super) projected: &'a [f32],
    /// Of each pixel.
    pub(super) places: &'a [Place],
    /// The frame and the coarse frame at each pixel: three rows of either.
    pub(super) frame: [&'a [f32]; OF_FRAME],
    pub(super) scratch: &'a mut PaintScratch,
    /// Takes red, green and blue, minus 0.5.
    pub(super) picture: [&'a mut [f32]; 3],
}

/// Memory that a thread needs to paint a row.
#[derive(Default)]
pub(super) struct PaintScratch {
    /// Of a tile: what each layer gives, for each pixel.
    layers: [Vec<f32>; 3],
}

impl WithSimd for PaintRow<'_> {
    type Output = bool;

    /// Says whether everything that was painted is finite.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        if S::REGISTER_COUNT >= 32 {
            self.paint::<S, 8>(simd)
        } else {
            self.paint::<S, 4>(simd)
        }
    }
}

impl PaintRow<'_> {
    /// With so many pixels together in the registers.
    #[inline(always)]
    fn paint<S: Simd, const N: usize>(self, simd: S) -> bool {
        let Self {
            painter,
            projected,
            places,
            frame,
            scratch,
            picture: [red, green, blue],
        } = self;
        let width = painter.projection.outputs;
        let [first, second, last] = &mut scratch.layers;
        first.resize(TILE * width, 0.0);
        last.resize(TILE * painter.last.outputs, 0.0);
        let mut sums = [0.0; 3];
        for start in (0..places.len()).step_by(TILE) {
            let count = TILE.min(places.len() - start);
            let mut of_frame = [[0.0; OF_FRAME]; TILE];
            for (i, row) in frame.iter().enumerate() {
                for (pixel, value) in of_frame.iter_mut().zip(&row[start..][..count]) {
                    pixel[i] = *value;
                }
            }
            let mut colours = [[0.0; 3]; TILE];
            let pixels = places[start..][..count].iter().zip(&of_frame);
            let outputs = first.chunks_exact_mut(width).zip(&mut colours);
            for ((place, of_frame), (out, colour)) in pixels.zip(outputs) {
                sample(simd, &painter.of_frame, projected, place, of_frame, out);
                colour.copy_from_slice(&out[painter.hidden..][..3]);
                rectify(simd, out);
            }
            let mut input = (&*first, width);
            if let Some(layer) = &painter.second {
                second.resize(TILE * layer.outputs, 0.0);
                let vectors = layer.outputs / S::F32_LANES;
                tile::<S, N>(simd, layer, vectors, true, input, second, count);
                input = (second, layer.outputs);
            }
            let vectors = 3_usize.div_ceil(S::F32_LANES);
            tile::<S, N>(simd, &painter.last, vectors, false, input, last, count);
            let painted = last.chunks_exact(painter.last.outputs).zip(&colours);
            for (x, (painted, colour)) in (start..).zip(painted.take(count)) {
                red[x] = painted[0] + colour[0];
                green[x] = painted[1] + colour[1];
                blue[x] = painted[2] + colour[2];
                // Infinity and NaN become NaN, which no sum loses.
                sums[0] += 0.0 * red[x];
                sums[1] += 0.0 * green[x];
                sums[2] += 0.0 * blue[x];
            }
        }
        sums.iter().all(|sum| *sum == 0.0)
    }
}

/// A layer for `count` pixels, N at a time, of which `input` has so many values each. Computes so many
/// vectors of the outputs.
#[inline(always)]
fn tile<S: Simd, const N: usize>(
    simd: S,
    layer: &Dense,
    vectors: usize,
    rectify: bool,
    (input, width): (&Vec<f32>, usize),
    out: &mut [f32],
    count: usize,
) {
    let blocks = input.chunks_exact(N * width);
    let outputs = out.chunks_exact_mut(N * layer.outputs);
    for (input, out) in blocks.zip(outputs).take(count.div_ceil(N)) {
        // Loops, because what takes a closure is not compiled for the same instructions.
        let mut pixels: [&[f32]; N] = [&[]; N];
        for (n, pixel) in pixels.iter_mut().enumerate() {
            *pixel = &input[n * width..][..layer.inputs];
        }
        dense::<S, N>(
            simd,
            layer,
            vectors,
            rectify,
            out,
            #[inline(always)]
            |i, n| pixels[n][i],
        );
    }
}

/// What the first layer is at a pixel: the cells around it, and what it makes of the frame.
#[inline(always)]
fn sample<S: Simd>(
    simd: S,
    of_frame: &Dense,
    projected: &[f32],
    place: &Place,
    frame: &[f32; OF_FRAME],
    out: &mut [f32],
) {
    let width = of_frame.outputs;
    let vectors = width / S::F32_LANES;
    let mut corners: [&[S::f32s]; 4] = [&[]; 4];
    let mut weights = [simd.splat_f32s(0.0); 4];
    for i in 0..4 {
        let cell = &projected[place.corners[i] as usize * width..][..width];
        corners[i] = &S::as_simd_f32s(cell).0[..vectors];
        weights[i] = simd.splat_f32s(place.weights[i]);
    }
    let mut rows: [&[S::f32s]; OF_FRAME] = [&[]; OF_FRAME];
    let mut values = [simd.splat_f32s(0.0); OF_FRAME];
    for i in 0..OF_FRAME {
        let row = &of_frame.weights[i * width..][..width];
        rows[i] = &S::as_simd_f32s(row).0[..vectors];
        values[i] = simd.splat_f32s(frame[i]);
    }
    let (out, _) = S::as_mut_simd_f32s(out);
    let out = &mut out[..vectors];
    for v in 0..vectors {
        let mut of_cells = simd.mul_f32s(weights[0], corners[0][v]);
        for i in 1..4 {
            of_cells = mul_add(simd, weights[i], corners[i][v], of_cells);
        }
        let mut of_frame = simd.mul_f32s(values[0], rows[0][v]);
        for i in 1..OF_FRAME {
            of_frame = mul_add(simd, values[i], rows[i][v], of_frame);
        }
        out[v] = simd.add_f32s(of_cells, of_frame);
    }
}

/// The leaky rectifier.
#[inline(always)]
fn rectify<S: Simd>(simd: S, values: &mut [f32]) {
    let (vectors, _) = S::as_mut_simd_f32s(values);
    for vector in vectors {
        *vector = rectified(simd, *vector);
    }
}

#[inline(always)]
fn rectified<S: Simd>(simd: S, vector: S::f32s) -> S::f32s {
    simd.max_f32s(
        vector,
        simd.mul_f32s(vector, simd.splat_f32s(Painter::LEAK)),
    )
}

/// So many vectors of the outputs of a layer for N pixels; its input `i` of pixel `n` is `input(i, n)`.
#[inline(always)]
fn dense<S: Simd, const N: usize>(
    simd: S,
    layer: &Dense,
    vectors: usize,
    rectify: bool,
    out: &mut [f32],
    input: impl Fn(usize, usize) -> f32,
) {
    let mut vector = 0;
    while vector + 2 <= vectors {
        columns::<S, N, 2>(simd, layer, rectify, vector, out, &input);
        vector += 2;
    }
    if vector < vectors {
        columns::<S, N, 1>(simd, layer, rectify, vector, out, &input);
    }
}

/// The micro-kernel: V vectors of outputs of a layer for N pixels, all of them in registers. `out` may
/// have fewer pixels.
#[inline(always)]
fn columns<S: Simd, const N: usize, const V: usize>(
    simd: S,
    layer: &Dense,
    rectify: bool,
    vector: usize,
    out: &mut [f32],
    input: &impl Fn(usize, usize) -> f32,
) {
    let (bias, _) = S::as_simd_f32s(&layer.bias);
    let bias = &bias[vector..][..V];
    let mut sums = [[simd.splat_f32s(0.0); V]; N];
    for sums in &mut sums {
        sums.copy_from_slice(bias);
    }
    for i in 0..layer.inputs {
        let (row, _) = S::as_simd_f32s(&layer.weights[i * layer.outputs..][..layer.outputs]);
        let weights = &row[vector..][..V];
        for (n, sums) in sums.iter_mut().enumerate() {
            let value = simd.splat_f32s(input(i, n));
            for v in 0..V {
                sums[v] = mul_add(simd, value, weights[v], sums[v]);
            }
        }
    }
    for (n, out) in out.chunks_exact_mut(layer.outputs).take(N).enumerate() {
        let (out, _) = S::as_mut_simd_f32s(out);
        let out = &mut out[vector..][..V];
        for v in 0..V {
            out[v] = match rectify {
                true => rectified(simd, sums[n][v]),
                false => sums[n][v],
            };
        }
    }
}
