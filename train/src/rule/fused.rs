//! The step and its gradient on the processor, fused.
//!
//! torch computes a step as a handful of operations, each of which goes through memory. Here it is
//! done a tile of a row at a time, in panels that stay in the cache; pixels are the lanes, weights
//! are broadcast:
//!
//! ```text
//! state -> perceived [4C][tile] -> hidden [H][tile] -> ... -> update [C-F][tile]
//!                 |                     |                          |
//!      gradient: [4C][tile]  <-   [H][tile]   <-  ...  <-  [C-F][tile]
//! ```
//!
//! Bands of rows are computed in parallel; what they say of the weights is added up in their order,
//! so that the sums do not depend on the number of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use nca::model::{Architecture, Border};

/// Pixels of a tile; a multiple of the lanes of all vectors.
const TILE: usize = 128;
/// Rows of a band.
const BAND: usize = 16;
/// Rows and columns of a block of sums that stay in registers.
const BLOCK: usize = 4;

/// A rule with its weights laid out for the processor.
pub(crate) struct Fused {
    architecture: Architecture,
    layers: Vec<Packed>,
    /// Channel and kernel.
    blurs: Vec<(usize, Vec<f32>)>,
    arch: Arch,
}

/// Weights (outputs x inputs) and bias of a layer.
struct Packed {
    outputs: usize,
    inputs: usize,
    forward: Matrix,
    /// Transposed; of the first layer without those of the frozen channels, which learn nothing.
    backward: Matrix,
    bias: Vec<f32>,
}

/// A matrix in blocks of [`BLOCK`] rows, the last one filled up with zeros.
struct Matrix {
    inputs: usize,
    /// Block after block, column after column.
    columns: Vec<[f32; BLOCK]>,
}

impl Matrix {
    fn new(outputs: usize, inputs: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let columns = (0..outputs.div_ceil(BLOCK)).flat_map(|block| {
            let at = &at;
            (0..inputs).map(move |input| {
                std::array::from_fn(|row| match block * BLOCK + row {
                    output if output < outputs => at(output, input),
                    _ => 0.0,
                })
            })
        });
        Self {
            inputs,
            columns: columns.collect(),
        }
    }

    /// Values of a panel for what comes out.
    fn panel(&self) -> usize {
        self.columns.len() / self.inputs * BLOCK * TILE
    }
}

/// B x C x H x W.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl Shape {
    fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Image, first row and number of rows of each band.
    fn bands(&self) -> Vec<(usize, usize, usize)> {
        (0..self.batch)
            .flat_map(|image| {
                (0..self.height)
                    .step_by(BAND)
                    .map(move |y| (image, y, BAND.min(self.height - y)))
            })
            .collect()
    }
}

impl Fused {
    /// A rule of these weights (outputs x inputs, row after row) and biases.
    pub(crate) fn new(
        architecture: &Architecture,
        layers: &[(Vec<f32>, Option<Vec<f32>>)],
    ) -> Self {
        let shapes = architecture.layers();
        let channels = architecture.channels;
        let frozen = architecture.frozen();
        let layers = shapes.iter().zip(layers).enumerate();
        let layers = layers.map(|(i, (&(outputs, inputs), (weights, bias)))| {
            let at = |output: usize, input: usize| weights[output * inputs + input];
            // What is perceived of the unfrozen channels: value, then responses, by channel.
            let learning = 4 * (channels - frozen);
            let perceived = |n: usize| match (n / 4 + frozen, n % 4) {
                (channel, 0) => channel,
                (channel, filter) => channels + 3 * channel + filter - 1,
            };
            let mut padded = vec![0.0; outputs.next_multiple_of(BLOCK)];
            if let Some(bias) = bias {
                padded[..outputs].copy_from_slice(bias);
            }
            Packed {
                outputs,
                inputs,
                forward: Matrix::new(outputs, inputs, at),
                backward: match i {
                    0 => Matrix::new(learning, outputs, |n, o| at(o, perceived(n))),
                    _ => Matrix::new(inputs, outputs, |n, o| at(o, n)),
                },
                bias: padded,
            }
        });
        Self {
            layers: layers.collect(),
            blurs: architecture
                .blurs
                .iter()
                .map(|blur| (blur.channel, blur.kernel()))
                .collect(),
            architecture: architecture.clone(),
            arch: Arch::new(),
        }
    }

    /// One step of `state` into `next`.
    pub(crate) fn step(&self, shape: Shape, state: &[f32], next: &mut [f32]) {
        let images = shape.channels * shape.pixels();
        let frozen = self.architecture.frozen() * shape.pixels();
        next.par_chunks_mut(images)
            .zip(state.as_chunks_of(images))
            .for_each(|(next, state)| {
                next[..frozen].copy_from_slice(&state[..frozen]);
                next[frozen..].copy_from_slice(&state[frozen..]);
                for (channel, kernel) in &self.blurs {
                    let plane = channel * shape.pixels()..(channel + 1) * shape.pixels();
                    self.blur(shape, kernel, &state[plane.clone()], &mut next[plane]);
                }
            });
        let updates: Vec<Vec<f32>> = shape
            .bands()
            .into_par_iter()
            .map_init(
                || Scratch::new(self, shape),
                |scratch, band| {
                    self.arch.dispatch(BandStep {
                        fused: self,
                        shape,
                        state,
                        band,
                        scratch,
                    })
                },
            )
            .collect();
        let updated = self.architecture.updated();
        for ((image, y, rows), update) in shape.bands().into_iter().zip(updates) {
            for (channel, update) in update.chunks_exact(rows * shape.width).enumerate() {
                debug_assert!(channel < updated);
                let channel = image * shape.channels + self.architecture.frozen() + channel;
                let next = &mut next[channel * shape.pixels() + y * shape.width..];
                for (next, update) in next.iter_mut().zip(update) {
                    *next += update;
                }
            }
        }
    }

    /// The gradient of [`Self::step`]: writes that of the unfrozen channels of `state` to `out`,
    /// zeros for the frozen ones, and returns those of each layer's weights and bias.
    pub(crate) fn step_backward(
        &self,
        shape: Shape,
        state: &[f32],
        gradient: &[f32],
        out: &mut [f32],
    ) -> Vec<(Vec<f32>, Vec<f32>)> {
        let images = shape.channels * shape.pixels();
        let frozen = self.architecture.frozen() * shape.pixels();
        out.par_chunks_mut(images)
            .zip(gradient.as_chunks_of(images))
            .for_each(|(out, gradient)| {
                out[..frozen].fill(0.0);
                out[frozen..].copy_from_slice(&gradient[frozen..]);
                for (channel, kernel) in &self.blurs {
                    let plane = channel * shape.pixels()..(channel + 1) * shape.pixels();
                    self.blur_backward(shape, kernel, &gradient[plane.clone()], &mut out[plane]);
                }
            });
        let bands: Vec<_> = shape
            .bands()
            .into_par_iter()
            .map_init(
                || Scratch::new(self, shape),
                |scratch, band| {
                    self.arch.dispatch(BandBackward {
                        fused: self,
                        shape,
                        state,
                        gradient,
                        band,
                        scratch,
                    })
                },
            )
            .collect();
        let mut sums: Vec<(Vec<f32>, Vec<f32>)> = self
            .layers
            .iter()
            .map(|layer| {
                (
                    vec![0.0; layer.outputs * layer.inputs],
                    vec![0.0; layer.outputs],
                )
            })
            .collect();
        for ((image, y, rows), (spread, of_layers)) in shape.bands().into_iter().zip(bands) {
            self.gather(shape, image, y, rows, &spread, out);
            for ((weights, bias), (of_weights, of_bias)) in sums.iter_mut().zip(of_layers) {
                add(weights, &of_weights);
                add(bias, &of_bias);
            }
        }
        sums
    }

    /// Adds a band's gradient, which has a row and a column more on each side, to the whole one.
    fn gather(
        &self,
        shape: Shape,
        image: usize,
        y: usize,
        rows: usize,
        spread: &[f32],
        out: &mut [f32],
    ) {
        let border = self.architecture.border;
        let frozen = self.architecture.frozen();
        let padded = shape.width + 2;
        for (channel, spread) in spread.chunks_exact((rows + 2) * padded).enumerate() {
            let plane = (image * shape.channels + frozen + channel) * shape.pixels();
            for (r, spread) in spread.chunks_exact(padded).enumerate() {
                let y = beyond(y as isize + r as isize - 1, shape.height, border);
                let out = &mut out[plane + y * shape.width..][..shape.width];
                add(out, &spread[1..=shape.width]);
                out[beyond(-1, shape.width, border)] += spread[0];
                out[beyond(shape.width as isize, shape.width, border)] += spread[padded - 1];
            }
        }
    }

    /// Blurs a channel, H x W.
    fn blur(&self, shape: Shape, kernel: &[f32], from: &[f32], to: &mut [f32]) {
        let (width, border) = (shape.width, self.architecture.border);
        let radius = (kernel.len() / 2) as isize;
        let mut sums = vec![0.0; width];
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            sums.fill(0.0);
            for (i, weight) in kernel.iter().enumerate() {
                let row = beyond(y as isize + i as isize - radius, shape.height, border);
                add_scaled(&mut sums, *weight, &from[row * width..][..width]);
            }
            for (x, to) in to.iter_mut().enumerate() {
                let taps = kernel.iter().enumerate().map(|(i, weight)| {
                    weight * sums[beyond(x as isize + i as isize - radius, width, border)]
                });
                *to = taps.sum();
            }
        }
    }

    /// The transpose of [`Self::blur`].
    fn blur_backward(&self, shape: Shape, kernel: &[f32], from: &[f32], to: &mut [f32]) {
        let (width, border) = (shape.width, self.architecture.border);
        let radius = (kernel.len() / 2) as isize;
        let mut sums = vec![0.0; width];
        to.fill(0.0);
        for (y, from) in from.chunks_exact(width).enumerate() {
            sums.fill(0.0);
            for (x, from) in from.iter().enumerate() {
                for (i, weight) in kernel.iter().enumerate() {
                    sums[beyond(x as isize + i as isize - radius, width, border)] += weight * from;
                }
            }
            for (i, weight) in kernel.iter().enumerate() {
                let row = beyond(y as isize + i as isize - radius, shape.height, border);
                add_scaled(&mut to[row * width..][..width], *weight, &sums);
            }
        }
    }
}

/// Slices of the same length, one after the other.
trait AsChunks {
    fn as_chunks_of(&self, n: usize) -> rayon::slice::Chunks<'_, f32>;
}

impl AsChunks for [f32] {
    fn as_chunks_of(&self, n: usize) -> rayon::slice::Chunks<'_, f32> {
        rayon::slice::ParallelSlice::par_chunks(self, n)
    }
}

/// The row or column that lies at `at`, which may be beyond an edge.
fn beyond(at: isize, length: usize, border: Border) -> usize {
    let length = length as isize;
    (match border {
        Border::Circular => at.rem_euclid(length),
        Border::Replicate => at.clamp(0, length - 1),
    }) as usize
}

fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

fn add_scaled(sums: &mut [f32], weight: f32, values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += weight * value;
    }
}

/// Memory that a thread needs for a band.
struct Scratch {
    /// The band with a row and a column more on each side: C x (rows + 2) x (W + 2).
    padded: Vec<f32>,
    /// What is perceived, and what comes out of each layer.
    panels: Vec<Vec<f32>>,
    /// Gradients of the same.
    gradients: Vec<Vec<f32>>,
    /// Sums for the gradients of each layer's weights, a vector for each.
    sums: Vec<Vec<f32>>,
}

/// Most lanes of a vector.
const LANES: usize = 16;

impl Scratch {
    fn new(fused: &Fused, shape: Shape) -> Self {
        let inputs = fused.architecture.perceived().next_multiple_of(BLOCK) * TILE;
        let of_layers = fused.layers.iter();
        Self {
            padded: vec![0.0; shape.channels * (BAND + 2) * (shape.width + 2)],
            panels: std::iter::once(inputs)
                .chain(of_layers.clone().map(|layer| layer.forward.panel()))
                .map(|n| vec![0.0; n])
                .collect(),
            gradients: of_layers
                .clone()
                .map(|layer| layer.backward.panel())
                .chain(of_layers.clone().last().map(|last| last.forward.panel()))
                .map(|n| vec![0.0; n])
                .collect(),
            sums: of_layers
                .map(|layer| {
                    let inputs = layer.inputs.next_multiple_of(BLOCK);
                    // One more column, of ones: the bias.
                    vec![0.0; layer.bias.len() * (inputs + BLOCK) * LANES]
                })
                .collect(),
        }
    }

    /// Copies a band of all channels, with what lies around it.
    fn pad(
        &mut self,
        shape: Shape,
        border: Border,
        image: usize,
        y: usize,
        rows: usize,
        state: &[f32],
    ) {
        let (width, padded) = (shape.width, shape.width + 2);
        for channel in 0..shape.channels {
            let plane = (image * shape.channels + channel) * shape.pixels();
            for r in 0..rows + 2 {
                let from = beyond(y as isize + r as isize - 1, shape.height, border);
                let from = &state[plane + from * width..][..width];
                let to = &mut self.padded[(channel * (rows + 2) + r) * padded..][..padded];
                to[1..=width].copy_from_slice(from);
                to[0] = from[beyond(-1, width, border)];
                to[padded - 1] = from[beyond(width as isize, width, border)];
            }
        }
    }
}

/// Computes a band's updates, (C-F) x rows x W.
struct BandStep<'a> {
    fused: &'a Fused,
    shape: Shape,
    state: &'a [f32],
    band: (usize, usize, usize),
    scratch: &'a mut Scratch,
}

impl WithSimd for BandStep<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self {
            fused,
            shape,
            state,
            band: (image, y, rows),
            scratch,
        } = self;
        let architecture = &fused.architecture;
        scratch.pad(shape, architecture.border, image, y, rows, state);
        let updated = architecture.updated();
        let mut updates = vec![0.0; updated * rows * shape.width];
        for r in 0..rows {
            for x in (0..shape.width).step_by(TILE) {
                let n = TILE.min(shape.width - x);
                forward(simd, fused, shape, scratch, rows, r, x, n);
                let update = &scratch.panels[fused.layers.len()];
                for channel in 0..updated {
                    let to = &mut updates[(channel * rows + r) * shape.width + x..][..n];
                    for (to, value) in to.iter_mut().zip(&update[channel * TILE..]) {
                        *to = architecture.step_size * value;
                    }
                }
            }
        }
        updates
    }
}

/// Computes a band's gradients: of the unfrozen channels, (C-F) x (rows + 2) x (W + 2), a row and a
/// column more on each side; and of each layer's weights and bias.
struct BandBackward<'a> {
    fused: &'a Fused,
    shape: Shape,
    state: &'a [f32],
    gradient: &'a [f32],
    band: (usize, usize, usize),
    scratch: &'a mut Scratch,
}

impl WithSimd for BandBackward<'_> {
    type Output = (Vec<f32>, Vec<(Vec<f32>, Vec<f32>)>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self {
            fused,
            shape,
            state,
            gradient,
            band: (image, y, rows),
            scratch,
        } = self;
        let architecture = &fused.architecture;
        scratch.pad(shape, architecture.border, image, y, rows, state);
        for sums in &mut scratch.sums {
            sums.fill(0.0);
        }
        let (frozen, updated) = (architecture.frozen(), architecture.updated());
        let padded = shape.width + 2;
        let mut spread = vec![0.0; updated * (rows + 2) * padded];
        let last = fused.layers.len() - 1;
        for r in 0..rows {
            for x in (0..shape.width).step_by(TILE) {
                let n = TILE.min(shape.width - x);
                forward(simd, fused, shape, scratch, rows, r, x, n);
                let of_update = &mut scratch.gradients[last + 1];
                for channel in 0..updated {
                    let from = (image * shape.channels + frozen + channel) * shape.pixels();
                    let from = &gradient[from + (y + r) * shape.width + x..][..n];
                    let to = &mut of_update[channel * TILE..][..TILE];
                    for (to, value) in to.iter_mut().zip(from) {
                        *to = architecture.step_size * value;
                    }
                    // Beyond the edge there is nothing to learn.
                    to[n..].fill(0.0);
                }
                for (i, layer) in fused.layers.iter().enumerate().rev() {
                    let (before, after) = scratch.gradients.split_at_mut(i + 1);
                    let (before, after) = (&mut before[i], &after[0]);
                    sum_weights(simd, layer, after, &scratch.panels[i], &mut scratch.sums[i]);
                    multiply(
                        simd,
                        &layer.backward,
                        None,
                        f32::NEG_INFINITY,
                        after,
                        before,
                    );
                    if i > 0 {
                        // The rectifier lets through where something came out.
                        for (gradient, value) in before.iter_mut().zip(&scratch.panels[i]) {
                            *gradient = if *value > 0.0 { *gradient } else { 0.0 };
                        }
                    }
                }
                for channel in 0..updated {
                    let spread =
                        &mut spread[channel * (rows + 2) * padded..][..(rows + 2) * padded];
                    let perceived = &scratch.gradients[0][channel * 4 * TILE..][..4 * TILE];
                    let [above, at, below] = three_rows(spread, r * padded + x, padded, n + 2);
                    unperceive(architecture, perceived, n, above, at, below);
                }
            }
        }
        let of_layers = fused.layers.iter().zip(&scratch.sums);
        let of_layers = of_layers
            .map(|(layer, sums)| finished::<S>(layer, sums))
            .collect();
        (spread, of_layers)
    }
}

/// Fills the panels for `n` pixels from column `x` of row `r` of a band on.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "it is the body of two loops")]
fn forward<S: Simd>(
    simd: S,
    fused: &Fused,
    shape: Shape,
    scratch: &mut Scratch,
    rows: usize,
    r: usize,
    x: usize,
    n: usize,
) {
    let padded = shape.width + 2;
    let scale = fused.architecture.filter_scale;
    let (values, responses) = scratch.panels[0].split_at_mut(shape.channels * TILE);
    for channel in 0..shape.channels {
        let row = |i: usize| {
            let start = (channel * (rows + 2) + r + i) * padded + x;
            &scratch.padded[start..start + n + 2]
        };
        let (above, at, below) = (row(0), row(1), row(2));
        let value = &mut values[channel * TILE..][..n];
        let responses = &mut responses[channel * 3 * TILE..][..3 * TILE];
        let (sobel_x, rest) = responses.split_at_mut(TILE);
        let (sobel_y, laplacian) = rest.split_at_mut(TILE);
        let (sobel_x, sobel_y, laplacian) =
            (&mut sobel_x[..n], &mut sobel_y[..n], &mut laplacian[..n]);
        for i in 0..n {
            let left = above[i] + 2.0 * at[i] + below[i];
            let right = above[i + 2] + 2.0 * at[i + 2] + below[i + 2];
            let top = above[i] + 2.0 * above[i + 1] + above[i + 2];
            let bottom = below[i] + 2.0 * below[i + 1] + below[i + 2];
            let ring = top + bottom + 2.0 * (at[i] + at[i + 2]);
            value[i] = at[i + 1];
            sobel_x[i] = scale.sobel * (right - left);
            sobel_y[i] = scale.sobel * (bottom - top);
            laplacian[i] = scale.laplacian * (ring - 12.0 * at[i + 1]);
        }
    }
    let last = fused.layers.len() - 1;
    for (i, layer) in fused.layers.iter().enumerate() {
        let (before, after) = scratch.panels.split_at_mut(i + 1);
        let floor = if i == last { f32::NEG_INFINITY } else { 0.0 };
        multiply(
            simd,
            &layer.forward,
            Some(&layer.bias),
            floor,
            &before[i],
            &mut after[0],
        );
    }
}

/// `output` = max(`matrix` x `input` + bias, floor).
#[inline(always)]
fn multiply<S: Simd>(
    simd: S,
    matrix: &Matrix,
    bias: Option<&[f32]>,
    floor: f32,
    input: &[f32],
    output: &mut [f32],
) {
    const VECTORS: usize = 4;
    let lanes = S::F32_LANES;
    let floor = simd.splat_f32s(floor);
    let blocks = matrix.columns.chunks_exact(matrix.inputs);
    for (block, (columns, output)) in blocks
        .zip(output.chunks_exact_mut(BLOCK * TILE))
        .enumerate()
    {
        for x in (0..TILE).step_by(VECTORS * lanes) {
            let mut sums = [[simd.splat_f32s(0.0); VECTORS]; BLOCK];
            if let Some(bias) = bias {
                for (sums, bias) in sums.iter_mut().zip(&bias[block * BLOCK..]) {
                    *sums = [simd.splat_f32s(*bias); VECTORS];
                }
            }
            for (weights, input) in columns.iter().zip(input.chunks_exact(TILE)) {
                let input = S::as_simd_f32s(&input[x..x + VECTORS * lanes]).0;
                for row in 0..BLOCK {
                    let weight = simd.splat_f32s(weights[row]);
                    for v in 0..VECTORS {
                        sums[row][v] = simd.mul_add_e_f32s(weight, input[v], sums[row][v]);
                    }
                }
            }
            for (sums, output) in sums.iter().zip(output.chunks_exact_mut(TILE)) {
                let output = S::as_mut_simd_f32s(&mut output[x..x + VECTORS * lanes]).0;
                for v in 0..VECTORS {
                    output[v] = simd.max_f32s(sums[v], floor);
                }
            }
        }
    }
}

/// Adds a tile's part of the gradient of a layer's weights and bias, lane by lane.
#[inline(always)]
fn sum_weights<S: Simd>(
    simd: S,
    layer: &Packed,
    gradient: &[f32],
    input: &[f32],
    sums: &mut [f32],
) {
    let lanes = S::F32_LANES;
    let blocks = layer.inputs.div_ceil(BLOCK);
    let vectors = TILE / lanes;
    let mut sums = sums.chunks_exact_mut(BLOCK * BLOCK * LANES);
    let gradients = &gradient[..layer.bias.len() * TILE];
    for gradient in gradients.chunks_exact(BLOCK * TILE) {
        let gradient = S::as_simd_f32s(gradient).0;
        for block in 0..=blocks {
            let Some(sums) = sums.next() else { return };
            let sums = &mut S::as_mut_simd_f32s(sums).0[..BLOCK * BLOCK];
            if block == blocks {
                for row in 0..BLOCK {
                    for v in 0..vectors {
                        sums[row] = simd.add_f32s(sums[row], gradient[row * vectors + v]);
                    }
                }
                continue;
            }
            // The last block may reach beyond what the layer takes; those sums are not looked at.
            let input = S::as_simd_f32s(&input[block * BLOCK * TILE..][..BLOCK * TILE]).0;
            let mut of_block: [[S::f32s; BLOCK]; BLOCK] =
                std::array::from_fn(|row| std::array::from_fn(|i| sums[row * BLOCK + i]));
            for v in 0..vectors {
                for row in 0..BLOCK {
                    let gradient = gradient[row * vectors + v];
                    for (i, sum) in of_block[row].iter_mut().enumerate() {
                        *sum = simd.mul_add_e_f32s(gradient, input[i * vectors + v], *sum);
                    }
                }
            }
            for row in 0..BLOCK {
                sums[row * BLOCK..][..BLOCK].copy_from_slice(&of_block[row]);
            }
        }
    }
}

/// What [`sum_weights`] has summed: outputs x inputs, and outputs.
#[inline(always)]
fn finished<S: Simd>(layer: &Packed, sums: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let lanes = S::F32_LANES;
    let blocks = layer.inputs.div_ceil(BLOCK) + 1;
    let sum = |output: usize, block: usize, i: usize| -> f32 {
        let place = (output / BLOCK * blocks + block) * BLOCK * BLOCK * LANES;
        sums[place + i * lanes..][..lanes].iter().sum()
    };
    let weights = (0..layer.outputs * layer.inputs).map(|n| {
        let (output, input) = (n / layer.inputs, n % layer.inputs);
        let i = output % BLOCK * BLOCK + input % BLOCK;
        sum(output, input / BLOCK, i)
    });
    let bias = (0..layer.outputs).map(|output| sum(output, blocks - 1, output % BLOCK));
    (weights.collect(), bias.collect())
}

/// Three rows of a band, from `start` on.
fn three_rows(band: &mut [f32], start: usize, stride: usize, n: usize) -> [&mut [f32]; 3] {
    let (above, rest) = band[start..].split_at_mut(stride);
    let (at, below) = rest.split_at_mut(stride);
    [&mut above[..n], &mut at[..n], &mut below[..n]]
}

/// The transpose of perception: spreads the gradients of a channel's value and responses over the
/// rows around, from the column left of the tile to the one right of it.
#[inline(always)]
fn unperceive(
    architecture: &Architecture,
    perceived: &[f32],
    n: usize,
    above: &mut [f32],
    at: &mut [f32],
    below: &mut [f32],
) {
    let scale = architecture.filter_scale;
    let rows: [&[f32]; 4] = std::array::from_fn(|i| &perceived[i * TILE..][..n]);
    let [value, sobel_x, sobel_y, laplacian] = rows;
    // One column of the filters after the other, so that each loop writes every place once.
    for i in 0..n {
        let (h, v, l) = (
            scale.sobel * sobel_x[i],
            scale.sobel * sobel_y[i],
            scale.laplacian * laplacian[i],
        );
        above[i] += l - h - v;
        at[i] += 2.0 * (l - h);
        below[i] += l - h + v;
    }
    for i in 0..n {
        let (v, l) = (scale.sobel * sobel_y[i], scale.laplacian * laplacian[i]);
        above[i + 1] += 2.0 * (l - v);
        at[i + 1] += value[i] - 12.0 * l;
        below[i + 1] += 2.0 * (l + v);
    }
    for i in 0..n {
        let (h, v, l) = (
            scale.sobel * sobel_x[i],
            scale.sobel * sobel_y[i],
            scale.laplacian * laplacian[i],
        );
        above[i + 2] += l + h - v;
        at[i + 2] += 2.0 * (l + h);
        below[i + 2] += l + h + v;
    }
}
