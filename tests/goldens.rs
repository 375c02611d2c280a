//! The engines that the machine has against states that PyTorch computed, with full and with half
//! precision.

mod common;

use std::path::Path;

use common::engines::{self, Kind};
use common::{Golden, distance, rms_distance};
use nca::engine::Engine;
use nca::frame::{FrameMut, Packing};
use nca::model::Model;

/// Checks a model against a golden file: the source of both frames, 1, 8 and 32 steps, another
/// frame and 8 more, the picture that is then shown.
fn check(model: &Path, golden: &Path) {
    let name = model.display();
    let model = Model::load(model).unwrap();
    let golden = Golden::read(golden);
    let start = golden.state("state0");
    for kind in engines::of_full_precision() {
        let mut engine = kind.engine(&model, start.size());
        let kind = kind.name;
        let expect = |engine: &mut Box<dyn Engine>, state: &str, tolerance: f32| {
            let distance = distance(&engine.state().unwrap(), &golden.state(state));
            println!("{name}, {kind}, {state}: off by {distance:e}");
            assert!(
                distance <= tolerance,
                "{name}, {kind}, {state}: off by {distance:e}"
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
        let stride = start.size().width * 3;
        let mut frame = FrameMut::packed(&mut pixels, stride, start.size(), Packing::RGB).unwrap();
        engine.render(&mut frame, 1.0).unwrap();
        let off = pixels
            .iter()
            .zip(&expected.pixels)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(
            off <= Some(1),
            "{name}, {kind}: the picture is off by {off:?}"
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

/// Half precision errs no more than PyTorch's bf16 autocast on every checkpoint.
#[test]
fn half_precision_on_published_checkpoints() {
    /// Root mean square errors after 1, 8 and 32 steps, as tests/oracle/autocast.py prints them.
    const AUTOCAST: [(&str, [f32; 3]); 6] = [
        ("a-painting-drawn-with-crayon", [2.04e-4, 5.60e-4, 9.15e-4]),
        ("a-pencil-sketch", [2.53e-4, 5.34e-4, 9.99e-4]),
        ("a-vibrant-and-colorful-image", [4.13e-4, 8.82e-4, 1.50e-3]),
        ("a-watercolor-painting", [3.46e-4, 7.23e-4, 1.49e-3]),
        ("grid", [3.25e-4, 5.05e-4, 9.64e-4]),
        ("spaghetti", [2.95e-4, 4.82e-4, 7.91e-4]),
    ];
    let Some(folder) = common::published_models() else {
        return;
    };
    for kind in engines::of_half_precision() {
        for (name, bounds) in AUTOCAST {
            let model = Model::load(&folder.join(format!("{name}.pt"))).unwrap();
            let golden = Golden::read(&folder.join(format!("{name}.golden.safetensors")));
            let mut engine = at_start(&kind, &model, &golden);
            let mut taken = 0;
            for (steps, bound) in [1, 8, 32].into_iter().zip(bounds) {
                assert!(engine.step(steps - taken).unwrap());
                taken = steps;
                let off = rms_distance(
                    &engine.state().unwrap(),
                    &golden.state(&format!("state{steps}")),
                    9,
                );
                let run = format!("{}, {name}, {steps} steps", kind.name);
                println!("{run}: off by {off:e}, autocast by {bound:e}");
                assert!(off <= bound, "{run}: {off:e} > {bound:e}");
            }
        }
    }
}

/// The same for what every machine has: rounding operands changes little.
#[test]
fn half_precision_of_all_architectures() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for kind in engines::of_half_precision() {
        for (folder, name) in [
            (&tests, "published"),
            (&tests, "notebook"),
            (&tests, "unusual"),
            (&models, "sketch"),
        ] {
            let model = Model::load(&folder.join(format!("{name}.safetensors"))).unwrap();
            let golden = Golden::read(&tests.join(format!("{name}.golden.safetensors")));
            let mut engine = at_start(&kind, &model, &golden);
            let frozen = model.architecture().frozen();
            assert!(engine.step(1).unwrap());
            let first = rms_distance(&engine.state().unwrap(), &golden.state("state1"), frozen);
            assert!(engine.step(31).unwrap());
            let last = rms_distance(&engine.state().unwrap(), &golden.state("state32"), frozen);
            let run = format!("{}, {name}", kind.name);
            println!("{run}: off by {first:e} after 1 step, {last:e} after 32");
            assert!(first > 0.0, "{run}: nothing was rounded");
            assert!(first < 1e-3 && last < 4e-3, "{run}: {first:e}, {last:e}");
        }
    }
}

/// An engine at the golden start.
fn at_start(kind: &Kind, model: &Model, golden: &Golden) -> Box<dyn Engine> {
    let start = golden.state("state0");
    let mut engine = kind.engine(model, start.size());
    engine.set_state(&start).unwrap();
    engine
}
