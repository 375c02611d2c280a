//! The update rule as the kernels read it.

use half::f16;

use crate::engine::weights::Weights;
use crate::model::{Architecture, Model};

/// The rule for kernels/step_full.cu, 16-byte words: of each layer weights [passes][inputs][8
/// groups][outputs of a thread], then the biases of all layers.
pub(super) fn full(model: &Model) -> Vec<f32> {
    const GROUPS: usize = 8;
    let weights = Weights(model);
    let mut rule = Vec::new();
    let mut biases = Vec::new();
    for (i, layer) in model.layers.iter().enumerate() {
        let of_thread = match layer.outputs {
            outputs if outputs <= 4 * GROUPS => 4,
            outputs if outputs <= 8 * GROUPS => 8,
            _ => 12,
        };
        let pass = of_thread * GROUPS;
        for first in (0..layer.outputs).step_by(pass) {
            for input in 0..layer.inputs {
                rule.extend((first..first + pass).map(|output| weights.weight(i, output, input)));
            }
            biases.extend((first..first + pass).map(|output| weights.bias(i, output)));
        }
    }
    rule.extend(biases);
    rule
}

/// Sizes to which kernels/step_half.cuh pads a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Padding {
    /// Pairs of chunks of perception, four channels each.
    pub(super) perception: usize,
    /// Whether there is one chunk more, two channels.
    pub(super) tail: bool,
    /// For each hidden layer, pairs of groups of 8 outputs.
    pub(super) hidden: [usize; Architecture::MAX_HIDDEN_LAYERS],
    /// Pairs of groups of the update.
    pub(super) update: usize,
}

/// One lane's place in a fragment: the output of the group that it holds, and where among the
/// inputs of a chunk its two are.
struct Lane {
    group: usize,
    in_group: usize,
}

/// The rule for kernels/step_half.cuh, 16-byte words: weights of each layer as fragments [pairs of
/// groups][pairs of chunks][32 lanes], then the biases of all layers. None if a weight is beyond
/// what half precision can hold.
pub(super) fn half(model: &Model, padding: &Padding) -> Option<Vec<[u32; 4]>> {
    let weights = Weights(model);
    let last = model.layers.len() - 1;
    let mut overflow = false;
    let mut bits = |weight: f32| {
        let weight = f16::from_f32(weight);
        overflow |= !weight.is_finite();
        u32::from(weight.to_bits())
    };
    let mut words = Vec::new();
    let mut biases = Vec::new();
    let mut chunk_pairs = padding.perception;
    for layer in 0..=last {
        let pairs = if layer == last {
            padding.update
        } else {
            padding.hidden[layer]
        };
        // The output that is column `column` of group `group`. Those of the update are in another
        // order: see the end of half_step::step.
        let output = |group: usize, column: usize| match layer == last {
            true => 8 * group + column / 2 + 4 * (column % 2),
            false => 8 * group + column,
        };
        let tail = layer == 0 && padding.tail;
        // Two weights of a lane: those of inputs 2t and 2t+1 of a chunk.
        let mut fragment = |group: usize, chunk: usize, lane: &Lane| {
            let output = output(group, lane.group);
            let pair = [0, 1].map(|i| {
                if layer > 0 {
                    return weights.weight(layer, output, 8 * chunk + 2 * lane.in_group + i);
                }
                let (channel, filter) = if chunk == 2 * chunk_pairs {
                    (2 * chunk + lane.in_group / 2, 2 * (lane.in_group % 2) + i)
                } else {
                    (chunk / 2 * 4 + lane.in_group, 2 * (chunk % 2) + i)
                };
                weights.perception(output, channel, filter)
            });
            bits(pair[0]) | bits(pair[1]) << 16
        };
        for pair in 0..pairs {
            let (first, second) = (2 * pair, 2 * pair + 1);
            for chunks in 0..chunk_pairs {
                words.extend(lanes().map(|lane| {
                    [(first, 0), (first, 1), (second, 0), (second, 1)]
                        .map(|(group, chunk)| fragment(group, 2 * chunks + chunk, &lane))
                }));
            }
            if tail {
                let chunk = 2 * chunk_pairs;
                let halves: Vec<u32> = lanes()
                    .flat_map(|lane| [first, second].map(|group| fragment(group, chunk, &lane)))
                    .collect();
                words.extend(halves.as_chunks::<4>().0);
            }
            biases.extend((0..4).map(|in_group| {
                [(first, 0), (first, 1), (second, 0), (second, 1)].map(|(group, i)| {
                    weights
                        .bias(layer, output(group, 2 * in_group + i))
                        .to_bits()
                })
            }));
        }
        chunk_pairs = pairs;
    }
    words.extend(biases);
    (!overflow).then_some(words)
}

/// The lanes of a warp.
fn lanes() -> impl Iterator<Item = Lane> {
    (0..32).map(|lane| Lane {
        group: lane / 4,
        in_group: lane % 4,
    })
}
