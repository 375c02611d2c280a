//! What the processor can do at most: fused multiply-adds on registers, with nothing else to do.

use std::hint::black_box;
use std::time::Instant;

use pulp::{Simd, WithSimd};

/// Sums that are computed side by side: more than the latency of an addition asks for, few enough
/// for the registers.
const SUMS_OF_32: usize = 24;
const SUMS_OF_16: usize = 12;

/// Runs so many rounds of multiply-adds on as many registers as there are.
struct Rounds(usize);

impl WithSimd for Rounds {
    /// Floating-point operations.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        if S::REGISTER_COUNT >= 32 {
            rounds::<S, SUMS_OF_32>(simd, self.0)
        } else {
            rounds::<S, SUMS_OF_16>(simd, self.0)
        }
    }
}

#[inline(always)]
fn rounds<S: Simd, const SUMS: usize>(simd: S, rounds: usize) -> f64 {
    let factor = simd.splat_f32s(black_box(0.999));
    let term = simd.splat_f32s(black_box(0.001));
    let mut sums = [simd.splat_f32s(1.0); SUMS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = simd.mul_add_f32s(*sum, factor, term);
        }
    }
    black_box(sums);
    (2 * SUMS * S::F32_LANES * rounds) as f64
}

/// Runs multiply-adds on `threads` threads for about 50 ms; floating-point operations a second.
pub fn measure(simd: impl Simd + Send, threads: usize) -> f64 {
    let start = Instant::now();
    let work: f64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(move || {
                    let mut work = 0.0;
                    while start.elapsed().as_millis() < 50 {
                        work += simd.vectorize(Rounds(100_000));
                    }
                    work
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("nothing in it panics"))
            .sum()
    });
    work / start.elapsed().as_secs_f64()
}
