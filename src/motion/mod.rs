//! Optical flow: what moved where from one frame of a video to the next.
//!
//! Dense inverse search with variational refinement (Kroeger, Timofte, Dai and Van Gool, "Fast
//! Optical Flow using Dense Inverse Search", ECCV 2016; Brox, Bruhn, Papenberg and Weickert, "High
//! Accuracy Optical Flow Estimation Based on a Theory for Warping", ECCV 2004), on the luma of
//! frames made smaller. From coarse to fine:
//!
//! 1. `search`: patches that overlap are looked for in the frame before, from where half the size
//!    says that they are and from where those beside them are.
//! 2. `search`: what they found is laid out as a flow for every pixel.
//! 3. `refine`: the flow is made smooth except at edges, and to agree with the frames.
//! 4. `still`: what noise alone would look like is no motion.
//! 5. `confidence`: is the way there and back the same, and do the frames agree along it?
//!
//! Everything runs in the rayon pool that the caller is in. The same frames give the same flow,
//! bit for bit, whatever the number of threads and the processor: no sum depends on either, and
//! products and sums are rounded one by one.

mod confidence;
mod flow;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod grids;
mod lines;
mod plane;
mod pyramid;
mod quality;
mod refine;
mod search;
mod split;
mod still;

use pulp::Arch;

pub use self::flow::Flow;
pub use self::quality::Quality;
use crate::Size;
use crate::frame::Frame;
use plane::Plane;
use pyramid::Pyramid;
use refine::{Refine, Refinement};
use search::Patches;
use still::Stillness;

/// Finds the motion from each frame of a video to the one before it.
#[derive(Debug)]
pub struct Estimator {
    arch: Arch,
    quality: Quality,
    /// Of the last frame and, while a frame is looked at, of the one before it.
    new: Pyramid,
    old: Pyramid,
    /// Whether there is a last frame.
    has_last: bool,
    /// The finest first.
    levels: Vec<Work>,
    /// Which level the confidence is computed at.
    trust_level: usize,
    stillness: Stillness,
    flow: Flow,
}

/// What is needed to find the motion at one level.
#[derive(Debug)]
struct Work {
    patches: Patches,
    refine: Refine,
    refinement: Refinement,
    flow: [Plane; 2],
    weights: Plane,
    /// For the way back; none at levels finer than that of the confidence.
    back: Option<(Patches, [Plane; 2])>,
}

impl Estimator {
    /// An estimator for frames of `size`, at least 1 x 1. All the memory that it needs is taken
    /// here: 90 bytes for each pixel at half the frame's width and height, and some more.
    pub fn new(size: Size, quality: Quality) -> Self {
        Self::with_arch(size, quality, Arch::new())
    }

    fn with_arch(size: Size, quality: Quality, arch: Arch) -> Self {
        let size = Size::new(size.width.max(1), size.height.max(1));
        let factor = quality.factor(size);
        let pyramid = || Pyramid::new(size, factor);
        let new = pyramid();
        let trust_level = 1.min(new.levels.len() - 1);
        let zeros = |size| [Plane::zeros(size), Plane::zeros(size)];
        let levels = new.levels.iter().enumerate().map(|(i, level)| {
            let size = level.size();
            let (search, refine) = quality.level(i);
            Work {
                patches: Patches::new(size, search),
                refine,
                refinement: Refinement::new(size),
                flow: zeros(size),
                weights: Plane::zeros(size),
                back: (i >= trust_level)
                    .then(|| (Patches::new(size, Quality::back()), zeros(size))),
            }
        });
        let finest = new.levels[0].size();
        Self {
            arch,
            quality,
            old: pyramid(),
            has_last: false,
            levels: levels.collect(),
            trust_level,
            stillness: Stillness::new(finest),
            flow: Flow {
                arch,
                size,
                factor,
                vectors: zeros(finest),
                confidence_factor: factor << trust_level,
                confidence: Plane::zeros(new.levels[trust_level].size()),
                still: true,
            },
            new,
        }
    }

    /// The motion from `frame` to the frame given before it. None for the first one, for the first
    /// one after [`Estimator::reset`], and for one of another size than the last, which starts
    /// anew. Takes no memory but in that case.
    pub fn estimate(&mut self, frame: &Frame<'_>) -> Option<&Flow> {
        if frame.size() != self.flow.size {
            *self = Self::with_arch(frame.size(), self.quality, self.arch);
        }
        std::mem::swap(&mut self.new, &mut self.old);
        self.new.fill(self.arch, frame);
        if !std::mem::replace(&mut self.has_last, true) {
            return None;
        }
        self.find();
        self.find_back();
        self.settle();
        Some(&self.flow)
    }

    /// The motion that was found last.
    pub(crate) fn flow_mut(&mut self) -> &mut Flow {
        &mut self.flow
    }

    /// Forgets the last frame.
    pub fn reset(&mut self) {
        self.has_last = false;
    }

    /// From the new frame to the old one.
    fn find(&mut self) {
        let arch = self.arch;
        for i in (0..self.levels.len()).rev() {
            let (template, image) = (&self.new.levels[i], &self.old.levels[i].luma);
            let (finer, coarser) = self.levels.split_at_mut(i + 1);
            let coarser = coarser.first().map(|work| work.flow.each_ref());
            let Work {
                patches,
                refine,
                refinement,
                flow,
                weights,
                ..
            } = &mut finer[i];
            patches.search(arch, template, image, coarser);
            patches.densify(arch, &template.luma, image, flow, weights);
            refinement.refine(arch, refine, template, image, flow);
        }
    }

    /// From the old frame to the new one.
    fn find_back(&mut self) {
        let arch = self.arch;
        for i in (self.trust_level..self.levels.len()).rev() {
            let (template, image) = (&self.old.levels[i], &self.new.levels[i].luma);
            let (finer, coarser) = self.levels.split_at_mut(i + 1);
            let coarser = coarser.first().and_then(|work| work.back.as_ref());
            let coarser = coarser.map(|(_, flow)| flow.each_ref());
            let Work { back, weights, .. } = &mut finer[i];
            if let Some((patches, flow)) = back {
                patches.search(arch, template, image, coarser);
                patches.densify(arch, &template.luma, image, flow, weights);
            }
        }
    }

    /// Takes out the motion that is none, and finds out how far the rest can be trusted.
    fn settle(&mut self) {
        let Self {
            arch,
            new,
            old,
            levels,
            trust_level,
            stillness,
            flow,
            ..
        } = self;
        let Flow {
            vectors,
            confidence,
            still,
            ..
        } = flow;
        std::mem::swap(vectors, &mut levels[0].flow);
        let moved = levels[0].refinement.warped();
        *still = stillness.settle(*arch, &new.levels[0], &old.levels[0], moved, vectors);
        if let Some((_, back)) = &mut levels[*trust_level].back {
            back.iter_mut().for_each(Plane::fill_margins);
            let (back, scale) = (back.each_ref(), 1 << *trust_level);
            let vectors = vectors.each_ref();
            confidence::estimate(*arch, vectors, back, scale, stillness, confidence);
        }
        vectors.iter_mut().for_each(Plane::fill_margins);
        confidence.fill_margins();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Packing;

    /// Noise that is the same for equal places, smooth over a few pixels, and moved.
    fn picture(size: Size, moved: f32) -> Vec<u8> {
        let mut pixels = Vec::new();
        for y in 0..size.height {
            for x in 0..size.width {
                let (x, y) = (x as f32 + moved, y as f32 - 0.5 * moved);
                let value =
                    (x * 0.31).sin() + (y * 0.23).cos() + (0.11 * x * (0.05 * y).sin()).sin();
                pixels.extend([(127.0 + 40.0 * value) as u8; 3]);
            }
        }
        pixels
    }

    #[test]
    fn instructions_do_not_matter() {
        let size = Size::new(203, 149);
        let mut found = Vec::new();
        for arch in [Arch::new(), Arch::Scalar] {
            let mut estimator = Estimator::with_arch(size, Quality::Balanced, arch);
            for moved in [0.0, 2.7] {
                let pixels = picture(size, moved);
                let frame = Frame::packed(&pixels, size.width * 3, size, Packing::RGB).unwrap();
                estimator.estimate(&frame);
            }
            let Flow {
                vectors: [u, v],
                confidence,
                ..
            } = &estimator.flow;
            found.push([u, v, confidence].map(|plane| plane.values().to_vec()));
        }
        assert!(found[0] == found[1]);
    }
}
