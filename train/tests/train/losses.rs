//! Losses of our own recipe, by what they must and must not see.

use nca_train::losses::terms::{astray, fine_detail};
use tch::{Device, Kind, Tensor};

/// Noise on bands of colour, 1 x 3 x 64 x 96.
fn picture() -> Tensor {
    tch::manual_seed(4);
    let options = (Kind::Float, Device::Cpu);
    let bands = Tensor::linspace(0.2, 0.7, 96, options).reshape([1, 1, 1, 96]);
    bands.expand([1, 3, 64, 96], false) + Tensor::randn([1, 3, 64, 96], options) * 0.1
}

/// Blocks of 16x16 pixels, each upside down.
fn turned_blocks(picture: &Tensor) -> Tensor {
    let blocks = picture.reshape([1, 3, 4, 16, 96]);
    blocks.flip([3]).reshape([1, 3, 64, 96])
}

#[test]
fn what_goes_astray_is_colour_and_detail() {
    let picture = picture();
    let seen = |other: &Tensor| astray(other, &picture).double_value(&[]);
    // Nothing but the floors of two roots.
    assert!(seen(&picture) < 0.0021);
    let shifted = seen(&(&picture + 0.1));
    assert!((shifted - 0.1).abs() < 0.002, "{shifted}");
    // Another texture is nothing to be seen from afar, but for the seams.
    let turned = seen(&turned_blocks(&picture));
    assert!(turned < 0.01, "{turned}");
    let twice = (&picture - picture.mean(Kind::Float)) * 2.0 + picture.mean(Kind::Float);
    assert!(seen(&twice) > 0.1);
    let blurred = seen(&(&picture - fine_detail(&picture)));
    assert!((0.06..0.12).contains(&blurred), "{blurred}");
}

#[test]
fn what_goes_astray_pulls_back() {
    let picture = picture();
    let moved = (&picture + 0.05).set_requires_grad(true);
    astray(&moved, &picture).backward();
    let downhill = &moved - moved.grad() * 0.05 * moved.numel() as f64;
    let [before, after] =
        [&moved, &downhill].map(|other| astray(other, &picture).double_value(&[]));
    assert!(after < 0.5 * before, "{before} {after}");
}
