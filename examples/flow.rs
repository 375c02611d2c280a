//! Finds the motion between two pictures and writes it as a .flo file (Middlebury), which most
//! tools for optical flow read: for each pixel of NEW, where it was in OLD.
//!
//!     cargo run --release --example flow -- OLD.png NEW.png MOTION.flo [balanced [THREADS]]
//!
//! Prints the least time in milliseconds that one of twenty estimates took.

use std::error::Error;
use std::time::{Duration, Instant};

use nca::Size;
use nca::frame::{Frame, Packing};
use nca::motion::{Estimator, Quality};

/// What a .flo file begins with.
const MAGIC: &[u8] = b"PIEH";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [old, new, out, rest @ ..] = &arguments[..] else {
        return Err("what is needed is: OLD NEW MOTION.flo [QUALITY [THREADS]]".into());
    };
    let quality = match rest.first() {
        None => Quality::default(),
        Some(name) => name.parse::<Quality>()?,
    };
    let threads = rest.get(1).map_or(Ok(0), |threads| threads.parse())?;
    let [old, new] = [old, new].map(|path| image::open(path).map(image::DynamicImage::into_rgb8));
    let (old, new) = (old?, new?);
    if old.dimensions() != new.dimensions() {
        return Err("the pictures differ in size".into());
    }
    let size = Size::new(new.width() as usize, new.height() as usize);
    let old = Frame::packed(&old, size.width * 3, size, Packing::RGB)?;
    let new = Frame::packed(&new, size.width * 3, size, Packing::RGB)?;

    let mut file = MAGIC.to_vec();
    file.extend((size.width as u32).to_le_bytes());
    file.extend((size.height as u32).to_le_bytes());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let least = pool.install(|| {
        let mut estimator = Estimator::new(size, quality);
        let mut least = Duration::MAX;
        for _ in 0..20 {
            estimator.reset();
            estimator.estimate(&old);
            let start = Instant::now();
            estimator.estimate(&new);
            least = least.min(start.elapsed());
        }
        estimator.reset();
        estimator.estimate(&old);
        if let Some(flow) = estimator.estimate(&new) {
            let [mut dx, mut dy, mut confidence] = [(); 3].map(|()| vec![0.0; size.width]);
            for y in 0..size.height {
                flow.write_row(y, size, &mut dx, &mut dy, &mut confidence);
                let vectors = dx.iter().zip(&dy).flat_map(|(x, y)| [x, y]);
                file.extend(vectors.flat_map(|value| value.to_le_bytes()));
            }
        }
        least
    });
    std::fs::write(out, file)?;
    println!("{:.2}", least.as_secs_f64() * 1e3);
    Ok(())
}
