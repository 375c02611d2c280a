//! What every kernel computes with.

#[cfg(target_arch = "x86_64")]
use std::any::TypeId;

use pulp::Simd;

/// a * b + c, rounded once where the processor can.
#[inline(always)]
pub(super) fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    // Without the instruction, it would be a call of a library function for each lane.
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<S>() == TypeId::of::<pulp::x86::V2>() {
        return simd.add_f32s(simd.mul_f32s(a, b), c);
    }
    simd.mul_add_e_f32s(a, b, c)
}
