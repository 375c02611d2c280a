//! What sentences and pictures ask for, by their places in CLIP's space: the published notebooks' way.

use std::path::Path;

use rand::Rng;
use tch::{Kind, Tensor};

use crate::TrainError;
use crate::losses::prompt::{Crops, normalised, weighted};
use crate::networks::clip::Clip;
use crate::networks::vgg::read_tensors;

/// Weight of the distance from what is asked for.
const WEIGHT: f64 = 100.0;
/// Crops of each picture that are looked at.
const CROPS: usize = 4;
/// Crops of a picture that is asked for.
const CROPS_OF_PROMPT: usize = 16;
/// The mark that pictures are to get, and the weight of that.
const MARK: f64 = 9.9;
const AESTHETIC_WEIGHT: f64 = 0.5;

/// Where pictures are to go in CLIP's space.
pub struct Guide {
    clip: Clip,
    targets: Vec<Target>,
    aesthetic: Option<Aesthetic>,
}

struct Target {
    /// N x D, normalised.
    places: Tensor,
    weight: f64,
}

/// A linear map from places to the marks that people gave pictures.
struct Aesthetic {
    /// 1 x D.
    weight: Tensor,
    bias: Tensor,
}

impl Guide {
    /// Towards sentences, each with its [weight](weighted).
    pub fn new(clip: Clip, sentences: &[String]) -> Result<Self, TrainError> {
        let _guard = tch::no_grad_guard();
        let targets = sentences.iter().map(|sentence| {
            let (sentence, weight) = weighted(sentence);
            Ok(Target {
                places: normalised(&clip.encode_text(sentence)?),
                weight,
            })
        });
        Ok(Self {
            targets: targets.collect::<Result<_, TrainError>>()?,
            clip,
            aesthetic: None,
        })
    }

    /// Towards a picture, too, 1 x 3 x H x W in [0, 1]; of it random crops are looked at.
    pub fn add_picture(&mut self, picture: &Tensor, weight: f64, rng: &mut impl Rng) {
        let _guard = tch::no_grad_guard();
        let crops = Crops::draw(rng, picture, CROPS_OF_PROMPT, self.clip.resolution());
        let places = self.clip.encode_pictures(&crops.of(picture));
        self.targets.push(Target {
            places: normalised(&places),
            weight,
        });
    }

    /// Towards what people find beautiful, too, by a safetensors file with a `weight` (1 x D) and a
    /// `bias` (1) for normalised places of this CLIP.
    pub fn add_aesthetic(&mut self, path: &Path) -> Result<(), TrainError> {
        let unusable = |why: String| TrainError::Network {
            path: path.into(),
            why,
        };
        let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let tensors = read_tensors(&bytes, |_| true).map_err(unusable)?;
        let places = self.targets.first().map(|target| &target.places);
        let width = places.map_or(0, |places| places.size()[1]);
        let tensor = |name: &str, n: i64| {
            let tensor = tensors
                .get(name)
                .ok_or_else(|| unusable(format!("it has no tensor {name:?}")))?;
            if tensor.numel() as i64 != n {
                return Err(unusable(format!(
                    "{name:?} has {} values; for this CLIP it must have {n}",
                    tensor.numel()
                )));
            }
            let device = places.map_or(tch::Device::Cpu, Tensor::device);
            Ok(tensor.reshape([1, n]).to(device))
        };
        self.aesthetic = Some(Aesthetic {
            weight: tensor("weight", width)?,
            bias: tensor("bias", 1)?,
        });
        Ok(())
    }

    /// How far pictures B x 3 x H x W in [0, 1] are from there, in random crops.
    pub fn losses(&self, pictures: &Tensor, rng: &mut impl Rng) -> Vec<(&'static str, Tensor)> {
        let crops = Crops::draw(rng, pictures, CROPS, self.clip.resolution());
        let places = normalised(&self.clip.encode_pictures(&crops.of(pictures)));
        self.losses_of_places(&places)
    }

    /// How far normalised places N x D are from there: half the squared angle to each target times its
    /// weight; and the squared distance from the highest mark.
    pub fn losses_of_places(&self, places: &Tensor) -> Vec<(&'static str, Tensor)> {
        let targets = self.targets.iter().map(|target| {
            let chords = places.unsqueeze(1) - target.places.unsqueeze(0);
            let chords = chords.norm_scalaropt_dim(2.0, [2_i64].as_slice(), false);
            let distances = (chords / 2.0).arcsin().square() * 2.0;
            distances.mean(Kind::Float) * target.weight
        });
        let mut losses = vec![("prompt", targets.sum::<Tensor>() * WEIGHT)];
        if let Some(Aesthetic { weight, bias }) = &self.aesthetic {
            let marks = places.matmul(&weight.tr()) + bias;
            let off = (marks - MARK).square().mean(Kind::Float);
            losses.push(("aesthetic", off * AESTHETIC_WEIGHT));
        }
        losses
    }
}
