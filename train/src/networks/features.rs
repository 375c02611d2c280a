//! What losses compare pictures by.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::networks::vgg::Vgg;
use nca::internals::LUMA;

/// Rectified layers of VGG that style is compared at: relu1_1 to relu5_1, of each file those that it
/// reaches.
const STYLE: [usize; 5] = [1, 6, 11, 20, 29];

/// The layer that content is compared at, in the network that reaches deepest; where that does not reach it, the
/// last of the layers for style that it reaches. The earlier the layer, the more of the film's detail stays;
/// beyond relu4_1, content is texture, which is to be the style's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentLayer {
    /// Keeps every leaf.
    Relu2_2,
    /// Between the two.
    Relu3_1,
    /// Keeps things, and leaves their details to the style.
    #[default]
    Relu4_1,
}

impl ContentLayer {
    /// Its index as torchvision counts.
    fn index(self) -> usize {
        match self {
            Self::Relu2_2 => 8,
            Self::Relu3_1 => 11,
            Self::Relu4_1 => 20,
        }
    }
}

/// Where features come from.
pub enum Features {
    /// Networks of VGG's shape.
    Networks {
        /// One or several; style is compared in all of them, content in the one that reaches deepest.
        networks: Vec<Vgg>,
        /// Where content is compared.
        content: ContentLayer,
    },
    /// The picture itself, without any network: patches at three sizes.
    Patches,
}

/// Features of pictures.
pub struct Extracted {
    /// For style: C x H x W each, with channels and sizes of their own, of all pictures or of half of
    /// them.
    pub style: Vec<Tensor>,
    /// For content: likewise.
    pub content: Vec<Tensor>,
}

impl Features {
    /// Of pictures B x 3 x H x W in [0, 1].
    pub fn extract(&self, pictures: &Tensor) -> Extracted {
        let Self::Networks {
            networks,
            content: wanted,
        } = self
        else {
            return Extracted {
                style: patches(pictures),
                content: structure(pictures),
            };
        };
        let deepest = deepest(networks);
        let content = content_layer(&networks[deepest], *wanted);
        let mut extracted = Extracted {
            style: Vec::new(),
            content: Vec::new(),
        };
        for (i, network) in networks.iter().enumerate() {
            let seen = match i {
                _ if i == deepest => pictures.shallow_clone(),
                // One network sees all; for the others, which are dear, a random half must do.
                _ => {
                    let batch = pictures.size()[0];
                    let order = Tensor::randperm(batch, (Kind::Int64, pictures.device()));
                    pictures.index_select(0, &order.narrow(0, 0, (batch + 1) / 2))
                }
            };
            let mut layers = STYLE.to_vec();
            if i == deepest {
                layers.push(content);
            }
            for (layer, values) in network.features(&seen, &layers) {
                if i == deepest && layer == content {
                    extracted.content.push(values.shallow_clone());
                }
                if STYLE.contains(&layer) {
                    extracted.style.push(values);
                }
            }
        }
        extracted
    }

    /// Only what content is compared by.
    pub fn content(&self, pictures: &Tensor) -> Vec<Tensor> {
        let Self::Networks { networks, content } = self else {
            return structure(pictures);
        };
        let network = &networks[deepest(networks)];
        let features = network.features(pictures, &[content_layer(network, *content)]);
        features.into_iter().map(|(_, values)| values).collect()
    }
}

/// The network that content is compared in.
fn deepest(networks: &[Vgg]) -> usize {
    let depths = networks.iter().map(Vgg::depth).enumerate();
    depths.max_by_key(|(_, depth)| *depth).map_or(0, |(i, _)| i)
}

fn content_layer(network: &Vgg, wanted: ContentLayer) -> usize {
    let wanted = wanted.index();
    if network.has(wanted) {
        return wanted;
    }
    let mut reached = STYLE
        .into_iter()
        .filter(|&layer| layer < wanted && network.has(layer));
    reached.next_back().unwrap_or(STYLE[0])
}

/// Width of a patch in pixels.
const PATCH: i64 = 5;

/// Patches of 5x5 pixels at full, half and quarter size: texture at three scales without a network,
/// after Elnekave and Weiss, "Generating natural images with direct patch distributions matching"
/// (ECCV 2022). B x 75 x H x W each.
fn patches(pictures: &Tensor) -> Vec<Tensor> {
    pyramid(pictures)
        .iter()
        .map(|level| {
            let (batch, _, height, width) = level.size4().expect("pictures have four dimensions");
            let patches = level.im2col([PATCH; 2], [1; 2], [0; 2], [1; 2]);
            patches.reshape([batch, -1, height - PATCH + 1, width - PATCH + 1])
        })
        .collect()
}

/// Differences of neighbouring pixels of the brightness, and where it is brighter than around, at
/// half and quarter size: what keeps the layout when there is no network. B x 3 x H x W each.
fn structure(pictures: &Tensor) -> Vec<Tensor> {
    let weights = Tensor::from_slice(&LUMA)
        .reshape([1, 3, 1, 1])
        .to(pictures.device());
    let grey = (pictures * weights).sum_dim_intlist([1_i64].as_slice(), true, Kind::Float);
    pyramid(&grey)
        .iter()
        .skip(1)
        .map(|level| {
            let (_, _, height, width) = level.size4().expect("pictures have four dimensions");
            let inner = |y: i64, x: i64| level.narrow(2, y, height - 2).narrow(3, x, width - 2);
            let around =
                level.avg_pool2d([3_i64; 2], [1_i64; 2], [0_i64; 2], false, true, None::<i64>);
            Tensor::cat(
                &[
                    inner(1, 2) - inner(1, 0),
                    inner(2, 1) - inner(0, 1),
                    (inner(1, 1) - around) * 2.0,
                ],
                1,
            )
        })
        .collect()
}

/// The pictures at full, half and quarter size.
fn pyramid(pictures: &Tensor) -> [Tensor; 3] {
    let halved =
        |x: &Tensor| x.avg_pool2d([2_i64; 2], [2_i64; 2], [0_i64; 2], false, true, None::<i64>);
    let half = halved(pictures);
    let quarter = halved(&half);
    [pictures.shallow_clone(), half, quarter]
}
