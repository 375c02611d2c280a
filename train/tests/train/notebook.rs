//! Losses and an iteration of the notebooks' recipe against PyTorch: tests/oracle/training.py.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nca::model::{Architecture, Layer, Model, Playback};
use nca_train::data::content::Content;
use nca_train::losses::terms::{SlicedWasserstein, colour_distance, colour_histogram, gram};
use nca_train::networks::vgg::Vgg;
use nca_train::recipes::notebook::Notebook;
use nca_train::recipes::style::Extent;
use nca_train::rule::automaton::Automaton;
use nca_train::training::optimizer::Adam;
use tch::{Device, Kind, Tensor};

fn golden() -> PathBuf {
    crate::common::workspace().join("tests/golden")
}

fn tensors() -> BTreeMap<String, Tensor> {
    let file = golden().join("training.safetensors");
    Tensor::read_safetensors(file)
        .unwrap()
        .into_iter()
        .collect()
}

/// Checks that no value is further off than `tolerance` times the largest.
pub fn assert_close(name: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    let found = found.reshape(expected.size());
    let off = (found - expected).abs().max().double_value(&[]);
    let largest = expected.abs().max().double_value(&[]);
    println!("{name}: off by {off:e}, the largest is {largest:e}");
    assert!(
        off <= tolerance * largest,
        "{name}: off by {off:e} of {largest:e}"
    );
}

fn vgg() -> Vgg {
    Vgg::read(&golden().join("vgg.safetensors"), Device::Cpu).unwrap()
}

#[test]
fn features() {
    let tensors = tensors();
    let features = vgg().features(&tensors["pictures"], &[1, 6, 11, 20, 22, 29]);
    assert_eq!(features.len(), 6);
    for (layer, values) in features {
        let name = format!("features.{layer}");
        assert_close(&name, &values, &tensors[&name], 1e-5);
    }
}

/// One colour is one colour up to the edge, if no frame of zeros is around it.
#[test]
fn edges_can_be_repeated() {
    let grey = Tensor::full([1, 3, 64, 64], 0.3, (Kind::Float, Device::Cpu));
    let spread = |network: &Vgg| {
        let features = network.features(&grey, &[1, 6, 11, 20, 29]);
        let spreads = features.iter().map(|(_, values)| {
            let (most, least) = (values.amax([2, 3], false), values.amin([2, 3], false));
            (most - least).max().double_value(&[])
        });
        spreads.fold(0.0, f64::max)
    };
    assert!(spread(&vgg()) > 0.1);
    assert!(spread(&vgg().repeating_edges()) < 1e-4);
}

type Loss<'a> = &'a dyn Fn(&Tensor) -> Tensor;

#[test]
fn losses_and_their_gradients() {
    let tensors = tensors();
    let (network, style) = (vgg(), &tensors["style"]);
    let weights = [256.0, 64.0, 16.0, 4.0, 1.0];
    let grams = |pictures: &Tensor| -> Vec<Tensor> {
        let features = network.features(pictures, &[1, 6, 11, 20, 29]);
        features.iter().map(|(_, values)| gram(values)).collect()
    };
    let wanted = grams(style);
    let wanted_colours = colour_histogram(style);
    let distribution = SlicedWasserstein::new(&[style.shallow_clone()], 16);
    let losses: [(&str, f64, Loss<'_>); 3] = [
        ("gram", 1e-5, &|pictures| {
            let terms = grams(pictures).into_iter().zip(&wanted).zip(weights);
            terms
                .map(|((gram, wanted), weight)| {
                    (gram - wanted).square().mean(Kind::Float) * (weight / 341.0)
                })
                .sum()
        }),
        ("histogram", 1e-4, &|pictures| {
            colour_distance(pictures, &wanted_colours)
        }),
        ("wasserstein", 1e-4, &|pictures| {
            tch::manual_seed(5);
            distribution.loss(&[pictures.shallow_clone()])
        }),
    ];
    for (name, tolerance, loss) in losses {
        let pictures = tensors["pictures"].copy().set_requires_grad(true);
        let value = loss(&pictures);
        value.backward();
        assert_close(name, &value, &tensors[name], tolerance);
        let gradient = format!("{name}.gradient");
        assert_close(&gradient, &pictures.grad(), &tensors[&gradient], tolerance);
    }
    let big = colour_distance(&tensors["big"], &wanted_colours);
    assert_close("histogram.big", &big, &tensors["histogram.big"], 1e-4);
}

/// Seven steps, the losses, gradients and what Adam makes of them.
#[test]
fn an_iteration() {
    let tensors = tensors();
    let architecture = Architecture::notebook();
    let layers = architecture.layers().into_iter().enumerate();
    let layers = layers.map(|(i, (outputs, inputs))| {
        let values = |part: &str| {
            let tensor = tensors[&format!("start.w{}.{part}", i + 1)].flatten(0, -1);
            Vec::try_from(tensor).unwrap()
        };
        Layer::new(outputs, inputs, values("weight"), Some(values("bias"))).unwrap()
    });
    let layers = layers.collect();
    let model = Model::new(architecture, layers, Vec::new(), Playback::default()).unwrap();
    let mut automaton = Automaton::of(&model, Device::Cpu);
    let extent = Extent {
        iterations: 1,
        size: 32,
        batch: 2,
        pool: 2,
        rate: 1e-3,
    };
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("any.png");
    image::RgbImage::new(32, 32).save(&picture).unwrap();
    let content = Content::read(&[picture], Device::Cpu).unwrap();
    let recipe = Notebook::new(&tensors["style"], content, vgg(), extent);

    let cost = recipe.run(&automaton, &tensors["state"], 7);
    assert_close("end", &cost.end, &tensors["end"], 1e-5);
    for (name, loss) in &cost.found.losses[1..] {
        let loss = Tensor::from(*loss as f32);
        assert_close(name, &loss, &tensors[&format!("loss.{name}")], 1e-4);
    }
    let names: Vec<_> = automaton.parameters().into_iter().map(|(n, _)| n).collect();
    for (name, gradient) in names.iter().zip(&cost.found.gradients) {
        assert_close(name, gradient, &tensors[&format!("gradient.{name}")], 1e-3);
    }
    Adam::new(&automaton).update(&mut automaton, &cost.found.gradients, 1e-3);
    for (name, value) in automaton.parameters() {
        let start = tensors[&format!("start.{name}")].reshape(value.size());
        let updated = tensors[&format!("updated.{name}")].reshape(value.size());
        // Adam's first step is the sign of each gradient: where that is zero but for rounding, it
        // may go either way.
        let (moved, expected) = (value - &start, updated - &start);
        let off = (&moved - &expected).abs().gt(1e-5).to_kind(Kind::Float);
        let share = off.mean(Kind::Float).double_value(&[]);
        println!("{name}: {share} of the values moved elsewhere");
        assert!(
            share < 2e-3,
            "{name}: {share} of the values moved elsewhere"
        );
        assert!(expected.abs().max().double_value(&[]) > 0.9e-3);
    }
}
