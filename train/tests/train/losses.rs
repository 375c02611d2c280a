//! Losses of our own recipe, by what they must and must not see.

use nca_train::losses::picture::PictureLoss;
use nca_train::losses::terms::{astray, fine_detail, order_of_light};
use nca_train::networks::features::{ContentLayer, Features};
use nca_train::networks::vgg::Vgg;
use tch::{Device, Kind, Tensor};

use crate::common::workspace;

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

/// The network of the goldens.
fn networks(content: ContentLayer) -> Features {
    let path = workspace().join("tests/golden/vgg.safetensors");
    Features::Networks {
        networks: vec![Vgg::read(&path, Device::Cpu).unwrap()],
        content,
    }
}

#[test]
fn content_is_compared_where_it_is_asked_for() {
    let picture = picture();
    for (content, halvings) in [
        (ContentLayer::Relu2_2, 1),
        (ContentLayer::Relu3_1, 2),
        (ContentLayer::Relu4_1, 3),
    ] {
        let features = networks(content);
        let extracted = features.extract(&picture);
        let alone = features.content(&picture);
        assert_eq!(extracted.style.len(), 5, "{content:?}");
        assert_eq!((extracted.content.len(), alone.len()), (1, 1));
        assert_eq!(extracted.content[0], alone[0], "{content:?}");
        let size = &alone[0].size()[2..];
        assert_eq!(size, [64 >> halvings, 96 >> halvings], "{content:?}");
        assert!(alone[0].std(true).double_value(&[]) > 0.0, "{content:?}");
    }
}

/// As small as pictures may be, and asked for at more sizes than features have places at.
#[test]
fn small_pictures_are_compared_at_fewer_sizes() {
    tch::manual_seed(1);
    for features in [networks(ContentLayer::default()), Features::Patches] {
        for [(h, w), (height, width)] in [
            [(32, 32), (32, 32)],
            [(40, 80), (256, 256)],
            [(300, 41), (48, 48)],
        ] {
            let draw = |h, w| Tensor::rand([1, 3, h, w], (Kind::Float, Device::Cpu));
            let loss = PictureLoss::new(&draw(h, w), &features, 4, true);
            let terms = loss.terms(&draw(height, width), &features);
            for term in [terms.style, terms.gram, terms.colour] {
                assert!(term.double_value(&[]).is_finite(), "{h}x{w}");
            }
        }
    }
}

#[test]
fn light_may_change_but_not_its_order() {
    let picture = picture();
    let seen = |other: &Tensor| order_of_light(other, &picture).double_value(&[]);
    assert!(seen(&picture) < 1e-3);
    assert!(seen(&(&picture * 0.3 + 0.4)) < 1e-3);
    let swapped: Tensor = 1.0 - &picture;
    assert!((seen(&swapped) - 2.0).abs() < 1e-3);
}
