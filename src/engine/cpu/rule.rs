//! The update rule as the kernels want it.

use crate::model::{Architecture, Layer, Model};

/// Most outputs that are computed at a time: with four vectors of pixels each, as many sums as
/// 32 registers hold beside the operands.
pub(super) const BLOCK: usize = 6;

/// The update rule with all constant factors folded into its weights.
pub(super) struct Rule {
    pub(super) frozen: usize,
    pub(super) updated: usize,
    /// First to last; a rectifier follows on all but the last.
    pub(super) layers: Vec<PackedLayer>,
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
pub(super) struct PackedLayer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) blocks: Vec<Block>,
}

/// Some outputs of a layer that are computed together.
pub(super) struct Block {
    /// At most [`BLOCK`].
    pub(super) outputs: usize,
    /// One for each output.
    pub(super) bias: Vec<f32>,
    /// Inputs x outputs: the inner loop reads it from front to back.
    pub(super) weights: Vec<f32>,
}

impl PackedLayer {
    fn new(layer: &Layer, column_scale: impl Fn(usize) -> f32, scale: f32) -> Self {
        // Blocks of nearly the same size: 32 = 6 + 6 + 5 + 5 + 5 + 5 rather than 5 x 6 + 2.
        let count = layer.outputs.div_ceil(BLOCK);
        let bounds: Vec<usize> = (0..=count).map(|i| i * layer.outputs / count).collect();
        let blocks = bounds
            .windows(2)
            .map(|bounds| {
                let outputs = bounds[0]..bounds[1];
                let weight = |output: usize, input: usize| {
                    layer.weights[output * layer.inputs + input] * column_scale(input) * scale
                };
                let bias = |output: usize| layer.bias.as_ref().map_or(0.0, |b| b[output] * scale);
                Block {
                    outputs: outputs.len(),
                    bias: outputs.clone().map(bias).collect(),
                    weights: (0..layer.inputs)
                        .flat_map(|input| outputs.clone().map(move |output| (output, input)))
                        .map(|(output, input)| weight(output, input))
                        .collect(),
                }
            })
            .collect();
        Self {
            inputs: layer.inputs,
            outputs: layer.outputs,
            blocks,
        }
    }
}

impl Rule {
    pub(super) fn new(model: &Model) -> Self {
        let architecture = &model.architecture;
        let channels = architecture.channels;
        let filter_scale = |input: usize| match input.checked_sub(channels) {
            None => 1.0,
            Some(response) if response % Architecture::FILTERS == 2 => {
                architecture.filter_scale.laplacian
            }
            Some(_) => architecture.filter_scale.sobel,
        };
        let last = model.layers.len() - 1;
        let layers = model
            .layers
            .iter()
            .enumerate()
            .map(|(i, layer)| {
                let scale = if i == last {
                    architecture.step_size
                } else {
                    1.0
                };
                let first = i == 0;
                PackedLayer::new(
                    layer,
                    |input| if first { filter_scale(input) } else { 1.0 },
                    scale,
                )
            })
            .collect();
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
            layers,
            blurs,
            blur_of,
        }
    }

    /// Values of the widest panel: inputs or outputs of a layer.
    pub(super) fn widest(&self) -> usize {
        let widths = self
            .layers
            .iter()
            .map(|layer| layer.inputs.max(layer.outputs));
        widths.max().unwrap_or(0)
    }
}
