//! CLIP against transformers: tests/oracle/clip.py.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nca_train::losses::prompt::PromptLoss;
use nca_train::networks::clip::Clip;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

pub fn folder() -> PathBuf {
    crate::common::workspace().join("tests/golden/clip")
}

fn golden() -> BTreeMap<String, Tensor> {
    let file = folder().join("places.safetensors");
    Tensor::read_safetensors(file)
        .unwrap()
        .into_iter()
        .collect()
}

#[test]
fn sentences_and_pictures_are_where_transformers_places_them() {
    let clip = Clip::read(&folder(), Device::Cpu).unwrap();
    let golden = golden();
    let text = std::fs::read_to_string(folder().join("sentences.json")).unwrap();
    let sentences: Vec<String> = serde_json::from_str(&text).unwrap();
    assert_eq!(sentences.len(), 4);
    for (i, sentence) in sentences.iter().enumerate() {
        let tokens: Vec<i64> = clip.tokenize(sentence).unwrap();
        let expected = golden[&format!("tokens.{i}")].flatten(0, -1);
        let expected: Vec<f32> = Vec::try_from(expected).unwrap();
        let tokens: Vec<f32> = tokens.iter().map(|&token| token as f32).collect();
        assert_eq!(tokens, expected, "{sentence:?}");
        let place = clip.encode_text(sentence).unwrap();
        assert_close(sentence, &place, &golden[&format!("sentence_places.{i}")]);
    }
    let places = clip.encode_pictures(&golden["pictures"]);
    assert_close("pictures", &places, &golden["picture_places"]);
}

fn assert_close(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size());
    let off = (found - expected).abs().max().double_value(&[]);
    let size = expected.abs().max().double_value(&[]);
    println!("{what:?}: off by {off:e}, the largest is {size}");
    assert!(off <= 1e-4, "{what:?} is off by {off:e}");
}

/// The picture itself, moved along the gradient, comes closer to what the sentence says.
#[test]
fn the_loss_falls() {
    let clip = Clip::read(&folder(), Device::Cpu).unwrap();
    let prompt = PromptLoss::new(clip, &["A pencil sketch".into()]).unwrap();
    let source = &golden()["pictures"];
    tch::manual_seed(1);
    let mut picture = (source + source.randn_like() * 0.05).set_requires_grad(true);
    let mut losses = Vec::new();
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let loss = prompt.loss(&picture, source, &mut rng);
        losses.push(loss.double_value(&[]));
        loss.backward();
        let gradient = picture.grad();
        let moved = picture.detach() - &gradient / (gradient.abs().max() + 1e-12) * 0.02;
        picture = moved.set_requires_grad(true);
    }
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..10]), mean(&losses[50..]));
    println!("from {first} to {last}");
    assert!(last < first - 0.2, "from {first} to {last}");
}
