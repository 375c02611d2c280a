use std::fmt;

use pulp::{Simd, WithSimd};

#[cfg(target_arch = "x86_64")]
use super::operands::Avx512Bf16;

/// The vector instructions that the kernels are compiled for.
///
/// Every lane is a pixel of its own and the order of additions is the same in all of them, so that
/// those with fused multiply-add agree bit for bit.
#[derive(Clone, Copy, Debug)]
pub struct Isa(pub(super) Instructions);

#[derive(Clone, Copy, Debug)]
pub(super) enum Instructions {
    /// x86-64 with AVX-512: 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    /// x86-64 with AVX2 and FMA: 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    /// x86-64 with SSE4.2: 4 lanes, without fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Sse4(pulp::x86::V2),
    /// 64-bit ARM: 4 lanes.
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    /// Any processor: one lane, as the compiler sees fit.
    Portable(pulp::Scalar),
    /// x86-64 with AVX-512 and its products of bf16 pairs: 16 lanes, values and weights rounded
    /// to bf16 where they are multiplied.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16(Avx512Bf16),
}

impl Isa {
    /// Those of full precision that this machine has, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut available = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            available.extend(pulp::x86::V4::try_new().map(Instructions::Avx512));
            available.extend(pulp::x86::V3::try_new().map(Instructions::Avx2));
            available.extend(pulp::x86::V2::try_new().map(Instructions::Sse4));
        }
        #[cfg(target_arch = "aarch64")]
        available.extend(pulp::aarch64::Neon::try_new().map(Instructions::Neon));
        available.push(Instructions::Portable(pulp::Scalar));
        available.into_iter().map(Self).collect()
    }

    /// The fastest of full precision that this machine has.
    pub fn detect() -> Self {
        Self::available()[0]
    }

    /// Those that round operands to half precision, where this machine has them.
    pub fn half() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return Avx512Bf16::try_new().map(|simd| Self(Instructions::Avx512Bf16(simd)));
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Whether operands are rounded to half precision.
    pub(super) fn is_half(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512Bf16(_) => true,
            _ => false,
        }
    }

    /// Runs `op` compiled for these instructions, with full precision.
    #[inline]
    pub(super) fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Instructions::Sse4(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(simd) => Simd::vectorize(simd, op),
            Instructions::Portable(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512Bf16(simd) => Simd::vectorize(simd.v4(), op),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Instructions::Sse4(_) => "SSE4.2",
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(_) => "NEON",
            Instructions::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512Bf16(_) => "AVX-512 with bf16",
        })
    }
}
