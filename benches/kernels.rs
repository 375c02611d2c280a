//! A step and what surrounds it, one thread, every kind of instructions:
//!
//! ```text
//! cargo bench --bench kernels
//! ```

use divan::Bencher;
use divan::counter::ItemsCount;
use nca::Size;
use nca::engine::Engine;
use nca::engine::cpu::{CpuEngine, Isa};
use nca::frame::{FrameMut, Packing};
use nca::model::{Architecture, Layer, Model};

const SIZE: Size = Size::new(640, 360);

fn main() {
    divan::main();
}

/// Architectures by name: how long they take does not depend on the weights.
const ARCHITECTURES: [&str; 4] = ["published", "notebook", "12x32", "12x64"];

fn model(name: &str) -> Model {
    let small = |hidden| Architecture {
        channels: 12,
        hidden: vec![hidden],
        blurs: Vec::new(),
        ..Architecture::notebook()
    };
    let architecture = match name {
        "published" => Architecture::published(),
        "notebook" => Architecture::notebook(),
        "12x32" => small(32),
        _ => small(64),
    };
    let layer = |(outputs, inputs)| Layer {
        outputs,
        inputs,
        weights: vec![1e-3; outputs * inputs],
        bias: Some(vec![0.0; outputs]),
    };
    Model {
        layers: architecture.layers().into_iter().map(layer).collect(),
        architecture,
        playback: Default::default(),
        card: Default::default(),
    }
}

/// Instructions by name, those of half precision among them.
fn isas() -> Vec<String> {
    let isas = Isa::available().into_iter().chain(Isa::half());
    isas.map(|isa| isa.to_string()).collect()
}

fn engine(name: &str, isa: &str) -> CpuEngine {
    let mut isas = Isa::available().into_iter().chain(Isa::half());
    let isa = isas.find(|found| found.to_string() == isa).unwrap();
    let mut engine = CpuEngine::with_isa(&model(name), SIZE, 1, isa).unwrap();
    engine.seed(1).unwrap();
    engine
}

#[divan::bench(args = isas(), consts = [0, 1, 2, 3], sample_count = 10)]
fn step<const ARCHITECTURE: usize>(bencher: Bencher, isa: &str) {
    let mut engine = engine(ARCHITECTURES[ARCHITECTURE], isa);
    bencher
        .counter(ItemsCount::new(SIZE.pixels()))
        .bench_local(|| engine.step(1).unwrap());
}

#[divan::bench(args = ["RGB", "RGBx"])]
fn frame_in(bencher: Bencher, format: &str) {
    let (mut pixels, packing) = frame(format);
    let mut engine = engine("12x32", &Isa::detect().to_string());
    let stride = SIZE.width * packing.step;
    let frame = FrameMut::packed(&mut pixels, stride, SIZE, packing).unwrap();
    bencher
        .counter(ItemsCount::new(SIZE.pixels()))
        .bench_local(|| engine.set_source(&frame.as_frame()).unwrap());
}

#[divan::bench(args = ["RGB", "RGBx"])]
fn frame_out(bencher: Bencher, format: &str) {
    let (mut pixels, packing) = frame(format);
    let mut engine = engine("12x32", &Isa::detect().to_string());
    let stride = SIZE.width * packing.step;
    let mut frame = FrameMut::packed(&mut pixels, stride, SIZE, packing).unwrap();
    bencher
        .counter(ItemsCount::new(SIZE.pixels()))
        .bench_local(|| engine.render(&mut frame, 0.5).unwrap());
}

fn frame(format: &str) -> (Vec<u8>, Packing) {
    let packing = match format {
        "RGB" => Packing::RGB,
        _ => Packing::new(4, [0, 1, 2]),
    };
    (vec![100; SIZE.pixels() * packing.step], packing)
}
