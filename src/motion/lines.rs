use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

/// A cache line of values.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Values that begin at a cache line, a whole number of lines of them.
#[derive(Clone, Debug)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// Zeros, at least `values` of them.
    pub(super) fn zeros(values: usize) -> Self {
        Self(vec![Line::zeroed(); values.div_ceil(16)])
    }
}

impl Deref for Lines {
    type Target = [f32];

    #[inline(always)]
    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }
}

impl DerefMut for Lines {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}
