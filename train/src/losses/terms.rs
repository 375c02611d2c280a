//! What training makes small.
//!
//! All take and return float32 tensors on one device; what they return is a scalar.

use tch::{Device, Kind, Tensor};

use nca::internals::LUMA;

/// Places of a picture that are compared at most; more are sampled.
const PLACES: i64 = 2048;

/// The distribution of features of a style picture, at several layers.
pub struct SlicedWasserstein {
    /// C x N for each layer.
    layers: Vec<Tensor>,
    /// Mean square of each layer, so that no layer outweighs the others.
    scales: Vec<f64>,
    projections: i64,
}

impl SlicedWasserstein {
    /// The distribution of `features`, 1 x C x H x W a layer, compared along `projections` random
    /// directions each time.
    pub fn new(features: &[Tensor], projections: i64) -> Self {
        let layers: Vec<_> = features
            .iter()
            .map(|layer| layer.squeeze_dim(0).flatten(1, -1).detach())
            .collect();
        let scales = layers
            .iter()
            .map(|layer| layer.square().mean(Kind::Float).double_value(&[]).max(1e-8))
            .collect();
        Self {
            layers,
            scales,
            projections,
        }
    }

    /// Sum over the layers of the mean squared distance between the sorted projections of each
    /// picture's features, B x C x H x W a layer, and those of the style; a picture without any
    /// features in common with the style has a distance of about 1 or 2 a layer.
    ///
    /// After Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis" (CVPR 2021).
    /// Directions and, where there are many, places are drawn from torch's generator.
    pub fn loss(&self, features: &[Tensor]) -> Tensor {
        let terms = self.layers.iter().zip(&self.scales).zip(features);
        let terms = terms.map(|((style, scale), features)| {
            let features = features.flatten(2, -1);
            let device = features.device();
            let channels = style.size()[0];
            let directions = Tensor::randn([self.projections, channels], (Kind::Float, device));
            let directions =
                &directions / directions.norm_scalaropt_dim(2.0, [1_i64].as_slice(), true);
            let sorted = |values: Tensor| directions.matmul(&values).sort(-1, false).0;
            let features = sorted(sampled(&features));
            let style = sorted(sampled(style));
            let style = quantiles(&style, features.size()[2]);
            // A normalised direction sees one channel's share of the mean square over channels.
            (features - style).square().mean(Kind::Float) / *scale
        });
        terms.sum()
    }
}

/// At most [`PLACES`] random places of the last dimension.
fn sampled(values: &Tensor) -> Tensor {
    let places = values.size().last().copied().unwrap_or(0);
    if places <= PLACES {
        return values.shallow_clone();
    }
    let chosen = Tensor::randint(places, [PLACES], (Kind::Int64, values.device()));
    values.index_select(-1, &chosen)
}

/// `n` quantiles, evenly spread, of the sorted values P x N.
fn quantiles(sorted: &Tensor, n: i64) -> Tensor {
    if sorted.size()[1] == n {
        return sorted.shallow_clone();
    }
    let values = sorted.unsqueeze(0).upsample_linear1d(n, false, None);
    values.squeeze_dim(0)
}

/// Mean squared distance of features that are to be the same at every place, relative to their
/// mean square; the mean over the layers.
pub fn feature_distance(features: &[Tensor], wanted: &[Tensor]) -> Tensor {
    let terms = features.iter().zip(wanted).map(|(features, wanted)| {
        let scale = wanted.square().mean(Kind::Float) + 1e-6;
        (features - wanted).square().mean(Kind::Float) / scale
    });
    terms.sum::<Tensor>() / features.len() as f64
}

/// How little pictures B x 3 x H x W are light and dark where others are: 1 minus the correlation of the
/// brightness of blocks of 8x8 pixels, the mean over the batch; 0 to 2. Style may change how bright a
/// place is, and not which of two is brighter.
pub fn order_of_light(pictures: &Tensor, wanted: &Tensor) -> Tensor {
    const BLOCK: i64 = 8;
    const SMALLEST: f64 = 1e-6;
    let along = [1_i64];
    let blocks = |pictures: &Tensor| {
        let weights = Tensor::from_slice(&LUMA).reshape([1, 3, 1, 1]);
        let grey = pictures * weights.to(pictures.device());
        let grey = grey.sum_dim_intlist(along.as_slice(), true, Kind::Float);
        let blocks = grey.avg_pool2d([BLOCK; 2], [BLOCK; 2], [0; 2], false, true, None::<i64>);
        let blocks = blocks.flatten(1, -1);
        &blocks - blocks.mean_dim(along.as_slice(), true, Kind::Float)
    };
    let (a, b) = (blocks(pictures), blocks(wanted));
    let sum = |values: Tensor| values.sum_dim_intlist(along.as_slice(), false, Kind::Float);
    let correlation = sum(&a * &b) / (sum(a.square()) * sum(b.square()) + SMALLEST).sqrt();
    let apart: Tensor = 1.0 - correlation;
    apart.mean(Kind::Float)
}

/// How far values lie outside of [-1, 1], on average.
pub fn overflow(values: &Tensor) -> Tensor {
    (values - values.clamp(-1.0, 1.0)).abs().mean(Kind::Float)
}

/// Root of the mean squared distance of pictures where `covered` (B x 1 x H x W) is 1. Of the root, so
/// that what is nearly steady is not nearly for free: squares of changes that can just be seen do not
/// outweigh anything, and the picture creeps.
pub fn temporal(picture: &Tensor, moved: &Tensor, covered: &Tensor) -> Tensor {
    const SMALLEST: f64 = 1e-6;
    let distance = ((picture - moved).square() * covered).sum(Kind::Float);
    (distance / (covered.sum(Kind::Float) * 3.0 + 1.0) + SMALLEST).sqrt()
}

/// How far pictures B x 3 x H x W are from others in what can be seen from afar, however their textures
/// lie: root of the mean squared distance of the colours of blocks of 16x16 pixels, and of the
/// deviation of fine detail in them.
pub fn astray(pictures: &Tensor, wanted: &Tensor) -> Tensor {
    const SMALLEST: f64 = 1e-6;
    let [(colours, detail), (wanted_colours, wanted_detail)] = [pictures, wanted].map(from_afar);
    let distance = |a: Tensor, b: Tensor| ((a - b).square().mean(Kind::Float) + SMALLEST).sqrt();
    distance(colours, wanted_colours) + distance(detail, wanted_detail)
}

/// Colours of blocks of 16x16 pixels, and how much what a mean of 5x5 takes away deviates in them: each
/// B x 3 x H/16 x W/16.
fn from_afar(pictures: &Tensor) -> (Tensor, Tensor) {
    const BLOCK: i64 = 16;
    /// Keeps the gradient of the root bounded where there is no detail.
    const FLOOR: f64 = 1e-4;
    let of_blocks = |values: &Tensor| {
        values.avg_pool2d([BLOCK; 2], [BLOCK; 2], [0; 2], false, true, None::<i64>)
    };
    let detail = of_blocks(&fine_detail(pictures).square());
    (of_blocks(pictures), (detail + FLOOR).sqrt())
}

/// What a mean of 5x5 pixels takes away from pictures B x 3 x H x W; the same shape.
pub fn fine_detail(pictures: &Tensor) -> Tensor {
    let padded = pictures.replication_pad2d([2; 4]);
    pictures - padded.avg_pool2d([5; 2], [1; 2], [0; 2], false, true, None::<i64>)
}

/// Gram matrices of features B x C x H x W, divided by H x W: B x C x C. After Gatys et al., "Image
/// Style Transfer Using Convolutional Neural Networks" (CVPR 2016).
pub fn gram(features: &Tensor) -> Tensor {
    let (_, _, height, width) = features.size4().expect("features have four dimensions");
    let values = features.flatten(2, -1);
    values.matmul(&values.transpose(1, 2)) / (height * width) as f64
}

/// A histogram of colours that does not depend on brightness, and can be differentiated: RGB-uv of
/// Afifi et al., "HistoGAN" (CVPR 2021), as the published notebooks configure it, with 256 bins over
/// [-3, 3], inverse-quadratic kernels of sigma 0.02, weighted by intensity, of pictures no larger
/// than 64x64. For pictures B x 3 x H x W: B x 3 x 256 x 256, each with the sum 1.
pub fn colour_histogram(pictures: &Tensor) -> Tensor {
    const BINS: i64 = 256;
    const SIDE: i64 = 64;
    const SIGMA: f64 = 0.02;
    const EPSILON: f64 = 1e-6;
    let (_, _, height, width) = pictures.size4().expect("pictures have four dimensions");
    let pictures = pictures.clamp(0.0, 1.0);
    let pictures = if height > SIDE || width > SIDE {
        pictures.upsample_bilinear2d([SIDE, SIDE], false, None, None)
    } else {
        pictures
    };
    let pixels = pictures.flatten(2, -1);
    let intensity = (pixels
        .square()
        .sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)
        + EPSILON)
        .sqrt()
        .unsqueeze(1);
    let logarithms = (&pixels + EPSILON).log();
    let bins = Tensor::linspace(-3.0, 3.0, BINS, (Kind::Float, pictures.device()));
    let bins = bins.reshape([1, BINS, 1]);
    // B x bins x N: how much each pixel counts for each bin.
    let counts = |a: i64, b: i64| {
        let ratio = logarithms.select(1, a) - logarithms.select(1, b);
        let distance = (ratio.unsqueeze(1) - &bins).square() / (SIGMA * SIGMA);
        (distance + 1.0).reciprocal()
    };
    let planes = [(0, 1, 2), (1, 0, 2), (2, 0, 1)]
        .map(|(of, u, v)| (counts(of, u) * &intensity).matmul(&counts(of, v).transpose(1, 2)));
    let histograms = Tensor::stack(&planes, 1);
    let sums = histograms.sum_dim_intlist([1_i64, 2, 3].as_slice(), true, Kind::Float);
    histograms / (sums + EPSILON)
}

/// Hellinger distance of the [`colour_histogram`]s of pictures from a wanted one, over the whole batch,
/// divided by B. What comes back has that value and its gradient, but not its second derivatives: the
/// graph of a histogram takes a hundred megabytes, so that the gradient is found here, picture by picture.
pub fn colour_distance(pictures: &Tensor, wanted: &Tensor) -> Tensor {
    let batch = pictures.size()[0];
    let wanted_root = wanted.sqrt();
    let mut sum = zero(pictures.device());
    let mut gradients = Vec::new();
    for i in 0..batch {
        let picture = pictures.narrow(0, i, 1).detach().set_requires_grad(true);
        let square = tch::with_grad(|| {
            let difference = &wanted_root - colour_histogram(&picture).sqrt();
            difference.square().sum(Kind::Float)
        });
        gradients.extend(Tensor::run_backward(&[&square], &[&picture], false, false));
        sum += square.detach();
    }
    let scale = 1.0 / (2_f64.sqrt() * batch as f64);
    let distance = sum.sqrt() * scale;
    // Of the root: half of the inner gradient divided by the root, which is 0 where both are.
    let root = sum.sqrt() + f64::from(f32::MIN_POSITIVE);
    let gradient = Tensor::cat(&gradients, 0) / root * (scale / 2.0);
    let linear = (pictures - pictures.detach()) * gradient;
    distance + linear.sum(Kind::Float)
}

/// A scalar zero.
pub fn zero(device: Device) -> Tensor {
    Tensor::zeros([], (Kind::Float, device))
}
