//! The engine against states that PyTorch computed, with every kind of vector instructions that
//! the machine has.

mod common;

use std::path::Path;

use common::{Golden, distance};
use nca::engine::Engine;
use nca::engine::cpu::{CpuEngine, Isa};
use nca::frame::{FrameMut, Packing};
use nca::model::Model;

/// Checks a model against a golden file: the source of both frames, 1, 8 and 32 steps, another
/// frame and 8 more, the picture that is then shown.
fn check(model: &Path, golden: &Path) {
    let name = model.display();
    let model = Model::load(model).unwrap();
    let golden = Golden::read(golden);
    let start = golden.state("state0");
    for isa in Isa::available() {
        let mut engine = CpuEngine::with_isa(&model, start.size, 0, isa).unwrap();
        let expect = |engine: &mut CpuEngine, state: &str, tolerance: f32| {
            let distance = distance(&engine.state().unwrap(), &golden.state(state));
            println!("{name}, {isa}, {state}: off by {distance:e}");
            assert!(
                distance <= tolerance,
                "{name}, {isa}, {state}: off by {distance:e}"
            );
        };
        engine.set_state(&start).unwrap();
        engine
            .set_source(&golden.picture("frame0").frame())
            .unwrap();
        expect(&mut engine, "state0", 1e-6);
        let mut taken = 0;
        for (steps, state, tolerance) in [
            (1, "state1", 1e-5),
            (8, "state8", 1e-4),
            (32, "state32", 2e-4),
        ] {
            assert!(engine.step(steps - taken).unwrap());
            taken = steps;
            expect(&mut engine, state, tolerance);
        }
        engine
            .set_source(&golden.picture("frame1").frame())
            .unwrap();
        expect(&mut engine, "carried0", 2e-4);
        assert!(engine.step(8).unwrap());
        expect(&mut engine, "carried8", 2e-4);

        let expected = golden.picture("rgb");
        let mut pixels = vec![0; expected.pixels.len()];
        let stride = start.size.width * 3;
        let mut frame = FrameMut::packed(&mut pixels, stride, start.size, Packing::RGB).unwrap();
        engine.render(&mut frame, 1.0).unwrap();
        let off = pixels
            .iter()
            .zip(&expected.pixels)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(
            off <= Some(1),
            "{name}, {isa}: the picture is off by {off:?}"
        );
    }
}

#[test]
fn published_checkpoints() {
    let Some(folder) = common::published_models() else {
        return;
    };
    let mut checked = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // NAME.pt, NAME.state_dict.pt and NAME.safetensors are all checked against one file.
        let stem = name.split('.').next().unwrap();
        if !name.contains(".golden.") {
            check(&path, &folder.join(format!("{stem}.golden.safetensors")));
            checked += 1;
        }
    }
    assert!(
        checked >= 8,
        "only {checked} models in {}",
        folder.display()
    );
}

/// The architectures of the models in circulation with random weights, one that uses everything a
/// description can say, and the bundled model; with odd sizes.
#[test]
fn architectures() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for (folder, model) in [
        (&tests, "published.safetensors"),
        (&tests, "published.pt"),
        (&tests, "notebook.safetensors"),
        (&tests, "notebook.pt"),
        (&tests, "unusual.safetensors"),
        (&tests, "unusual.pt"),
        (&models, "sketch.safetensors"),
    ] {
        let stem = model.split('.').next().unwrap();
        check(
            &folder.join(model),
            &tests.join(format!("{stem}.golden.safetensors")),
        );
    }
}
