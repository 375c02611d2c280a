//! What it costs to find the motion between two frames, and to move the state of the bundled model
//! along with it, on the processor:
//!
//!     cargo bench --bench motion

use divan::Bencher;
use nca::Size;
use nca::engine::{Engine, Growth, Selection};
use nca::frame::{Frame, Packing};
use nca::internals::CpuEngine;
use nca::model::Model;
use nca::motion::{Estimator, Quality};

fn main() {
    divan::main();
}

/// Waves of many lengths, moved.
fn picture(size: Size, moved: f32) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(size.pixels() * 3);
    for y in 0..size.height {
        for x in 0..size.width {
            let (x, y) = (x as f32 + moved, y as f32 - 0.4 * moved);
            let wave = |length: f32, turn: f32| ((x * turn.cos() + y * turn.sin()) / length).sin();
            let value = wave(1.7, 0.3) + wave(3.1, 1.9) + wave(7.3, 4.0) + wave(31.0, 2.2);
            pixels.extend([(128.0 + 30.0 * value) as u8; 3]);
        }
    }
    pixels
}

const SIZES: [Size; 3] = [
    Size::new(640, 360),
    Size::new(1280, 720),
    Size::new(1920, 1080),
];

#[divan::bench(args = SIZES)]
fn fast(bencher: Bencher, size: &Size) {
    estimate(bencher, *size, Quality::Fast);
}

#[divan::bench(args = SIZES)]
fn balanced(bencher: Bencher, size: &Size) {
    estimate(bencher, *size, Quality::Balanced);
}

#[divan::bench(args = SIZES)]
fn fine(bencher: Bencher, size: &Size) {
    estimate(bencher, *size, Quality::Fine);
}

#[divan::bench(args = SIZES)]
fn carry(bencher: Bencher, size: &Size) {
    let mut engine =
        CpuEngine::new(&Model::bundled_default(), *size, &Selection::default()).expect("valid");
    engine.seed(1).expect("cannot fail");
    let mut estimator = Estimator::new(*size, Quality::Fast);
    let pictures = [0.0, 3.3].map(|moved| picture(*size, moved));
    let [before, after] = pictures
        .each_ref()
        .map(|pixels| Frame::packed(pixels, size.width * 3, *size, Packing::RGB).expect("whole"));
    estimator.estimate(&before);
    let flow = estimator
        .estimate(&after)
        .expect("there was a frame before");
    bencher.bench_local(|| engine.carry(flow, Growth::default()).expect("cannot fail"));
}

fn estimate(bencher: Bencher, size: Size, quality: Quality) {
    let pictures = [0.0, 3.3].map(|moved| picture(size, moved));
    let frames = pictures
        .each_ref()
        .map(|pixels| Frame::packed(pixels, size.width * 3, size, Packing::RGB).expect("whole"));
    let mut estimator = Estimator::new(size, quality);
    let mut next = 0;
    bencher.bench_local(|| {
        next = 1 - next;
        estimator.estimate(&frames[next]).is_some()
    });
}

/// Looking the motion up for every pixel.
#[divan::bench(args = SIZES)]
fn look_up(bencher: Bencher, size: &Size) {
    let size = *size;
    let pictures = [0.0, 3.3].map(|moved| picture(size, moved));
    let mut estimator = Estimator::new(size, Quality::Balanced);
    for pixels in &pictures {
        let frame = Frame::packed(pixels, size.width * 3, size, Packing::RGB).expect("whole");
        estimator.estimate(&frame);
    }
    let frame = Frame::packed(&pictures[0], size.width * 3, size, Packing::RGB).expect("whole");
    let flow = estimator
        .estimate(&frame)
        .expect("it has seen frames before");
    let [mut dx, mut dy, mut confidence] = [(); 3].map(|()| vec![0.0; size.width]);
    bencher.bench_local(|| {
        for y in 0..size.height {
            flow.write_row(y, size, &mut dx, &mut dy, &mut confidence);
        }
        divan::black_box(&dx);
    });
}
