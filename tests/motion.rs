//! Motion between frames whose motion is known: made here, and from MPI Sintel where that is.

mod common;

use std::path::Path;

use common::Picture;
use nca::Size;
use nca::motion::{Estimator, Flow, Quality};

/// A smooth texture without end, at a place in pixels: waves in all directions, of 5 to 250 pixels,
/// the longer the higher, as pictures have them.
fn texture(seed: u32, x: f32, y: f32) -> f32 {
    let mut sum = 0.0;
    let mut hash = seed.wrapping_mul(0x9e37_79b9).wrapping_add(1);
    let mut random = || {
        hash = hash.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (hash >> 8) as f32 / (1 << 24) as f32
    };
    for i in 0..30 {
        let length = 5.0 * 50.0_f32.powf(i as f32 / 29.0);
        let angle = std::f32::consts::TAU * random();
        let phase = std::f32::consts::TAU * random();
        let along = x * angle.cos() + y * angle.sin();
        sum += length.sqrt() * (along * std::f32::consts::TAU / length + phase).sin();
    }
    0.5 + 0.01 * sum
}

/// A picture of values in [0, 1] at each column and row.
fn picture(size: Size, value: impl Fn(f32, f32) -> f32) -> Picture {
    let mut pixels = Vec::with_capacity(size.pixels() * 3);
    for y in 0..size.height {
        for x in 0..size.width {
            let value = value(x as f32, y as f32).clamp(0.0, 1.0);
            pixels.extend([(value * 255.0).round() as u8; 3]);
        }
    }
    Picture { size, pixels }
}

/// Adds noise of a standard deviation, in 255ths.
fn with_noise(mut picture: Picture, deviation: f32, seed: u32) -> Picture {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32
    };
    for sample in &mut picture.pixels {
        // Twelve uniform numbers make one that is close to normal.
        let normal = (0..12).map(|_| random()).sum::<f32>() - 6.0;
        *sample = (f32::from(*sample) + deviation * normal)
            .round()
            .clamp(0.0, 255.0) as u8;
    }
    picture
}

/// What is found for every pixel.
struct Found {
    size: Size,
    dx: Vec<f32>,
    dy: Vec<f32>,
    confidence: Vec<f32>,
    still: bool,
}

impl Found {
    fn read(flow: &Flow, size: Size) -> Self {
        let mut found = Self {
            size,
            dx: vec![f32::NAN; size.pixels()],
            dy: vec![f32::NAN; size.pixels()],
            confidence: vec![f32::NAN; size.pixels()],
            still: flow.is_still(),
        };
        for y in 0..size.height {
            let row = y * size.width..(y + 1) * size.width;
            flow.write_row(
                y,
                size,
                &mut found.dx[row.clone()],
                &mut found.dy[row.clone()],
                &mut found.confidence[row],
            );
        }
        found
    }

    fn between(old: &Picture, new: &Picture, quality: Quality) -> Self {
        let mut estimator = Estimator::new(new.size, quality);
        assert!(estimator.estimate(&old.frame()).is_none());
        let flow = estimator.estimate(&new.frame()).unwrap();
        Self::read(flow, new.size)
    }

    /// The mean of something over the pixels at which it is known.
    fn mean(&self, value: impl Fn(usize, usize, usize) -> Option<f32>) -> f32 {
        let (mut sum, mut count) = (0.0, 0);
        for y in 0..self.size.height {
            for x in 0..self.size.width {
                if let Some(value) = value(y * self.size.width + x, x, y) {
                    sum += f64::from(value);
                    count += 1;
                }
            }
        }
        (sum / f64::from(count)) as f32
    }

    fn is_zero(&self) -> bool {
        self.dx.iter().chain(&self.dy).all(|d| *d == 0.0)
    }

    fn is_sane(&self) -> bool {
        self.dx.iter().chain(&self.dy).all(|d| d.is_finite())
            && self.confidence.iter().all(|c| (0.0..=1.0).contains(c))
    }
}

/// The same texture before and after a motion, which says where each pixel was.
fn moved(size: Size, was: impl Fn(f32, f32) -> [f32; 2]) -> [Picture; 2] {
    [
        picture(size, |x, y| texture(1, x, y)),
        picture(size, |x, y| {
            let [x, y] = was(x, y);
            texture(1, x, y)
        }),
    ]
}

#[test]
fn known_motions_are_found() {
    let size = Size::new(320, 244);
    let (cx, cy) = (159.5, 121.5);
    type Motion = Box<dyn Fn(f32, f32) -> [f32; 2]>;
    let turn = 1.5_f32.to_radians();
    let motions: [(&str, Motion); 7] = [
        ("pan by (3, 1)", Box::new(|x, y| [x + 3.0, y + 1.0])),
        ("pan by (2.5, 0.75)", Box::new(|x, y| [x + 2.5, y + 0.75])),
        ("pan by (0.3, -0.2)", Box::new(|x, y| [x + 0.3, y - 0.2])),
        ("pan by (-24, 17)", Box::new(|x, y| [x - 24.0, y + 17.0])),
        (
            "rotation",
            Box::new(move |x, y| {
                let (x, y) = (x - cx, y - cy);
                [
                    cx + x * turn.cos() - y * turn.sin(),
                    cy + x * turn.sin() + y * turn.cos(),
                ]
            }),
        ),
        (
            "zoom",
            Box::new(move |x, y| [cx + (x - cx) * 1.03, cy + (y - cy) * 1.03]),
        ),
        (
            "warp",
            Box::new(|x, y| [x + 3.0 * (y / 40.0).sin(), y + 2.0 * (x / 50.0).cos()]),
        ),
    ];
    for (name, was) in &motions {
        let [old, new] = moved(size, was);
        for (quality, tolerance) in [
            (Quality::Fast, 0.4),
            (Quality::Balanced, 0.12),
            (Quality::Fine, 0.1),
        ] {
            let found = Found::between(&old, &new, quality);
            assert!(found.is_sane(), "{name}");
            // What comes from beyond the edges cannot be known.
            let known = |x: usize, y: usize| {
                let [wx, wy] = was(x as f32, y as f32);
                let inside = |at: f32, length: usize| at >= 0.0 && at <= (length - 1) as f32;
                inside(wx, size.width) && inside(wy, size.height)
            };
            let error = found.mean(|i, x, y| {
                let [wx, wy] = was(x as f32, y as f32);
                let (ex, ey) = (x as f32 + found.dx[i] - wx, y as f32 + found.dy[i] - wy);
                known(x, y).then_some((ex * ex + ey * ey).sqrt())
            });
            let confidence = found.mean(|i, x, y| known(x, y).then_some(found.confidence[i]));
            println!("{name}, {quality:?}: error {error:.3}, confidence {confidence:.3}");
            assert!(error < tolerance, "{name}, {quality:?}: off by {error}");
            assert!(confidence > 0.9, "{name}, {quality:?}: {confidence}");
        }
    }
}

#[test]
fn a_still_does_not_move() {
    let size = Size::new(333, 217);
    let still = picture(size, |x, y| texture(2, x, y));
    for quality in [Quality::Fast, Quality::Balanced, Quality::Fine] {
        let found = Found::between(&still, &still, quality);
        assert!(found.still && found.is_zero(), "{quality:?}");
        assert!(found.confidence.iter().all(|c| *c == 1.0), "{quality:?}");
    }
}

#[test]
fn noise_is_no_motion() {
    for size in [Size::new(320, 240), Size::new(640, 360)] {
        // Textured on the left, flat on the right.
        let still = picture(size, |x, y| {
            let fade = (1.5 - 2.0 * x / size.width as f32).clamp(0.0, 1.0);
            0.4 + fade * (texture(3, x, y) - 0.4)
        });
        for (seed, deviation) in [(10, 1.0), (20, 2.0), (30, 3.0), (40, 5.0), (50, 8.0)] {
            let [old, new] =
                [seed, seed + 1].map(|seed| with_noise(still.clone(), deviation, seed));
            for quality in [Quality::Fast, Quality::Balanced, Quality::Fine] {
                let found = Found::between(&old, &new, quality);
                let moving =
                    found.mean(|i, _, _| Some(f32::from(found.dx[i] != 0.0 || found.dy[i] != 0.0)));
                println!("{size}, noise of {deviation}, {quality:?}: {moving} is said to move");
                assert!(
                    moving < 1e-3,
                    "{size}, noise of {deviation}: {moving} moves"
                );
            }
        }
    }
}

#[test]
fn what_moves_in_a_still_scene_is_found() {
    let size = Size::new(480, 320);
    let scene = |left: f32, seed| {
        let scene = picture(size, |x, y| {
            let inside = x >= left && x < left + 120.0 && (100.0..220.0).contains(&y);
            if inside {
                texture(5, x - left, y)
            } else {
                texture(4, x, y)
            }
        });
        with_noise(scene, 2.0, seed)
    };
    let found = Found::between(&scene(150.0, 1), &scene(156.0, 2), Quality::Balanced);
    let object = found.mean(|i, x, y| {
        let inside = (180..250).contains(&x) && (120..200).contains(&y);
        let (ex, ey) = (found.dx[i] + 6.0, found.dy[i]);
        inside.then_some((ex * ex + ey * ey).sqrt())
    });
    assert!(object < 0.2, "the object is off by {object}");
    for i in 0..size.pixels() {
        let (x, y) = (i % size.width, i / size.width);
        let near = (110..320).contains(&x) && (60..260).contains(&y);
        assert!(
            near || (found.dx[i] == 0.0 && found.dy[i] == 0.0),
            "({x}, {y}) moves by ({}, {})",
            found.dx[i],
            found.dy[i]
        );
    }
}

#[test]
fn a_slow_pan_is_not_taken_for_noise() {
    let size = Size::new(480, 320);
    for speed in [0.1, 0.3] {
        let [old, new] = moved(size, |x, y| [x + speed, y]);
        let found = Found::between(
            &with_noise(old, 2.0, 1),
            &with_noise(new, 2.0, 2),
            Quality::Balanced,
        );
        let motion = found.mean(|i, _, _| Some(found.dx[i]));
        assert!((motion - speed).abs() < 0.08, "{motion} instead of {speed}");
    }
}

#[test]
fn a_change_of_exposure_is_no_motion() {
    let size = Size::new(480, 320);
    let scene = |gain: f32, offset: f32| picture(size, |x, y| gain * texture(6, x, y) + offset);
    for (gain, offset) in [(1.1, 0.0), (0.8, 0.0), (1.0, 0.08), (0.9, -0.05)] {
        let found = Found::between(
            &scene(0.8, 0.1),
            &scene(0.8 * gain, 0.1 + offset),
            Quality::Balanced,
        );
        let motion = found.mean(|i, _, _| Some(found.dx[i].hypot(found.dy[i])));
        let confidence = found.mean(|i, _, _| Some(found.confidence[i]));
        println!("gain {gain}, offset {offset}: motion {motion}, confidence {confidence}");
        assert!(motion < 0.02, "gain {gain}, offset {offset}: {motion}");
        assert!(
            confidence > 0.95,
            "gain {gain}, offset {offset}: {confidence}"
        );
    }
    // Nor does it hide one.
    let [old, new] = [0.0, 2.5].map(|moved| {
        let gain = if moved == 0.0 { 1.0 } else { 1.15 };
        picture(size, |x, y| gain * (0.8 * texture(6, x + moved, y) + 0.02))
    });
    let found = Found::between(&old, &new, Quality::Balanced);
    let motion = found.mean(|i, _, _| Some(found.dx[i]));
    assert!((motion - 2.5).abs() < 0.1, "{motion}");
}

#[test]
fn what_is_uncovered_or_enters_is_not_trusted() {
    let size = Size::new(480, 320);
    let scene = |left: f32| {
        picture(size, |x, y| {
            let inside = x >= left && x < left + 140.0 && (90.0..230.0).contains(&y);
            if inside {
                texture(8, x - left, y)
            } else {
                texture(7, x, y)
            }
        })
    };
    let found = Found::between(&scene(150.0), &scene(174.0), Quality::Balanced);
    let mean = |x: std::ops::Range<usize>, y: std::ops::Range<usize>| {
        found.mean(|i, px, py| (x.contains(&px) && y.contains(&py)).then_some(found.confidence[i]))
    };
    let (uncovered, object, rest) = (
        mean(154..170, 100..220),
        mean(200..290, 110..210),
        mean(0..120, 0..320),
    );
    println!("confidence: uncovered {uncovered}, object {object}, rest {rest}");
    assert!(uncovered < 0.3 && object > 0.9 && rest > 0.95);

    let [old, new] = moved(size, |x, y| [x + 20.0, y]);
    let found = Found::between(&old, &new, Quality::Balanced);
    let entering = found.mean(|i, x, _| (x >= 466).then_some(found.confidence[i]));
    let before = found.mean(|i, x, _| (x < 440).then_some(found.confidence[i]));
    println!("confidence: entering {entering}, before {before}");
    assert!(entering < 0.1 && before > 0.95);
}

#[test]
fn all_sizes_and_contents_are_survived() {
    for (width, height) in [
        (1, 1),
        (1, 40),
        (40, 1),
        (2, 3),
        (3, 200),
        (200, 3),
        (7, 7),
        (17, 9),
        (31, 33),
        (641, 5),
        (401, 303),
    ] {
        let size = Size::new(width, height);
        let contents: [(&str, Picture); 5] = [
            ("texture", picture(size, |x, y| texture(9, x, y))),
            (
                "moved texture",
                picture(size, |x, y| texture(9, x + 2.0, y)),
            ),
            ("black", picture(size, |_, _| 0.0)),
            ("white", picture(size, |_, _| 1.0)),
            ("noise", Picture::synthetic(size, 3)),
        ];
        for quality in [Quality::Fast, Quality::Balanced, Quality::Fine] {
            for (before, old) in &contents {
                for (after, new) in &contents {
                    let found = Found::between(old, new, quality);
                    assert!(found.is_sane(), "{size}, {before} -> {after}");
                    if ["black", "white"].contains(before) && ["black", "white"].contains(after) {
                        assert!(found.is_zero(), "{size}, {before} -> {after}");
                    }
                }
            }
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let size = Size::new(417, 311);
    let [old, new] = moved(size, |x, y| [x + 4.0 + (y / 30.0).sin(), y - 2.5]);
    let found = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| Found::between(&old, &new, Quality::Balanced))
    });
    for other in &found[1..] {
        assert!(found[0].dx == other.dx && found[0].dy == other.dy);
        assert!(found[0].confidence == other.confidence);
    }
}

#[test]
fn there_is_no_motion_to_the_first_frame() {
    let size = Size::new(64, 48);
    let frames = [0.0, 1.0].map(|moved| picture(size, |x, y| texture(1, x + moved, y)));
    let mut estimator = Estimator::new(size, Quality::Fast);
    assert!(estimator.estimate(&frames[0].frame()).is_none());
    assert!(estimator.estimate(&frames[1].frame()).is_some());
    estimator.reset();
    assert!(estimator.estimate(&frames[0].frame()).is_none());
    assert!(estimator.estimate(&frames[1].frame()).is_some());
    let other = picture(Size::new(65, 48), |x, y| texture(1, x, y));
    assert!(estimator.estimate(&other.frame()).is_none());
    assert_eq!(
        estimator.estimate(&other.frame()).unwrap().size(),
        other.size
    );
}

#[test]
fn rows_are_looked_up_at_any_size() {
    let size = Size::new(322, 246);
    let [old, new] = moved(size, |x, y| [x + 6.0, y - 3.0]);
    let mut estimator = Estimator::new(size, Quality::Balanced);
    estimator.estimate(&old.frame());
    let flow = estimator.estimate(&new.frame()).unwrap();
    for (width, height) in [(161, 123), (322, 100), (400, 300), (1, 1)] {
        let smaller = Found::read(flow, Size::new(width, height));
        let (sx, sy) = (width as f32 / 322.0, height as f32 / 246.0);
        let inside = |x: usize, y: usize| {
            let (x, y) = (x as f32 / width as f32, y as f32 / height as f32);
            ((0.1..0.9).contains(&x) && (0.1..0.9).contains(&y)) || width == 1
        };
        let dx = smaller.mean(|i, x, y| inside(x, y).then_some(smaller.dx[i]));
        let dy = smaller.mean(|i, x, y| inside(x, y).then_some(smaller.dy[i]));
        assert!(
            (dx - 6.0 * sx).abs() < 0.1 && (dy + 3.0 * sy).abs() < 0.1,
            "{dx}, {dy}"
        );
    }
}

/// The pairs of MPI Sintel (Butler et al., ECCV 2012): endpoint errors in pixels no worse than
/// those of OpenCV's dense inverse search at its medium preset, which docs/motion.md lists.
#[test]
fn sintel() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media/flow");
    if !folder.is_dir() {
        println!("skipped: there are no Sintel pairs at {}", folder.display());
        return;
    }
    for (name, opencv) in [
        ("clean-easy", 0.341),
        ("clean-medium", 1.639),
        ("final-hard", 16.944),
    ] {
        let pair = folder.join(name);
        let [new, old] = ["frame_0002.png", "frame_0003.png"].map(|frame| {
            let picture = image::open(pair.join(frame)).unwrap().into_rgb8();
            Picture {
                size: Size::new(picture.width() as usize, picture.height() as usize),
                pixels: picture.into_raw(),
            }
        });
        let truth = std::fs::read(pair.join("gt/frame_0002.flo")).unwrap();
        let truth = truth[12..].as_chunks::<4>().0;
        let mask = |kind: &str| {
            let mask = image::open(pair.join(format!("gt/{kind}/frame_0002.png")));
            mask.unwrap().into_luma8().into_raw()
        };
        let (invalid, occluded) = (mask("invalid"), mask("occlusions"));
        // The truth is from frame 2 to 3: 2 takes the part of the new frame.
        for quality in [Quality::Fast, Quality::Balanced, Quality::Fine] {
            let found = Found::between(&old, &new, quality);
            let error = |i: usize| {
                let [x, y] = [0, 1].map(|c| f32::from_le_bytes(truth[2 * i + c]));
                (found.dx[i] - x).hypot(found.dy[i] - y)
            };
            let all = found.mean(|i, _, _| (invalid[i] == 0).then(|| error(i)));
            let confidence = |wanted: &dyn Fn(usize) -> bool| {
                found.mean(|i, _, _| (invalid[i] == 0 && wanted(i)).then_some(found.confidence[i]))
            };
            let hidden = confidence(&|i| occluded[i] > 0);
            let right = confidence(&|i| occluded[i] == 0 && error(i) < 1.0);
            println!(
                "{name}, {quality:?}: error {all:.3}, confidence where right {right:.2}, where occluded {hidden:.2}"
            );
            if quality != Quality::Fast {
                assert!(all <= opencv, "{name}, {quality:?}: {all}");
                assert!(right > 0.8 && hidden < right, "{name}: {right}, {hidden}");
            }
        }
    }
}
