//! The update rule as the kernels want it.

use super::operands::pack_weights;
use crate::engine::weights::Weights;
use crate::model::Model;

/// Most outputs that are computed at a time: with four vectors of pixels each, as many sums as
/// 32 registers hold beside the operands.
pub(super) const BLOCK: usize = 6;

/// The update rule with all constant factors folded into its weights.
pub(super) struct Rule {
    pub(super) frozen: usize,
    pub(super) updated: usize,
    /// All but the last layer; a rectifier follows on each.
    pub(super) hidden: Vec<PackedLayer>,
    /// The last layer, whose outputs are added to the state.
    pub(super) update: PackedLayer,
    pub(super) blurs: Vec<PackedBlur>,
    /// Index into `blurs` for each updated channel.
    pub(super) blur_of: Vec<Option<usize>>,
}

/// A blur of one of the updated channels.
pub(super) struct PackedBlur {
    /// Counted from the first updated channel.
    pub(super) channel: usize,
    pub(super) kernel: Vec<f32>,
}

/// One layer, its outputs cut into blocks.
///
/// Inputs are an even number, and so are the outputs of hidden layers: rows of panels come in
/// pairs. Where the model has one fewer, there is a row of zeros.
pub(super) struct PackedLayer {
    pub(super) inputs: usize,
    pub(super) blocks: Vec<Block>,
}

/// Some outputs of a layer that are computed together.
pub(super) struct Block {
    /// At most [`BLOCK`].
    pub(super) outputs: usize,
    /// One for each output.
    pub(super) bias: Vec<f32>,
    /// (Pairs of) inputs x outputs, as [`pack_weights`] packs them: the inner loop reads them from
    /// front to back.
    pub(super) weights: Vec<u32>,
}

impl PackedLayer {
    /// Packs layer `i`, outputs in units of `unit`.
    fn new(weights: &Weights<'_>, i: usize, unit: usize, half: bool) -> Self {
        let layer = &weights.0.layers[i];
        let inputs = layer.inputs.next_multiple_of(2);
        // Blocks of nearly the same size: 32 = 4 + 6 + 6 + 4 + 6 + 6 rather than 5 x 6 + 2.
        let units = layer.outputs.div_ceil(unit);
        let count = units.div_ceil(BLOCK / unit);
        let bounds: Vec<usize> = (0..=count).map(|i| i * units / count * unit).collect();
        let blocks = bounds
            .windows(2)
            .map(|bounds| {
                let outputs = bounds[0]..bounds[1];
                let rows: Vec<Vec<u32>> = outputs
                    .clone()
                    .map(|output| {
                        let row = (0..inputs).map(|input| weights.weight(i, output, input));
                        pack_weights(&row.collect::<Vec<_>>(), half)
                    })
                    .collect();
                Block {
                    outputs: outputs.len(),
                    bias: outputs.map(|output| weights.bias(i, output)).collect(),
                    weights: (0..rows[0].len())
                        .flat_map(|input| rows.iter().map(move |row| row[input]))
                        .collect(),
                }
            })
            .collect();
        Self { inputs, blocks }
    }
}

impl Rule {
    /// Packs a model's rule, for operands of half precision or f32.
    pub(super) fn new(model: &Model, half: bool) -> Self {
        let architecture = &model.architecture;
        let weights = Weights(model);
        let pack = |i: usize, unit| PackedLayer::new(&weights, i, unit, half);
        let last = model.layers.len() - 1;
        let frozen = architecture.frozen();
        let blurs: Vec<PackedBlur> = architecture
            .blurs
            .iter()
            .map(|blur| PackedBlur {
                channel: blur.channel - frozen,
                kernel: blur.kernel(),
            })
            .collect();
        let blur_of = (0..architecture.updated())
            .map(|channel| blurs.iter().position(|blur| blur.channel == channel))
            .collect();
        Self {
            frozen,
            updated: architecture.updated(),
            hidden: (0..last).map(|i| pack(i, 2)).collect(),
            update: pack(last, 1),
            blurs,
            blur_of,
        }
    }

    /// Rows of values in the largest panel: the inputs of a layer.
    pub(super) fn widest(&self) -> usize {
        let layers = self.hidden.iter().chain([&self.update]);
        layers.map(|layer| layer.inputs).max().unwrap_or(0)
    }
}
