//! A model's weights as engines read them, with all constant factors folded in.

use crate::model::{Architecture, Model};

/// What a rule perceives of each channel: its value, sobel_x, sobel_y and the laplacian.
const PERCEIVED: usize = 1 + Architecture::FILTERS;

/// A model's weights by place; zero beyond its layers' widths, so that they can be padded.
pub(super) struct Weights<'a>(pub(super) &'a Model);

impl Weights<'_> {
    /// The weight of an input of a layer; of the first one, with what is perceived of each channel next
    /// to each other.
    pub(super) fn weight(&self, layer: usize, output: usize, input: usize) -> f32 {
        match layer {
            0 => self.perception(output, input / PERCEIVED, input % PERCEIVED),
            _ => self.as_stored(layer, output, input),
        }
    }

    /// The weight, in the first layer, of what a filter makes of a channel: 0 is its value.
    pub(super) fn perception(&self, output: usize, channel: usize, filter: usize) -> f32 {
        let architecture = &self.0.architecture;
        if channel >= architecture.channels {
            return 0.0;
        }
        let scale = architecture.filter_scale;
        match filter.checked_sub(1) {
            None => self.as_stored(0, output, channel),
            Some(filter) => {
                let input = architecture.channels + channel * Architecture::FILTERS + filter;
                let scale = match filter {
                    2 => scale.laplacian,
                    _ => scale.sobel,
                };
                self.as_stored(0, output, input) * scale
            }
        }
    }

    pub(super) fn bias(&self, layer: usize, output: usize) -> f32 {
        let bias = self.0.layers[layer].bias.as_ref();
        let bias = bias.and_then(|bias| bias.get(output));
        bias.map_or(0.0, |bias| bias * self.factor(layer))
    }

    /// The weight of an input as model files number them.
    fn as_stored(&self, layer: usize, output: usize, input: usize) -> f32 {
        let stored = &self.0.layers[layer];
        if output < stored.outputs && input < stored.inputs {
            stored.weights[output * stored.inputs + input] * self.factor(layer)
        } else {
            0.0
        }
    }

    /// The update is scaled before it is added.
    fn factor(&self, layer: usize) -> f32 {
        if layer + 1 == self.0.layers.len() {
            self.0.architecture.step_size
        } else {
            1.0
        }
    }
}
