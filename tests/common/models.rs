//! Models of any architecture, with random weights.

use nca::model::{Architecture, Blur, Border, FilterScale, Layer, Model, Playback, Source};
use proptest::prelude::*;

/// A model of any architecture; weights are small enough that the state stays in bounds.
pub fn model(architecture: Architecture, seed: u32) -> Model {
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let layers = architecture.layers();
    let last = layers.len() - 1;
    let layers = layers
        .into_iter()
        .enumerate()
        .map(|(i, (outputs, inputs))| {
            let scale = if i == last { 0.1 } else { 1.0 } / (inputs as f32).sqrt();
            let weights = (0..outputs * inputs).map(|_| random() * scale).collect();
            let bias = (i % 2 == 0).then(|| (0..outputs).map(|_| random() * 0.1).collect());
            Layer::new(outputs, inputs, weights, bias).unwrap()
        })
        .collect();
    Model::new(architecture, layers, Vec::new(), Playback::default()).unwrap()
}

/// The same model with the weights and the bias of its rule's last layer that `change` makes of them.
pub fn with_last_layer(model: &Model, change: impl Fn(&mut [f32], &mut [f32])) -> Model {
    let mut layers = model.layers().to_vec();
    let last = layers.last_mut().unwrap();
    *last = changed(last, change);
    let (architecture, painter) = (model.architecture().clone(), model.painter().to_vec());
    Model::new(architecture, layers, painter, model.playback()).unwrap()
}

/// The same layer with the weights and the bias that `change` makes of them.
pub fn changed(layer: &Layer, change: impl Fn(&mut [f32], &mut [f32])) -> Layer {
    let mut weights = layer.weights().to_vec();
    let mut bias = layer.bias().map(<[f32]>::to_vec);
    change(&mut weights, bias.as_deref_mut().unwrap_or_default());
    Layer::new(layer.outputs(), layer.inputs(), weights, bias).unwrap()
}

/// Any architecture with fewer than `more` channels beyond the least and the given hidden layers.
pub fn architectures(
    more: usize,
    hidden: impl Strategy<Value = Vec<usize>>,
) -> impl Strategy<Value = Architecture> {
    (
        (any::<bool>(), any::<bool>(), 0..more),
        hidden,
        (0..3_usize, 0.5..3.0_f32),
        (-0.5..1.0_f32, -0.5..1.0_f32, -0.5..1.0_f32),
    )
        .prop_map(
            |((rgb, circular, more), hidden, (blurs, sigma), (sobel, laplacian, step))| {
                let source = if rgb {
                    Source::Rgb
                } else {
                    Source::ShiftShuffle
                };
                let channels = source.channels() + 3 + more;
                let blur = |i: usize| Blur {
                    channel: channels - 1 - i,
                    size: 3 + 14 * i,
                    sigma,
                };
                Architecture {
                    channels,
                    source,
                    hidden,
                    border: if circular {
                        Border::Circular
                    } else {
                        Border::Replicate
                    },
                    filter_scale: FilterScale { sobel, laplacian },
                    blurs: (0..blurs.min(more + 3)).map(blur).collect(),
                    step_size: step,
                    cell: 1,
                    painter: None,
                }
            },
        )
}
