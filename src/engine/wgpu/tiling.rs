//! How a step's work is cut up.
//!
//! A workgroup computes a tile of pixels. What a layer reads of a tile, a panel, lies in the
//! workgroup's memory, and the layer's outputs replace it; until all threads have read, they are
//! kept in registers:
//!
//! ```text
//! panel        | row 0: value 0 of all pixels of the tile, four pixels side by side in a group |
//!              | row 1: value 1 ...
//!
//! thread       = share * groups + group:  the pixels of one group,
//!                                         the layer's outputs share * outputs .. of them
//! ```
//!
//! So a thread loads four values of four pixels and uses them for all of its outputs, and no
//! thread holds more than a few dozen sums, however wide the layers are.

use std::iter::repeat_n;

use crate::Size;
use crate::engine::weights::Weights;
use crate::model::{Architecture, Model};

/// Threads of a workgroup; every device has as many.
pub(super) const THREADS: usize = 128;

/// Pixels side by side that a thread computes at a time, and values that are loaded at a time.
pub(super) const QUAD: usize = 4;

/// Workgroup memory that is used at most, so that several workgroups have room on a processor.
const MAX_PANEL_BYTES: usize = 32 << 10;

/// Width and height of tiles, the most efficient first.
const TILES: [(usize, usize); 5] = [(16, 4), (8, 4), (8, 2), (4, 2), (4, 1)];

/// How the step of one architecture is cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    /// Pixels of a tile in a row.
    pub(super) width: usize,
    /// Rows of a tile.
    pub(super) height: usize,
    /// Rows of the panel: the widest layer's inputs.
    pub(super) rows: usize,
}

impl Tiling {
    /// Tiles that cover a state of `size`, in a row and in all.
    pub(super) fn tiles(&self, size: Size) -> [usize; 2] {
        let columns = size.width.div_ceil(self.width);
        [columns, columns * size.height.div_ceil(self.height)]
    }

    /// The constants by which a kernel finds the tile of a pixel.
    pub(super) fn text(&self, size: Size) -> String {
        let [columns, _] = self.tiles(size);
        format!(
            "const TILE_WIDTH = {}u;\nconst TILE_HEIGHT = {}u;\nconst TILES = {columns}u;\n",
            self.width, self.height
        )
    }

    /// The best tiles whose panels, of values of `value_bytes`, fit into `memory` bytes of a
    /// workgroup; none if not even the smallest do.
    pub(super) fn new(
        architecture: &Architecture,
        value_bytes: usize,
        memory: usize,
    ) -> Option<Self> {
        let widest = architecture.layers().into_iter().map(|(_, inputs)| inputs);
        let rows = widest.max().unwrap_or(0).next_multiple_of(QUAD);
        let memory = memory.min(MAX_PANEL_BYTES);
        TILES
            .into_iter()
            .map(|(width, height)| Self {
                width,
                height,
                rows,
            })
            .find(|tiling| tiling.rows * tiling.width * tiling.height * value_bytes <= memory)
    }

    /// Groups of pixels in a tile.
    pub(super) fn groups(self) -> usize {
        self.width * self.height / QUAD
    }

    /// Threads that share the outputs of a group of pixels.
    pub(super) fn shares(self) -> usize {
        THREADS / self.groups()
    }
}

/// A layer, its outputs shared out among threads and its weights in the order in which each reads
/// them.
pub(super) struct SharedLayer {
    /// Quads of inputs.
    pub(super) input_quads: usize,
    /// Rows of the panel that the outputs fill: a whole number of quads. Those beyond the
    /// model's outputs are zero.
    pub(super) rows: usize,
    /// Outputs of each thread.
    pub(super) outputs: usize,
    /// Where this layer's weights begin, in quads.
    pub(super) start: usize,
}

impl SharedLayer {
    /// Quads of one thread: the biases of its outputs, then for each quad of inputs the weights
    /// of every output.
    pub(super) fn quads(&self) -> usize {
        self.outputs.div_ceil(QUAD) + self.input_quads * self.outputs
    }
}

/// The update rule with all constant factors folded into its weights.
pub(super) struct Rule {
    pub(super) layers: Vec<SharedLayer>,
    /// All weights, in quads.
    pub(super) weights: Vec<f32>,
}

impl Rule {
    /// Shares out a model's rule for `tiling`.
    pub(super) fn new(model: &Model, tiling: Tiling) -> Self {
        let mut rule = Self {
            layers: Vec::new(),
            weights: Vec::new(),
        };
        let weights = Weights(model);
        for i in 0..model.layers.len() {
            rule.push(&weights, i, tiling.shares());
        }
        rule
    }

    /// Adds layer `i`.
    fn push(&mut self, weights: &Weights<'_>, i: usize, shares: usize) {
        let layer = &weights.0.layers[i];
        let rows = layer.outputs.next_multiple_of(QUAD);
        let shared = SharedLayer {
            input_quads: layer.inputs.div_ceil(QUAD),
            rows,
            outputs: rows.div_ceil(shares),
            start: self.weights.len() / QUAD,
        };
        for share in 0..shares {
            let first = share * shared.outputs;
            let padding = shared.outputs.next_multiple_of(QUAD) - shared.outputs;
            let biases = (first..first + shared.outputs).map(|output| weights.bias(i, output));
            self.weights.extend(biases.chain(repeat_n(0.0, padding)));
            for input in (0..shared.input_quads).map(|quad| quad * QUAD) {
                for output in first..first + shared.outputs {
                    let quad = input..input + QUAD;
                    let row = quad.map(|input| weights.weight(i, output, input));
                    self.weights.extend(row);
                }
            }
        }
        self.layers.push(shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_fits_where_webgpu_runs() {
        let widest = Architecture {
            channels: Architecture::MAX_CHANNELS,
            hidden: vec![Architecture::MAX_HIDDEN; Architecture::MAX_HIDDEN_LAYERS],
            ..Architecture::published()
        };
        widest.validate().unwrap();
        // What WebGPU promises.
        let tiling = Tiling::new(&widest, 4, 16 << 10).unwrap();
        assert_eq!((tiling.width, tiling.height), (4, 2));
        let published = Tiling::new(&Architecture::published(), 4, 32 << 10).unwrap();
        assert_eq!((published.width, published.height), (16, 4));
        assert_eq!(published.rows, 92);
        assert!(Tiling::new(&widest, 4, 1 << 10).is_none());
    }

    #[test]
    fn threads_share_all_outputs() {
        let model = Model::bundled_default();
        for memory in [2 << 10, 4 << 10, 16 << 10, 32 << 10] {
            let tiling = Tiling::new(&model.architecture, 4, memory).unwrap();
            let rule = Rule::new(&model, tiling);
            let mut start = 0;
            for (shared, layer) in rule.layers.iter().zip(&model.layers) {
                assert_eq!(shared.start, start);
                assert!(shared.outputs * tiling.shares() >= layer.outputs);
                start += shared.quads() * tiling.shares();
            }
            assert_eq!(rule.weights.len(), start * QUAD);
            let sum = |weights: &[f32]| weights.iter().map(|w| f64::from(w.abs())).sum::<f64>();
            let last = model.layers.last().unwrap();
            let packed = &rule.weights[rule.layers.last().unwrap().start * QUAD..];
            let expected = sum(&last.weights) + last.bias.as_deref().map_or(0.0, sum);
            assert!((sum(packed) - expected).abs() < 1e-3 * expected);
        }
    }
}
