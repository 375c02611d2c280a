//! What kernels are told: the structures of kernels/state.cuh and kernels/frame.cu.

use bytemuck::{Pod, Zeroable};

use super::driver::Address;
use crate::Size;
use crate::model::{Architecture, Border};

/// Size of all channels of a state: H rows of W values, `pitch` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Shape {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) pitch: i32,
    pub(super) border: i32,
}

impl Shape {
    /// Rows begin at a multiple of so many values: of whole cache lines.
    const ALIGNMENT: usize = 32;

    pub(super) fn new(size: Size, border: Border) -> Self {
        Self {
            width: size.width as i32,
            height: size.height as i32,
            pitch: size.width.next_multiple_of(Self::ALIGNMENT) as i32,
            border: match border {
                Border::Circular => 0,
                Border::Replicate => 1,
            },
        }
    }

    /// Values from one row to the next.
    pub(super) fn pitch(&self) -> usize {
        self.pitch as usize
    }

    /// Values of one channel.
    pub(super) fn plane(&self) -> usize {
        self.height as usize * self.pitch()
    }
}

/// One channel that is blurred, and where it is worked on in shared memory, in values.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Blur {
    /// Counted from the first updated channel.
    pub(super) channel: i32,
    pub(super) radius: i32,
    pub(super) around: i32,
    pub(super) rows: i32,
    pub(super) weights: [f32; 32],
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct StepParameters {
    pub(super) frozen: Address,
    pub(super) cells: Address,
    pub(super) next: Address,
    pub(super) rule: Address,
    pub(super) blurs: Address,
    pub(super) scratch: Address,
    /// A word for every tile: whether it is to be computed; 0: all are.
    pub(super) wanted: Address,
    pub(super) not_finite: Address,
    pub(super) shape: Shape,
    pub(super) frozen_channels: i32,
    pub(super) updated_channels: i32,
    pub(super) blur_count: i32,
    pub(super) hidden_layers: i32,
    pub(super) hidden: [i32; Architecture::MAX_HIDDEN_LAYERS],
    pub(super) rule_words: i32,
    pub(super) tile_stride: i32,
    pub(super) panel_stride: i32,
    pub(super) tiles_x: i32,
    pub(super) tiles: i32,
    pub(super) unused: i32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct SourceParameters {
    pub(super) samples: Address,
    pub(super) frozen: Address,
    pub(super) shape: Shape,
    pub(super) frozen_channels: i32,
    pub(super) unused: i32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct SeedParameters {
    pub(super) frozen: Address,
    pub(super) cells: Address,
    pub(super) seed: u64,
    pub(super) shape: Shape,
    pub(super) frozen_channels: i32,
    pub(super) updated_channels: i32,
}

/// A grid of cells of a flow.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct FlowGrid {
    pub(super) values: Address,
    pub(super) width: i32,
    pub(super) height: i32,
    /// Cells for each pixel, along x and y.
    pub(super) ratio: [f32; 2],
    /// On the values.
    pub(super) scale: f32,
    pub(super) unused: i32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct CarryParameters {
    pub(super) cells: Address,
    pub(super) next: Address,
    pub(super) frozen: Address,
    /// How far each pixel's motion is not believed.
    pub(super) distrust: Address,
    /// Set to 1 for the tiles of the step in which that is anything.
    pub(super) doubted: Address,
    pub(super) seed: u64,
    /// Vectors along x and along y, and confidence.
    pub(super) grids: [FlowGrid; 3],
    pub(super) shape: Shape,
    pub(super) frozen_channels: i32,
    pub(super) updated_channels: i32,
    /// Up to the first confidence motion is not believed, from the second on it is.
    pub(super) trust: [f32; 2],
    pub(super) sharpness: f32,
    /// Width and height of a tile of the step.
    pub(super) tile: [i32; 2],
    pub(super) tiles_x: i32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct GrowParameters {
    pub(super) cells: Address,
    pub(super) next: Address,
    pub(super) distrust: Address,
    pub(super) shape: Shape,
    pub(super) updated_channels: i32,
    pub(super) unused: i32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct RenderParameters {
    pub(super) cells: Address,
    pub(super) samples: Address,
    pub(super) shape: Shape,
}
