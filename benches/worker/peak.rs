//! What the processor can do at most: fused multiply-adds on registers, with nothing else to do.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pulp::{Arch, Simd, WithSimd};

/// For how long it is measured.
const TIME: Duration = Duration::from_millis(60);

/// So many rounds of multiply-adds on as many sums as the registers hold beside two operands: more
/// than the latency asks for.
#[derive(Clone, Copy)]
struct Rounds(usize);

impl WithSimd for Rounds {
    /// Floating-point operations.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        if S::REGISTER_COUNT >= 32 {
            rounds::<S, 24>(simd, self.0)
        } else {
            rounds::<S, 12>(simd, self.0)
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

/// Floating-point operations a second, of `threads` threads at a time.
pub fn measure(threads: usize) -> f64 {
    let arch = Arch::new();
    let start = Instant::now();
    let count = || {
        let mut work = 0.0;
        while start.elapsed() < TIME {
            work += arch.dispatch(Rounds(50_000));
        }
        work
    };
    let work: f64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(count)).collect();
        let works = threads.into_iter().map(|thread| thread.join());
        works.map(|work| work.expect("nothing in it panics")).sum()
    });
    work / start.elapsed().as_secs_f64()
}
