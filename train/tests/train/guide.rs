//! What the notebooks' recipe for sentences makes small, against PyTorch: tests/oracle/guide.py.

use std::collections::BTreeMap;

use nca_train::losses::guide::Guide;
use nca_train::losses::prompt::weighted;
use nca_train::networks::clip::Clip;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::notebook::assert_close;

fn golden(name: &str) -> BTreeMap<String, Tensor> {
    let folder = crate::common::workspace().join("tests/golden");
    let tensors = Tensor::read_safetensors(folder.join(name)).unwrap();
    tensors.into_iter().collect()
}

fn guide(sentences: &[&str]) -> Guide {
    let clip = Clip::read(&crate::prompt::folder(), Device::Cpu).unwrap();
    let sentences: Vec<_> = sentences.iter().map(|text| text.to_string()).collect();
    Guide::new(clip, &sentences).unwrap()
}

#[test]
fn distances_and_their_gradients() {
    let (places, expected) = (
        golden("clip/places.safetensors"),
        golden("guide.safetensors"),
    );
    let mut guide = guide(&[
        "A pencil sketch",
        "a photo of a street, at night!:0.5",
        "Café — it's 42 ünïcode 東京:-0.25",
    ]);
    let head = crate::common::workspace().join("tests/golden/guide.safetensors");
    guide.add_aesthetic(&head).unwrap();
    for i in 0..2 {
        let places = places["picture_places"].copy().set_requires_grad(true);
        let normalised = &places / places.norm_scalaropt_dim(2.0, [1_i64].as_slice(), true);
        let losses = guide.losses_of_places(&normalised);
        assert_eq!(losses.len(), 2);
        let (name, loss) = &losses[i];
        loss.backward();
        assert_close(name, loss, &expected[*name], 1e-4);
        let gradient = format!("{name}.gradient");
        assert_close(&gradient, &places.grad(), &expected[&gradient], 1e-3);
    }
}

/// What is asked for in pictures: nothing is closer to a picture's crops than the picture.
#[test]
fn a_picture_is_closest_to_itself() {
    let pictures = &golden("clip/places.safetensors")["pictures"];
    let [first, second] = [0, 1].map(|i| pictures.get(i).unsqueeze(0));
    let mut guide = guide(&[]);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    guide.add_picture(&first, 1.0, &mut rng);
    let mut mean = |picture: &Tensor| {
        let losses = (0..8).map(|_| guide.losses(picture, &mut rng)[0].1.double_value(&[]));
        losses.sum::<f64>() / 8.0
    };
    let (own, other) = (mean(&first), mean(&second));
    println!("{own} {other}");
    assert!(own < other, "{own} {other}");
}

#[test]
fn weights_are_told_from_sentences() {
    for (text, expected) in [
        ("rain", ("rain", 1.0)),
        ("rain:0.5", ("rain", 0.5)),
        ("rain: -2", ("rain", -2.0)),
        ("at 5:30: rain", ("at 5:30: rain", 1.0)),
        ("a:b:3", ("a:b", 3.0)),
        ("rain:inf", ("rain:inf", 1.0)),
        ("C:\\a.png", ("C:\\a.png", 1.0)),
    ] {
        assert_eq!(weighted(text), expected);
    }
}

#[test]
fn a_head_for_another_clip_is_refused() {
    let mut guide = guide(&["A pencil sketch"]);
    let folder = crate::common::workspace().join("tests/golden");
    let said = |guide: &mut Guide, file: &str| {
        let error = guide.add_aesthetic(&folder.join(file)).unwrap_err();
        error.to_string()
    };
    let error = said(&mut guide, "clip/places.safetensors");
    assert!(error.contains("no tensor \"weight\""), "{error}");
    let error = said(&mut guide, "clip/config.json");
    assert!(error.contains("no safetensors file"), "{error}");
}
