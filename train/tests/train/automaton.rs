//! The step in tch and on the processor, and its gradient.

use std::path::Path;

use nca::model::Model;
use nca_train::rule::automaton::{Automaton, Sums};
use tch::{Device, Kind, Tensor};

use crate::common::{Golden, published_models};

fn tensor(state: &nca::State) -> Tensor {
    let shape = [state.channels(), state.size().height, state.size().width].map(|n| n as i64);
    Tensor::from_slice(state.values())
        .reshape(shape)
        .unsqueeze(0)
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

/// States after 1, 8 and 32 steps against those that PyTorch computed, in torch and on the
/// processor; and the source of a frame.
fn check(model: &Path, golden: &Path) {
    let name = model.display();
    let automaton = Automaton::of(&Model::load(model).unwrap(), Device::Cpu);
    let golden = Golden::read(golden);
    let start = tensor(&golden.state("state0"));

    let frame = golden.picture("frame0");
    let pixels = Tensor::from_slice(&frame.pixels).to_kind(Kind::Float) / 255.0;
    let shape = [frame.size.height as i64, frame.size.width as i64, 3];
    let source = automaton.source(&pixels.reshape(shape).permute([2, 0, 1]).unsqueeze(0), 1.0);
    let off = distance(&source, &start.narrow(1, 0, source.size()[1]));
    assert!(off <= 1e-6, "{name}: the source is off by {off:e}");

    let ways = [
        ("torch", automaton.rule_in_torch()),
        ("fused", automaton.rule()),
    ];
    for (way, rule) in ways {
        let mut state = start.shallow_clone();
        for steps in 1..=32 {
            state = tch::no_grad(|| rule.step(&state));
            let tolerance = match steps {
                1 => 1e-5,
                8 => 1e-4,
                32 => 2e-4,
                _ => continue,
            };
            let expected = tensor(&golden.state(&format!("state{steps}")));
            let off = distance(&state, &expected);
            println!("{name}, {way}, {steps} steps: off by {off:e}");
            assert!(off <= tolerance, "{name}, {way}: off by {off:e}");
        }
    }
}

#[test]
fn steps_agree_with_the_goldens() {
    let root = crate::common::workspace();
    let golden = root.join("tests/golden");
    for name in ["published", "notebook", "unusual"] {
        let model = golden.join(format!("{name}.safetensors"));
        check(&model, &golden.join(format!("{name}.golden.safetensors")));
    }
    check(
        &root.join("models/sketch.safetensors"),
        &golden.join("sketch.golden.safetensors"),
    );
    if let Some(folder) = published_models() {
        let name = "A pencil sketch";
        let model = folder.join(format!("{name}.pt"));
        if model.exists() {
            check(&model, &folder.join(format!("{name}.golden.safetensors")));
        }
    }
}

/// The processor's gradient against the one that torch derives, for sizes below, at and above those
/// of tiles and bands.
#[test]
fn gradients_agree_with_torch() {
    let golden = crate::common::workspace().join("tests/golden");
    for name in ["published", "notebook", "unusual"] {
        let model = Model::load(&golden.join(format!("{name}.safetensors"))).unwrap();
        let automaton = Automaton::of(&model, Device::Cpu);
        let channels = model.architecture().channels as i64;
        let frozen = model.architecture().frozen() as i64;
        for (batch, height, width) in [(2, 19, 21), (1, 16, 128), (1, 35, 150)] {
            tch::manual_seed(height);
            let options = (Kind::Float, Device::Cpu);
            let state = Tensor::rand([batch, channels, height, width], options) - 0.5;
            let gradient = Tensor::randn([batch, channels, height, width], options);

            let [torch, fused] = [automaton.rule_in_torch(), automaton.rule()].map(|rule| {
                let mut sums = Sums::default();
                // Twice, since they are summed.
                let _ = rule.step_backward(&state, &gradient, &mut sums);
                let of_state = rule.step_backward(&state, &gradient, &mut sums);
                (
                    of_state.narrow(1, frozen, channels - frozen),
                    rule.finish(sums),
                )
            });
            let off = distance(&fused.0, &torch.0);
            println!("{name}, {height}x{width}: state off by {off:e}");
            assert!(off < 1e-4, "{name}, {height}x{width}: off by {off:e}");
            let parameters = automaton.parameters();
            for (((parameter, _), fused), torch) in parameters.iter().zip(&fused.1).zip(&torch.1) {
                let off = distance(fused, torch) / torch.abs().max().double_value(&[]);
                println!("{name}, {height}x{width}: {parameter} off by {off:e} of the largest");
                assert!(
                    off < 1e-4,
                    "{name}, {height}x{width}: {parameter} off by {off:e}"
                );
            }
        }
    }
}
