use std::fmt;

use pulp::{Simd, WithSimd};

#[cfg(target_arch = "x86_64")]
use super::operands::Avx512Bf16;

/// The vector instructions that the kernels are compiled for.
///
/// Every lane is a pixel of its own and the order of additions is the same in all of them, so that
/// those with fused multiply-add agree bit for bit.
#[derive(Clone, Copy, Debug)]
pub enum Isa {
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
            available.extend(pulp::x86::V4::try_new().map(Self::Avx512));
            available.extend(pulp::x86::V3::try_new().map(Self::Avx2));
            available.extend(pulp::x86::V2::try_new().map(Self::Sse4));
        }
        #[cfg(target_arch = "aarch64")]
        available.extend(pulp::aarch64::Neon::try_new().map(Self::Neon));
        available.push(Self::Portable(pulp::Scalar));
        available
    }

    /// The fastest of full precision that this machine has.
    pub fn detect() -> Self {
        Self::available()[0]
    }

    /// Those that round operands to half precision, where this machine has them.
    pub fn half() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return Avx512Bf16::try_new().map(Self::Avx512Bf16);
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Whether operands are rounded to half precision.
    pub fn is_half(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16(_) => true,
            _ => false,
        }
    }

    /// Runs `op` compiled for these instructions, with full precision.
    #[inline]
    pub fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Self::Sse4(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(simd) => Simd::vectorize(simd, op),
            Self::Portable(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16(simd) => Simd::vectorize(simd.v4(), op),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Sse4(_) => "SSE4.2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "NEON",
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16(_) => "AVX-512 with bf16",
        })
    }
}
