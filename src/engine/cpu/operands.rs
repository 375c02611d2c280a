//! How the numbers of a panel are held and multiplied: as f32, or as pairs of bf16.

use pulp::Simd;

use super::arithmetic::mul_add;

/// Values and weights as the layers multiply them. Sums are f32 in any case.
pub(super) trait Operands<S: Simd>: Copy {
    /// A pixel in each lane; of each pixel one value or a pair.
    type Vector: Copy;

    /// Values of a pixel that a vector holds.
    const VALUES: usize;

    /// The vectors in memory that is aligned to them.
    fn vectors(memory: &mut [u32]) -> &mut [Self::Vector];

    /// The same weight, or pair of weights, as [`pack_weights`] holds it, in every lane.
    fn splat(self, simd: S, weight: u32) -> Self::Vector;

    /// a * b + sum; for pairs, both products are added.
    fn multiply_add(self, simd: S, a: Self::Vector, b: Self::Vector, sum: S::f32s) -> S::f32s;

    /// Writes rows of values 2 `pair` and 2 `pair` + 1 of a panel.
    fn store<const NV: usize>(
        self,
        simd: S,
        panel: &mut [[Self::Vector; NV]],
        pair: usize,
        rows: [&[S::f32s; NV]; 2],
    );
}

/// f32.
#[derive(Clone, Copy)]
pub(super) struct Singles;

impl<S: Simd> Operands<S> for Singles {
    type Vector = S::f32s;

    const VALUES: usize = 1;

    #[inline(always)]
    fn vectors(memory: &mut [u32]) -> &mut [S::f32s] {
        S::as_mut_simd_f32s(bytemuck::cast_slice_mut(memory)).0
    }

    #[inline(always)]
    fn splat(self, simd: S, weight: u32) -> S::f32s {
        simd.splat_f32s(f32::from_bits(weight))
    }

    #[inline(always)]
    fn multiply_add(self, simd: S, a: S::f32s, b: S::f32s, sum: S::f32s) -> S::f32s {
        mul_add(simd, a, b, sum)
    }

    #[inline(always)]
    fn store<const NV: usize>(
        self,
        _: S,
        panel: &mut [[S::f32s; NV]],
        pair: usize,
        [first, second]: [&[S::f32s; NV]; 2],
    ) {
        let [to_first, to_second] = &mut panel.as_chunks_mut::<2>().0[pair];
        *to_first = *first;
        *to_second = *second;
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use pairs::Avx512Bf16;

#[cfg(target_arch = "x86_64")]
mod pairs {
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_permutexvar_epi16,
    };
    use std::mem::transmute;

    use pulp::x86::V4;
    use pulp::{f32x16, u32x16};

    use super::Operands;

    pulp::simd_type! {
        /// x86-64 with AVX-512 and its products of bf16 pairs.
        pub struct Avx512Bf16 {
            sse: "sse",
            sse2: "sse2",
            fxsr: "fxsr",
            sse3: "sse3",
            ssse3: "ssse3",
            sse4_1: "sse4.1",
            sse4_2: "sse4.2",
            popcnt: "popcnt",
            avx: "avx",
            avx2: "avx2",
            bmi1: "bmi1",
            bmi2: "bmi2",
            fma: "fma",
            lzcnt: "lzcnt",
            avx512f: "avx512f",
            avx512bw: "avx512bw",
            avx512cd: "avx512cd",
            avx512dq: "avx512dq",
            avx512vl: "avx512vl",
            avx512bf16: "avx512bf16",
        }
    }

    impl Avx512Bf16 {
        /// The instructions for everything else.
        pub fn v4(self) -> V4 {
            // SAFETY: this type is only made where all that V4 needs is there, and more.
            unsafe { V4::new_unchecked() }
        }
    }

    /// In each lane a pair of bf16: the value of the even row in the low half, that of the odd
    /// one in the high half.
    impl Operands<V4> for Avx512Bf16 {
        type Vector = u32x16;

        const VALUES: usize = 2;

        #[inline(always)]
        fn vectors(memory: &mut [u32]) -> &mut [u32x16] {
            <V4 as pulp::Simd>::as_mut_simd_u32s(memory).0
        }

        #[inline(always)]
        fn splat(self, simd: V4, weight: u32) -> u32x16 {
            pulp::Simd::splat_u32s(simd, weight)
        }

        #[inline(always)]
        fn multiply_add(self, _: V4, a: u32x16, b: u32x16, sum: f32x16) -> f32x16 {
            // SAFETY: the type is proof that the processor has the instruction; vectors of as many
            // bits hold whatever bits they are given.
            unsafe {
                let [a, b] = [a, b].map(|vector| transmute::<u32x16, __m512bh>(vector));
                transmute::<__m512, f32x16>(_mm512_dpbf16_ps(
                    transmute::<f32x16, __m512>(sum),
                    a,
                    b,
                ))
            }
        }

        #[inline(always)]
        fn store<const NV: usize>(
            self,
            _: V4,
            panel: &mut [[u32x16; NV]],
            pair: usize,
            [first, second]: [&[f32x16; NV]; 2],
        ) {
            /// From all of the first row, then all of the second, to pairs.
            const INTERLEAVE: [u16; 32] = {
                let mut order = [0; 32];
                let mut i = 0;
                while i < 32 {
                    order[i as usize] = i / 2 + 16 * (i % 2);
                    i += 1;
                }
                order
            };
            for v in 0..NV {
                // SAFETY: as above.
                panel[pair][v] = unsafe {
                    let [first, second] =
                        [first[v], second[v]].map(|f| transmute::<f32x16, __m512>(f));
                    let rounded =
                        transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first));
                    let order = transmute::<[u16; 32], __m512i>(INTERLEAVE);
                    transmute::<__m512i, u32x16>(_mm512_permutexvar_epi16(order, rounded))
                };
            }
        }
    }
}

/// Weights in the form that [`Operands::splat`] takes: `inputs` weights, an even number, of one
/// output, one or two to a word.
pub(super) fn pack_weights(weights: &[f32], half: bool) -> Vec<u32> {
    if !half {
        return weights.iter().map(|weight| weight.to_bits()).collect();
    }
    let bits = |weight: f32| u32::from(half::bf16::from_f32(weight).to_bits());
    weights
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&[even, odd]| bits(even) | bits(odd) << 16)
        .collect()
}
