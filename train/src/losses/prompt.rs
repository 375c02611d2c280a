//! What a sentence asks for, by CLIP.

use rand::{Rng, RngExt};
use tch::{Kind, Tensor};

use crate::TrainError;
use crate::data::content::grid;
use crate::networks::clip::Clip;

/// Ways to say the same, so that the wording counts for less.
const TEMPLATES: [&str; 6] = [
    "{}",
    "{}.",
    "an image: {}",
    "a picture, {}",
    "{}, detailed",
    "a cropped view of {}",
];
/// What pictures are before.
const BEFORE: &str = "a photo";
/// Crops of each picture that are looked at.
const CROPS: usize = 4;

/// The direction from photographs to what sentences say, as in Gal et al., "StyleGAN-NADA" (2022):
/// pictures are to differ from their sources as the sentences differ from "a photo". Random crops in
/// perspective are looked at, after Kwon and Ye, "CLIPstyler" (CVPR 2022), so that all parts of a
/// picture follow.
pub struct PromptLoss {
    clip: Clip,
    /// 1 x D, normalised.
    direction: Tensor,
}

impl PromptLoss {
    /// The direction of the mean of several sentences, with their [weights](weighted).
    pub fn new(clip: Clip, prompts: &[String]) -> Result<Self, TrainError> {
        let _guard = tch::no_grad_guard();
        let place = |prompts: &[String]| {
            let mut places = Vec::new();
            for prompt in prompts {
                let (prompt, weight) = weighted(prompt);
                for template in TEMPLATES {
                    let place = clip.encode_text(&template.replace("{}", prompt))?;
                    places.push(normalised(&place) * weight);
                }
            }
            let places = Tensor::cat(&places, 0);
            let mean = places.mean_dim([0_i64].as_slice(), true, Kind::Float);
            Ok::<_, TrainError>(normalised(&mean))
        };
        let direction = normalised(&(place(prompts)? - place(&[BEFORE.into()])?));
        Ok(Self { clip, direction })
    }

    /// One minus the cosine between the direction and where pictures differ from their sources, both
    /// B x 3 x H x W in [0, 1]; between 0 and 2.
    pub fn loss(&self, pictures: &Tensor, sources: &Tensor, rng: &mut impl Rng) -> Tensor {
        let crops = Crops::draw(rng, pictures, CROPS, self.clip.resolution());
        let places =
            |pictures: &Tensor| normalised(&self.clip.encode_pictures(&crops.of(pictures)));
        let before = tch::no_grad(|| places(sources));
        let moved = normalised(&(places(pictures) - before));
        let cosine =
            (moved * &self.direction).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
        1.0 - cosine.mean(Kind::Float)
    }
}

/// Random crops in perspective.
pub(crate) struct Crops {
    each: i64,
    grids: Tensor,
}

impl Crops {
    /// `each` crops of `resolution` x `resolution` pixels of each of as many pictures as these.
    pub(crate) fn draw(
        rng: &mut impl Rng,
        pictures: &Tensor,
        each: usize,
        resolution: i64,
    ) -> Self {
        let size = resolution as usize;
        let crops = 0..pictures.size()[0] as usize * each;
        let grids = crops.map(|_| grid(&crop(rng, size), size, size, pictures.device()));
        Self {
            each: each as i64,
            grids: Tensor::cat(&grids.collect::<Vec<_>>(), 0),
        }
    }

    /// Those of pictures B x 3 x H x W in [0, 1].
    pub(crate) fn of(&self, pictures: &Tensor) -> Tensor {
        const BILINEAR: i64 = 0;
        const REFLECTION: i64 = 2;
        let repeated = pictures.repeat([self.each, 1, 1, 1]);
        let crops = repeated.grid_sampler_2d(&self.grids, BILINEAR, REFLECTION, false);
        crops.clamp(0.0, 1.0)
    }
}

/// A random crop in perspective, as grid_sample takes it.
fn crop(rng: &mut impl Rng, size: usize) -> Vec<f32> {
    let half = rng.random_range(0.4_f32..0.9);
    let (sin, cos) = rng.random_range(-0.3_f32..0.3).sin_cos();
    let mut within = |most: f32| rng.random_range(-most..=most);
    let centre = [within(1.0 - half), within(1.0 - half)];
    let tilt = [within(0.25), within(0.25)];
    let mut crop = Vec::with_capacity(size * size * 2);
    for y in 0..size {
        for x in 0..size {
            let [x, y] = [x, y].map(|at| 2.0 * (at as f32 + 0.5) / size as f32 - 1.0);
            let depth = 1.0 + tilt[0] * x + tilt[1] * y;
            crop.push(centre[0] + half * (cos * x - sin * y) / depth);
            crop.push(centre[1] + half * (sin * x + cos * y) / depth);
        }
    }
    crop
}

/// A sentence, or the name of a picture, and its weight: `rain:0.5`; below 0 it is kept away from. Without
/// a weight it is 1.
pub fn weighted(text: &str) -> (&str, f64) {
    let parsed = text.rsplit_once(':').and_then(|(text, weight)| {
        let weight: f64 = weight.trim().parse().ok()?;
        weight.is_finite().then_some((text, weight))
    });
    parsed.unwrap_or((text, 1.0))
}

/// Places with length 1.
pub(crate) fn normalised(places: &Tensor) -> Tensor {
    let lengths = places.norm_scalaropt_dim(2.0, [-1_i64].as_slice(), true);
    places / (lengths + 1e-8)
}
