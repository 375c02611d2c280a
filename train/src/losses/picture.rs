//! How far pictures are from the style of another.

use tch::{Kind, Tensor};

use crate::losses::terms::{SlicedWasserstein, gram};
use crate::networks::features::Features;

/// Directions along which distributions are compared in each iteration.
const PROJECTIONS: i64 = 32;

/// The style of a picture, at several sizes: small features see only small things, and what is large is
/// small in a smaller picture.
pub struct PictureLoss {
    /// From the full size on, each half as large as the last.
    levels: Vec<Level>,
    colour: SlicedWasserstein,
}

struct Level {
    distribution: SlicedWasserstein,
    /// 1 x C x C of each layer of features; empty: they are not compared.
    grams: Vec<Tensor>,
}

/// Distances, and the features that content is compared by.
pub struct PictureTerms {
    /// Of the distribution of features, the mean over the sizes.
    pub style: Tensor,
    /// Of their Gram matrices, likewise.
    pub gram: Tensor,
    /// Of the distribution of colours.
    pub colour: Tensor,
    /// Of the full size, as [`Features::content`] gives them.
    pub content: Vec<Tensor>,
}

impl PictureLoss {
    /// The style of a picture, 1 x 3 x H x W in [0, 1], at so many sizes; with Gram matrices, if they are
    /// to be compared.
    pub fn new(picture: &Tensor, features: &Features, levels: usize, with_grams: bool) -> Self {
        let _guard = tch::no_grad_guard();
        let levels = sizes(picture, levels).map(|picture| {
            let features = features.extract(&picture).style;
            Level {
                grams: match with_grams {
                    true => features.iter().map(gram).collect(),
                    false => Vec::new(),
                },
                distribution: SlicedWasserstein::new(&features, PROJECTIONS),
            }
        });
        Self {
            levels: levels.collect(),
            colour: SlicedWasserstein::new(&[picture.shallow_clone()], PROJECTIONS),
        }
    }

    /// How far pictures, B x 3 x H x W in [0, 1], are from it.
    pub fn terms(&self, pictures: &Tensor, features: &Features) -> PictureTerms {
        let mut content = None;
        let (mut style, mut grams) = (Vec::new(), Vec::new());
        for (level, pictures) in self.levels.iter().zip(sizes(pictures, self.levels.len())) {
            let extracted = features.extract(&pictures);
            content.get_or_insert(extracted.content);
            style.push(level.distribution.loss(&extracted.style));
            let distances = level
                .grams
                .iter()
                .zip(&extracted.style)
                .map(|(wanted, of)| {
                    let square = (gram(of) - wanted).square();
                    let square = square.sum_dim_intlist([1_i64, 2].as_slice(), false, Kind::Float);
                    square.mean(Kind::Float) / wanted.square().sum(Kind::Float)
                });
            grams.push(distances.sum::<Tensor>());
        }
        let mean = |terms: Vec<Tensor>| {
            let n = terms.len() as f64;
            terms.into_iter().sum::<Tensor>() / n
        };
        PictureTerms {
            style: mean(style),
            gram: mean(grams),
            colour: self.colour.loss(&[pictures.shallow_clone()]),
            content: content.unwrap_or_default(),
        }
    }
}

/// Pictures at so many sizes, each half as large as the last; fewer, where features would have no place left.
fn sizes(pictures: &Tensor, count: usize) -> impl Iterator<Item = Tensor> {
    /// Shortest side of a picture that is halved no further. A quarter of half of it still is a patch, and a
    /// sixteenth of it a place of the deepest layer.
    const LEAST: i64 = 40;
    let halved =
        |x: &Tensor| x.avg_pool2d([2_i64; 2], [2_i64; 2], [0_i64; 2], false, true, None::<i64>);
    std::iter::successors(Some(pictures.shallow_clone()), move |last| {
        let (_, _, height, width) = last.size4().expect("pictures have four dimensions");
        (height.min(width) >= LEAST).then(|| halved(last))
    })
    .take(count)
}
