//! A step and what surrounds it, one thread, every kind of instructions, and on the graphics processor:
//!
//! ```text
//! cargo bench --bench kernels
//! ```

use divan::Bencher;
use divan::counter::ItemsCount;
use nca::Size;
use nca::engine::{self, Backend, Engine, EngineError, Precision, Selection};
use nca::frame::{FrameMut, Packing};
use nca::internals::{CpuEngine, Isa};
use nca::model::{Architecture, Layer, Model, Playback};

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
    let layer = |(outputs, inputs)| {
        let (weights, bias) = (vec![1e-3; outputs * inputs], vec![0.0; outputs]);
        Layer::new(outputs, inputs, weights, Some(bias)).unwrap()
    };
    let layers = architecture.layers().into_iter().map(layer).collect();
    Model::new(architecture, layers, Vec::new(), Playback::default()).unwrap()
}

/// Graphics processors by precision.
const WGPU: [(&str, Precision); 2] = [
    ("wgpu", Precision::Full),
    ("wgpu with f16", Precision::Half),
];

/// Instructions by name, those of half precision among them, and what there is beside them.
fn kinds() -> Vec<String> {
    let isas = Isa::available().into_iter().chain(Isa::half());
    let isas = isas.map(|isa| isa.to_string());
    let size = Size::new(1, 1);
    let wgpu = WGPU
        .into_iter()
        .filter(|(_, precision)| wgpu(&model("12x32"), size, *precision).is_ok());
    isas.chain(wgpu.map(|(name, _)| name.into())).collect()
}

fn wgpu(model: &Model, size: Size, precision: Precision) -> Result<Box<dyn Engine>, EngineError> {
    let mut selection = Selection::from(Backend::Wgpu);
    selection.precision = precision;
    engine::create(model, size, &selection)
}

/// An engine at the start, of the kind that has this name.
fn engine(name: &str, kind: &str) -> Box<dyn Engine> {
    let model = model(name);
    let mut engine = match WGPU.into_iter().find(|(name, _)| *name == kind) {
        Some((_, precision)) => wgpu(&model, SIZE, precision).unwrap(),
        None => cpu(&model, kind),
    };
    engine.seed(1).unwrap();
    engine
}

fn cpu(model: &Model, isa: &str) -> Box<dyn Engine> {
    let mut isas = Isa::available().into_iter().chain(Isa::half());
    let isa = isas.find(|found| found.to_string() == isa).unwrap();
    Box::new(CpuEngine::with_isa(model, SIZE, 1, isa).unwrap())
}

#[divan::bench(args = kinds(), consts = [0, 1, 2, 3], sample_count = 10)]
fn step<const ARCHITECTURE: usize>(bencher: Bencher, kind: &str) {
    let mut engine = engine(ARCHITECTURES[ARCHITECTURE], kind);
    bencher
        .counter(ItemsCount::new(SIZE.pixels()))
        .bench_local(|| engine.step(1).unwrap());
}

#[divan::bench(args = ["RGB", "RGBx"])]
fn frame_in(bencher: Bencher, format: &str) {
    let (mut pixels, stride, packing) = frame(format);
    let mut engine = engine("12x32", &Isa::detect().to_string());
    let frame = FrameMut::packed(&mut pixels, stride, SIZE, packing).unwrap();
    bencher
        .counter(ItemsCount::new(SIZE.pixels()))
        .bench_local(|| engine.set_source(&frame.as_frame()).unwrap());
}

#[divan::bench(args = ["RGB", "RGBx"])]
fn frame_out(bencher: Bencher, format: &str) {
    let (mut pixels, stride, packing) = frame(format);
    let mut engine = engine("12x32", &Isa::detect().to_string());
    let mut frame = FrameMut::packed(&mut pixels, stride, SIZE, packing).unwrap();
    bencher
        .counter(ItemsCount::new(SIZE.pixels()))
        .bench_local(|| engine.render(&mut frame, 0.5).unwrap());
}

/// Memory for a frame, and the bytes of a row of it.
fn frame(format: &str) -> (Vec<u8>, usize, Packing) {
    let (step, packing) = match format {
        "RGB" => (3, Packing::RGB),
        _ => (4, Packing::RGBA),
    };
    (vec![100; SIZE.pixels() * step], SIZE.width * step, packing)
}
