//! The noise that hidden channels start from.

/// Uniform noise in [-0.5, 0.5) for one cell of a state.
///
/// A hash of the seed and the cell's place instead of a stream of random numbers, so that every
/// engine, thread count and tiling gives the same start. The hash is `pcg4d` of Jarzynski and
/// Olano, "Hash Functions for GPU Rendering" (JCGT 9(3), 2020), whose 32-bit arithmetic every GPU
/// has. Its first round makes a key of the seed and the channel, so that fields of different seeds
/// have no channel in common.
#[inline(always)]
pub fn uniform(seed: u64, channel: usize, y: usize, x: usize) -> f32 {
    let key = pcg4d([seed as u32, (seed >> 32) as u32, channel as u32, 0]);
    let cell = [key[0] ^ x as u32, key[1] ^ y as u32, key[2], key[3]];
    // 24 bits fill the mantissa exactly: no value rounds up to 0.5.
    (pcg4d(cell)[0] >> 8) as f32 / (1 << 24) as f32 - 0.5
}

#[inline(always)]
fn pcg4d(v: [u32; 4]) -> [u32; 4] {
    let [mut x, mut y, mut z, mut w] =
        v.map(|v| v.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    for round in 0..2 {
        x = x.wrapping_add(y.wrapping_mul(w));
        y = y.wrapping_add(z.wrapping_mul(x));
        z = z.wrapping_add(x.wrapping_mul(y));
        w = w.wrapping_add(y.wrapping_mul(z));
        if round == 0 {
            [x, y, z, w] = [x, y, z, w].map(|v| v ^ (v >> 16));
        }
    }
    [x, y, z, w]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_uniform_and_uncorrelated() {
        let n = 64;
        for seed in [0, 1, u64::MAX] {
            let (mut sum, mut squares, mut neighbours, mut channels) = (0.0, 0.0, 0.0, 0.0);
            for y in 0..n {
                for x in 0..n {
                    let v = uniform(seed, 7, y, x);
                    assert!((-0.5..0.5).contains(&v));
                    sum += v;
                    squares += v * v;
                    neighbours += v * uniform(seed, 7, y, x + 1);
                    channels += v * uniform(seed, 8, y, x);
                }
            }
            let cells = (n * n) as f32;
            assert!((sum / cells).abs() < 0.02);
            assert!((squares / cells - 1.0 / 12.0).abs() < 0.005);
            assert!((neighbours / cells).abs() < 0.005);
            assert!((channels / cells).abs() < 0.005);
        }
    }

    /// Every pair of a seed and a channel has a field of its own, which tells nothing about another.
    #[test]
    fn fields_of_seeds_and_channels_are_uncorrelated() {
        let n = 32;
        let seeds = (0..64).chain([1 << 32, 1 << 40, u64::MAX]);
        let fields: Vec<Vec<f32>> = seeds
            .flat_map(|seed| (3..9).map(move |channel| (seed, channel)))
            .map(|(seed, channel)| {
                let cells = (0..n * n).map(|i| uniform(seed, channel, i / n, i % n));
                cells.collect()
            })
            .collect();
        let cells = (n * n) as f32;
        for (i, a) in fields.iter().enumerate() {
            for b in &fields[..i] {
                let covariance: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                // Six standard deviations of what independent fields have.
                let correlation = covariance / cells * 12.0;
                assert!(correlation.abs() < 6.0 / cells.sqrt(), "{correlation}");
            }
        }
    }
}
