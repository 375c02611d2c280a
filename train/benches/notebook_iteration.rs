//! One iteration of the notebooks' recipe, for comparison with tests/oracle/speed.py:
//! 224x224 pixels, batch 4, 32 steps.
//!
//!     cargo bench -p nca-train --bench notebook_iteration -- VGG.safetensors

use std::path::PathBuf;
use std::time::Instant;

use nca::model::Architecture;
use nca_train::data::content::Content;
use nca_train::networks::vgg::Vgg;
use nca_train::recipes::notebook::Notebook;
use nca_train::recipes::style::Extent;
use nca_train::rule::automaton::{Automaton, Initialisation};
use nca_train::training::optimizer::Adam;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

fn main() {
    let Some(network) = std::env::args().nth(1).filter(|arg| !arg.starts_with("--")) else {
        println!("skipped: a file of VGG-19 is to be named");
        return;
    };
    let network = Vgg::read(&PathBuf::from(network), Device::Cpu).unwrap();
    tch::manual_seed(0);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let initialisation = Initialisation::Scaled(0.15);
    let architecture = Architecture::notebook();
    let mut automaton = Automaton::new(&architecture, initialisation, &mut rng, Device::Cpu);
    let picture = |batch: i64| Tensor::rand([batch, 3, 224, 224], (Kind::Float, Device::Cpu));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("any.png");
    image::RgbImage::new(224, 224).save(&file).unwrap();
    let extent = Extent {
        iterations: 1,
        size: 224,
        batch: 4,
        pool: 4,
        rate: 1e-3,
    };
    let content = Content::read(&[file], Device::Cpu).unwrap();
    let recipe = Notebook::new(&picture(1), content, network, extent);
    let start = automaton.start(&picture(4), 1.0);
    let mut adam = Adam::new(&automaton);
    for _ in 0..2 {
        let begun = Instant::now();
        let cost = recipe.run(&automaton, &start, 32);
        adam.update(&mut automaton, &cost.found.gradients, 1e-3);
        println!("{:.2} s", begun.elapsed().as_secs_f64());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("{peak}");
    }
}
