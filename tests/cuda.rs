//! The cuda engine: on an NVIDIA card, where there is one, and everywhere on cards that a C++
//! compiler makes of the engine's own kernels (tests/cuda/emulator.hpp).
//!
//! With `NCA_REQUIRE_CUDA` set, a card must be there, and nothing is emulated: what tools/gpu-check
//! runs.
#![cfg(feature = "cuda")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use common::models::{architectures, model};
use common::{Golden, Picture, distance, rms_distance};
use nca::engine::{Engine, EngineError, Growth, Precision, Selection, trust};
use nca::frame::{Frame, FrameMut, Packing};
use nca::internals::{CpuEngine, CudaEngine, Driver, cancel_after};
use nca::model::{Architecture, Blur, Border, Model, Source};
use nca::motion::{Estimator, Flow, Quality};
use nca::{Size, State};
use proptest::prelude::*;

/// A driver to test, and what it is called.
#[derive(Clone)]
struct Card {
    name: String,
    driver: Arc<Driver>,
    is_emulated: bool,
}

/// The folder of the package: at run time another than when this was compiled, where tests are run
/// elsewhere.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// All cards that there are, real and emulated.
fn cards() -> &'static [Card] {
    static CARDS: OnceLock<Vec<Card>> = OnceLock::new();
    CARDS.get_or_init(|| {
        let required = std::env::var_os("NCA_REQUIRE_CUDA").is_some();
        let mut cards = Vec::new();
        match Driver::system() {
            Ok(driver) => cards.push(Card {
                name: "card".into(),
                driver,
                is_emulated: false,
            }),
            Err(error) if required => panic!("{error}"),
            Err(error) => eprintln!("skipped: no card: {error}"),
        }
        if !required {
            cards.extend(
                [75, 80]
                    .into_iter()
                    .zip(emulators())
                    .map(|(target, library)| {
                        // SAFETY: it does what the driver API says.
                        let driver = unsafe { Driver::open(library) }.unwrap();
                        Card {
                            name: format!("emulated {target}"),
                            driver,
                            is_emulated: true,
                        }
                    }),
            );
        }
        cards
    })
}

/// The libraries of emulated cards of compute capability 7.5 and 8.0; none without a C++ compiler.
fn emulators() -> &'static [PathBuf] {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        if std::env::var_os("NCA_REQUIRE_CUDA").is_some() {
            return Vec::new();
        }
        let compiler = Command::new("c++").arg("--version").output();
        if !compiler.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no emulated cards: there is no C++ compiler");
            return Vec::new();
        }
        let compile = |target: u32| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let library = folder.join(format!("cuda-{target}.so"));
            // Another process may be doing the same.
            let unfinished = folder.join(format!("cuda-{target}-{}.so", std::process::id()));
            let output = Command::new("c++")
                .args([
                    "-std=c++17",
                    "-O2",
                    "-Wall",
                    "-Wextra",
                    "-Wno-unknown-pragmas",
                ])
                .args([
                    "-shared",
                    "-fPIC",
                    "-pthread",
                    "-U_FORTIFY_SOURCE",
                    "-fvisibility=hidden",
                ])
                .arg(format!("-DEMULATED_TARGET={target}"))
                .args(["-I", "tests/cuda", "-I", "src/engine/cuda/kernels"])
                .args(["tests/cuda/driver.cpp", "-o"])
                .arg(&unfinished)
                .current_dir(root())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{said}");
            std::fs::rename(unfinished, &library).unwrap();
            library
        };
        std::thread::scope(|scope| {
            let compilers = [75, 80].map(|target| scope.spawn(move || compile(target)));
            compilers.map(|thread| thread.join().unwrap()).into()
        })
    })
}

fn half() -> Selection {
    let mut selection = Selection::default();
    selection.precision = Precision::Half;
    selection
}

impl Card {
    fn engine(&self, model: &Model, size: Size, selection: &Selection) -> CudaEngine {
        CudaEngine::with_driver(self.driver.clone(), model, size, selection).unwrap()
    }
}

/// The models of tests/golden and models, by name, with their golden states.
fn golden_models() -> Vec<(String, Model, Golden)> {
    let tests = root().join("tests/golden");
    let mut files: Vec<(PathBuf, PathBuf)> = ["published", "notebook", "unusual"]
        .map(|name| tests.join(format!("{name}.safetensors")))
        .into_iter()
        .chain([root().join("models/sketch.safetensors")])
        .map(|model| {
            let name = model.file_stem().unwrap().to_str().unwrap();
            let golden = tests.join(format!("{name}.golden.safetensors"));
            (model, golden)
        })
        .collect();
    // Those that were trained: one where it takes long.
    let folder = root().join("../shared/published-models");
    if folder.is_dir() {
        let names = [
            "a-pencil-sketch.pt",
            "spaghetti.pt",
            "notebook-random.safetensors",
        ];
        files.extend(names.map(|name| {
            let stem = name.split('.').next().unwrap();
            (
                folder.join(name),
                folder.join(format!("{stem}.golden.safetensors")),
            )
        }));
    } else {
        eprintln!("skipped: there are no published models");
    }
    files
        .into_iter()
        .map(|(model, golden)| {
            let name = model.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, Model::load(&model).unwrap(), Golden::read(&golden))
        })
        .collect()
}

fn shown(engine: &mut dyn Engine, size: Size, strength: f32) -> Picture {
    let mut picture = Picture {
        size,
        pixels: vec![0; size.pixels() * 3],
    };
    let mut frame =
        FrameMut::packed(&mut picture.pixels, size.width * 3, size, Packing::RGB).unwrap();
    engine.render(&mut frame, strength).unwrap();
    picture
}

/// The largest difference of two samples.
fn difference(a: &Picture, b: &Picture) -> u8 {
    assert_eq!(a.size, b.size);
    let pairs = a.pixels.iter().zip(&b.pixels);
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// What a state shows.
fn picture_of(state: &State, frozen: usize) -> Picture {
    let mut picture = Picture {
        size: state.size(),
        pixels: Vec::new(),
    };
    for at in 0..state.size().pixels() {
        picture.pixels.extend([0, 1, 2].map(|c| {
            let value = state.channel(frozen + c)[at];
            ((value + 0.5) * 255.0).clamp(0.0, 255.0).round() as u8
        }));
    }
    picture
}

/// Sources of both frames, 1, 8 and 32 steps, another frame and 8 more, the picture then shown.
#[test]
fn full_precision_gives_the_golden_states() {
    for card in cards() {
        for (name, model, golden) in golden_models() {
            let start = golden.state("state0");
            let mut engine = card.engine(&model, start.size(), &Selection::default());
            let expect = |engine: &mut CudaEngine, state: &str, tolerance: f32| {
                let off = distance(&engine.state().unwrap(), &golden.state(state));
                println!("{}, {name}, {state}: off by {off:e}", card.name);
                assert!(
                    off <= tolerance,
                    "{}, {name}, {state}: off by {off:e}",
                    card.name
                );
            };
            engine.set_state(&start).unwrap();
            engine
                .set_source(&golden.picture("frame0").frame())
                .unwrap();
            expect(&mut engine, "state0", 1e-6);
            assert!(engine.step(1).unwrap());
            expect(&mut engine, "state1", 1e-5);
            assert!(engine.step(7).unwrap());
            expect(&mut engine, "state8", 1e-4);
            assert!(engine.step(24).unwrap());
            expect(&mut engine, "state32", 2e-4);
            engine
                .set_source(&golden.picture("frame1").frame())
                .unwrap();
            expect(&mut engine, "carried0", 2e-4);
            assert!(engine.step(8).unwrap());
            expect(&mut engine, "carried8", 2e-4);
            let picture = shown(&mut engine, start.size(), 1.0);
            assert!(difference(&picture, &golden.picture("rgb")) <= 1);
        }
    }
}

/// Tensor cores round what they multiply to 11 bits: the picture is off by 2 at most.
#[test]
fn half_precision_shows_the_golden_pictures() {
    for card in cards() {
        for (name, model, golden) in golden_models() {
            let frozen = model.architecture().frozen();
            let start = golden.state("state0");
            let mut engine = card.engine(&model, start.size(), &half());
            let precision = engine.device();
            assert!(precision.ends_with("half precision"), "{name}: {precision}");
            engine.set_state(&start).unwrap();
            let mut taken = 0;
            // As much as bf16 on the processor is allowed to be off.
            for (steps, bound) in [(1, 1e-3), (8, 2e-3), (32, 4e-3)] {
                if steps == 32 && card.name == "emulated 75" {
                    // Enough to see its own fragments; the rest is as with 80.
                    continue;
                }
                assert!(engine.step(steps - taken).unwrap());
                taken = steps;
                let expected = golden.state(&format!("state{steps}"));
                let state = engine.state().unwrap();
                let off = rms_distance(&state, &expected, frozen);
                let picture = shown(&mut engine, start.size(), 1.0);
                let seen = difference(&picture, &picture_of(&expected, frozen));
                println!(
                    "{}, {name}, {steps} steps: off by {off:e}, the picture by {seen}",
                    card.name
                );
                assert!(off > 0.0, "{name}: nothing was rounded");
                assert!(off < bound, "{}, {name}: {off:e}", card.name);
                assert!(seen <= 2, "{}, {name}: the picture by {seen}", card.name);
            }
        }
    }
}

/// Rounding does not add up: after 10,000 steps the state is no further from that of full precision
/// than after some. Asked of the models that we ship, which come to rest; one of random weights may
/// leave finite numbers by itself.
#[test]
fn half_precision_does_not_drift() {
    for card in cards() {
        if card.is_emulated {
            eprintln!("skipped: 10,000 steps take too long on an emulated card");
            continue;
        }
        for name in Model::bundled_names() {
            let model = Model::bundled(name).unwrap();
            let frozen = model.architecture().frozen();
            let size = Size::new(96, 64);
            // Mean and deviation of each channel: the states themselves part, as they do with any
            // other rounding.
            let moments = |selection: &Selection| {
                let mut engine = card.engine(&model, size, selection);
                let frame = Picture::synthetic(size, 2);
                engine.set_source(&frame.frame()).unwrap();
                engine.seed(1).unwrap();
                assert!(engine.step(10_000).unwrap(), "{name}");
                let state = engine.state().unwrap();
                (frozen..state.channels())
                    .map(|c| {
                        let values = state.channel(c);
                        let mean = values.iter().sum::<f32>() / values.len() as f32;
                        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>();
                        (mean, (square / values.len() as f32).sqrt())
                    })
                    .collect::<Vec<_>>()
            };
            let full = moments(&Selection::default());
            for (c, (half, full)) in moments(&half()).into_iter().zip(full).enumerate() {
                let off = (half.0 - full.0).abs().max((half.1 - full.1).abs());
                println!("{name}, channel {c}: {half:?} with half precision, {full:?} with full");
                assert!(off < 0.1 * full.1.max(0.05), "{name}, channel {c}: {off}");
            }
        }
    }
}

/// Those that kernels of half precision are made for, and wider ones.
fn hidden_layers() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        prop::collection::vec(1..100_usize, 1..=4),
        prop::collection::vec(100..300_usize, 1..=2),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any architecture at any size, against the cpu engine.
    #[test]
    fn a_step_is_that_of_the_cpu_engine(
        architecture in architectures(40, hidden_layers()),
        width in 1..70_usize,
        height in 1..20_usize,
        seed in any::<u32>(),
    ) {
        check_step(&model(architecture, seed), Size::new(width, height), 1);
    }
}

/// The largest that is accepted, and one where kernels of each kind are at their limits.
#[test]
fn large_architectures() {
    let largest = Architecture {
        channels: 64,
        hidden: vec![512; 4],
        blurs: vec![Blur {
            channel: 63,
            size: 31,
            sigma: 7.0,
        }],
        ..Architecture::notebook()
    };
    check_step(&model(largest, 1), Size::new(35, 9), 1);
    let edge = Architecture {
        channels: 32,
        hidden: vec![128, 16, 128, 128],
        source: Source::Rgb,
        ..Architecture::published()
    };
    check_step(&model(edge, 2), Size::new(35, 9), 2);
}

/// The published architectures with pictures of many tiles.
#[test]
fn many_tiles() {
    for architecture in [Architecture::published(), Architecture::notebook()] {
        check_step(&model(architecture, 3), Size::new(150, 50), 2);
    }
}

/// Compares some steps of both precisions with the cpu engine's.
fn check_step(model: &Model, size: Size, steps: u32) {
    model.architecture().validate().unwrap();
    let mut cpu = CpuEngine::new(model, size, &Selection::default()).unwrap();
    cpu.set_source(&Picture::synthetic(size, 1).frame())
        .unwrap();
    cpu.seed(7).unwrap();
    let start = cpu.state().unwrap();
    assert!(cpu.step(steps).unwrap());
    let expected = cpu.state().unwrap();
    for card in cards() {
        for (selection, tolerance) in [(Selection::default(), 2e-5), (half(), 5e-3)] {
            let mut engine = card.engine(model, size, &selection);
            engine.set_state(&start).unwrap();
            assert!(engine.step(steps).unwrap());
            let off = distance(&engine.state().unwrap(), &expected);
            let name = engine.device();
            assert!(
                off < tolerance,
                "{name}: off by {off}; {:?} at {size}",
                model.architecture()
            );
        }
    }
}

#[test]
fn steps_are_the_same_however_they_are_asked_for() {
    let model = model(
        Architecture {
            hidden: vec![16],
            ..Architecture::published()
        },
        4,
    );
    let size = Size::new(33, 7);
    for card in cards() {
        let run = |steps: &[u32]| {
            let mut engine = card.engine(&model, size, &half());
            engine
                .set_source(&Picture::synthetic(size, 1).frame())
                .unwrap();
            engine.seed(1).unwrap();
            for &steps in steps {
                assert!(engine.step(steps).unwrap());
            }
            engine.state().unwrap()
        };
        let whole = run(&[131]);
        assert_eq!(run(&[1, 2, 1, 64, 0, 63]), whole, "{}", card.name);
    }
}

/// Steps end between graphs when nobody waits for them any more.
#[test]
fn steps_that_are_cancelled_end() {
    let model = Model::bundled_default();
    let size = Size::new(9, 7);
    for card in cards() {
        let start = || {
            let mut engine = card.engine(&model, size, &half());
            engine
                .set_source(&Picture::synthetic(size, 1).frame())
                .unwrap();
            engine.seed(1).unwrap();
            engine
        };
        let (mut engine, mut whole) = (start(), start());
        let cancel = cancel_after(3);
        engine.set_cancel(cancel.clone());
        let ended = engine.step(1024);
        assert!(
            matches!(ended, Err(EngineError::Cancelled)),
            "{}",
            card.name
        );
        assert!(whole.step(3 * 64).unwrap());
        assert!(engine.state().unwrap() == whole.state().unwrap());
        cancel.clear();
        assert!(engine.step(2).unwrap() && whole.step(2).unwrap());
        assert!(engine.state().unwrap() == whole.state().unwrap());
    }
}

/// Frames of any size and packing become the source that they are for the cpu engine, the start
/// state is the same, and so is what is shown.
#[test]
fn frames_come_and_go_as_with_the_cpu_engine() {
    for card in cards() {
        for (source, border) in [
            (Source::Rgb, Border::Replicate),
            (Source::ShiftShuffle, Border::Circular),
        ] {
            for size in [
                Size::new(40, 26),
                Size::new(37, 23),
                Size::new(3, 2),
                Size::new(1, 1),
            ] {
                let architecture = Architecture {
                    source,
                    border,
                    ..Architecture::published()
                };
                let model = model(architecture, 5);
                let mut engine = card.engine(&model, size, &Selection::default());
                let mut cpu = CpuEngine::new(&model, size, &Selection::default()).unwrap();
                assert_eq!(engine.size(), size);
                // Zeros at first.
                assert_eq!(engine.state().unwrap(), cpu.state().unwrap());
                for frame_size in [size, Size::new(61, 45)] {
                    for step in [3, 4, 5] {
                        let bytes: Vec<u8> = Picture::synthetic(frame_size, 9)
                            .pixels
                            .as_chunks::<3>()
                            .0
                            .iter()
                            .flat_map(|&[r, g, b]| [b, g, r, 7, 8].into_iter().take(step))
                            .collect();
                        let packing = Packing::new(step, [2, 1, 0]).unwrap();
                        let stride = frame_size.width * step;
                        let frame = Frame::packed(&bytes, stride, frame_size, packing).unwrap();
                        for engine in [&mut engine as &mut dyn Engine, &mut cpu] {
                            engine.set_source(&frame).unwrap();
                            engine.seed(1 << 40 | 3).unwrap();
                        }
                        let state = cpu.state().unwrap();
                        let off = distance(&engine.state().unwrap(), &state);
                        assert!(off <= 1e-7, "{}, {source:?}, {size}: {off}", card.name);
                        let hidden = source.channels() + 3;
                        assert_eq!(
                            engine.state().unwrap().channel(hidden),
                            state.channel(hidden)
                        );
                        for strength in [1.0, 0.3, 0.0] {
                            let [ours, theirs] =
                                [&mut engine as &mut dyn Engine, &mut cpu].map(|engine| {
                                    let mut bytes = bytes.clone();
                                    let mut frame =
                                        FrameMut::packed(&mut bytes, stride, frame_size, packing)
                                            .unwrap();
                                    engine.render(&mut frame, strength).unwrap();
                                    bytes
                                });
                            let pairs = ours.iter().zip(&theirs);
                            let off = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                            assert!(
                                off <= 1,
                                "{}, {size}, strength {strength}: {off}",
                                card.name
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Every seed is noise of its own, and the same for every engine.
#[test]
fn noise_is_that_of_the_cpu_engine() {
    let model = model(Architecture::published(), 5);
    let size = Size::new(37, 23);
    for card in cards() {
        let mut engine = card.engine(&model, size, &Selection::default());
        let mut cpu = CpuEngine::new(&model, size, &Selection::default()).unwrap();
        for seed in [0, 1, 6 ^ 7, 1 << 32, 1 << 40 | 3, u64::MAX] {
            let [ours, theirs] = [&mut engine as &mut dyn Engine, &mut cpu].map(|engine| {
                engine.seed(seed).unwrap();
                engine.state().unwrap()
            });
            assert!(ours == theirs, "{}, seed {seed}", card.name);
        }
    }
}

/// A pan that comes to rest on the left half of the picture.
fn panned(size: Size, phase: f32) -> Picture {
    let mut picture = Picture::synthetic(size, 1);
    for y in 0..size.height {
        for x in 0..size.width {
            let moved = if x < size.width / 3 { 0.0 } else { phase };
            let (u, v) = (x as f32 + 2.0 * moved, y as f32 + moved);
            for c in 0..3 {
                let k = 1.0 + 0.3 * c as f32;
                let wave = (u * 0.31 * k).sin() * (v * 0.23).cos() + (u * 0.17 - v * 0.19).cos();
                picture.pixels[(y * size.width + x) * 3 + c] = (128.0 + 50.0 * wave) as u8;
            }
        }
    }
    picture
}

/// The state moves as it does with the cpu engine, at the frames' size and at another, and grows
/// where it cannot.
#[test]
fn the_state_moves_and_grows_as_with_the_cpu_engine() {
    for card in cards() {
        for border in [Border::Circular, Border::Replicate] {
            let blurred = Architecture {
                border,
                ..Architecture::notebook()
            };
            for model in [Model::bundled_default(), model(blurred, 6)] {
                for size in [Size::new(96, 64), Size::new(51, 40)] {
                    // What a step rounds is rounded here three times.
                    for (selection, tolerance) in [(Selection::default(), 2e-4), (half(), 2e-2)] {
                        check_carry(card, &model, size, &selection, tolerance);
                    }
                }
            }
        }
    }
}

/// Cells of a state of `size` that do not move and whose motion is believed.
fn resting(flow: &Flow, size: Size) -> Vec<usize> {
    let mut resting = Vec::new();
    let [mut dx, mut dy, mut confidence] = [0; 3].map(|_| vec![0.0; size.width]);
    for y in 0..size.height {
        flow.write_row(y, size, &mut dx, &mut dy, &mut confidence);
        resting.extend((0..size.width).filter_map(|x| {
            // Engines round confidences in ways of their own: not those where trust is just full.
            let rests = dx[x] == 0.0 && dy[x] == 0.0 && trust(confidence[x] - 0.01) == 1.0;
            rests.then_some(y * size.width + x)
        }));
    }
    resting
}

/// Moves a state of `size` along a pan, with the engine and with the cpu engine.
fn check_carry(card: &Card, model: &Model, size: Size, selection: &Selection, tolerance: f32) {
    let frames = Size::new(96, 64);
    let mut engine = card.engine(model, size, selection);
    let mut cpu = CpuEngine::new(model, size, &Selection::default()).unwrap();
    let run = format!(
        "{}, {}, {:?}, {size}",
        card.name,
        engine.device(),
        model.architecture()
    );
    let mut estimator = Estimator::new(frames, Quality::Balanced);
    let first = panned(frames, 0.0);
    assert!(estimator.estimate(&first.frame()).is_none());
    cpu.set_source(&first.frame()).unwrap();
    cpu.seed(3).unwrap();
    let start = cpu.state().unwrap();
    // Twice: memory for the flow is taken once and then used again.
    for (seed, phase) in [(1 << 40 | 5, 1.0), (6, 2.5)] {
        let flow = estimator.estimate(&panned(frames, phase).frame()).unwrap();
        assert!(!flow.is_still());
        let believed = flow.mean(trust);
        assert!(0.0 < believed && believed < 1.0, "{believed} is believed");
        let resting = resting(flow, size);
        assert!(!resting.is_empty(), "everything moves");
        let mut grown = Vec::new();
        for steps in [0, 3] {
            let growth = Growth { seed, steps };
            let carried = |engine: &mut dyn Engine| {
                engine.set_state(&start).unwrap();
                engine.carry(flow, growth).unwrap();
                engine.state().unwrap()
            };
            let (ours, theirs) = (carried(&mut engine), carried(&mut cpu));
            assert!(distance(&theirs, &start) > 0.1, "nothing moved");
            let off = distance(&ours, &theirs);
            println!("{run}, {steps} steps: off by {off:e}");
            assert!(off < tolerance, "{run}, {steps} steps: off by {off:e}");
            // What does not move is left as it is, to the bit. Elsewhere the old value may come out
            // again but for rounding.
            for c in 0..ours.channels() {
                for &at in &resting {
                    let (ours, start) = (ours.channel(c)[at], start.channel(c)[at]);
                    assert_eq!(ours, start, "{run}, {steps} steps, channel {c}, cell {at}");
                }
            }
            grown.push(theirs);
        }
        assert!(distance(&grown[0], &grown[1]) > 1e-2, "nothing grew");
    }
}

#[test]
fn states_that_run_away_are_noticed() {
    let tame = model(Architecture::published(), 1);
    let size = Size::new(37, 20);
    for card in cards() {
        for selection in [Selection::default(), half()] {
            let mut engine = card.engine(&tame, size, &selection);
            engine
                .set_source(&Picture::synthetic(size, 1).frame())
                .unwrap();
            engine.seed(7).unwrap();
            let start = engine.state().unwrap();
            for (at, value) in [(0, f32::NAN), (36, f32::INFINITY), (37 * 20 - 1, f32::NAN)] {
                let mut state = start.clone();
                state.channel_mut(17)[at] = value;
                engine.set_state(&state).unwrap();
                assert!(!engine.step(1).unwrap(), "{}: {value} at {at}", card.name);
                // Only the last step counts, and no old flag is left.
                engine.set_state(&start).unwrap();
                assert!(engine.step(2).unwrap(), "{}", card.name);
            }
        }
    }
}

#[test]
fn what_cannot_run_is_refused() {
    let model = Model::bundled_default();
    for card in cards() {
        let new = |size, selection: &Selection| {
            CudaEngine::with_driver(card.driver.clone(), &model, size, selection).err()
        };
        for size in [Size::new(0, 4), Size::new(4, 0), Size::new(16385, 1)] {
            let error = new(size, &Selection::default());
            assert!(
                matches!(error, Some(EngineError::UnsupportedSize { .. })),
                "{size}"
            );
        }
        let on = |device: &str| {
            let mut selection = Selection::default();
            selection.device = Some(device.into());
            selection
        };
        let size = Size::new(4, 4);
        assert!(new(size, &on("0")).is_none());
        for device in ["99", "Voodoo"] {
            let error = new(size, &on(device)).unwrap();
            assert!(matches!(error, EngineError::NoDevice { .. }), "{error}");
        }
        let mut engine = card.engine(&model, size, &Selection::default());
        let wrong = engine.set_state(&State::zeros(12, Size::new(5, 4)));
        assert!(matches!(wrong, Err(EngineError::WrongState { .. })));
    }
}

#[test]
fn without_a_driver_there_is_one_clear_error() {
    // SAFETY: neither is a driver, and nothing of them is called.
    let error = |path: &str| unsafe { Driver::open(path) }.unwrap_err().to_string();
    let missing = error("libcuda-that-nobody-has.so.1");
    assert!(missing.contains("driver is not installed"), "{missing}");
    #[cfg(target_os = "linux")]
    {
        let old = error("libm.so.6");
        assert!(old.contains("too old"), "{old}");
    }
    if let Err(error) = Driver::system() {
        let model = Model::bundled_default();
        let engine = CudaEngine::new(&model, Size::new(4, 4), &Selection::default());
        assert_eq!(engine.err().unwrap().to_string(), error.to_string());
        assert!(matches!(error, EngineError::Absent { .. }), "{error}");
        println!("{error}");
    }
}

/// An emulated card of its own, that can be told to fail, and what tells it.
struct Unreliable {
    card: Card,
    library: libloading::Library,
}

impl Unreliable {
    fn new(name: &str) -> Option<Self> {
        let original = emulators().last()?;
        // A copy is another library, with memory of its own.
        let copy = original.with_file_name(format!("{name}-{}.so", std::process::id()));
        std::fs::copy(original, &copy).unwrap();
        // SAFETY: it does what the driver API says.
        let driver = unsafe { Driver::open(&copy) }.unwrap();
        // SAFETY: loading it does nothing.
        let library = unsafe { libloading::Library::new(&copy) }.unwrap();
        std::fs::remove_file(copy).unwrap();
        let card = Card {
            name: name.into(),
            driver,
            is_emulated: true,
        };
        Some(Self { card, library })
    }

    fn tell<T>(&self, name: &str, value: T) {
        // SAFETY: tests/cuda/driver.cpp declares them so.
        unsafe {
            let function = self.library.get::<unsafe extern "C" fn(T)>(name.as_bytes());
            (function.unwrap())(value);
        }
    }
}

/// What the emulated driver counts, see tests/cuda/driver.cpp.
fn balance(unreliable: &Unreliable) -> i32 {
    // SAFETY: tests/cuda/driver.cpp declares it so.
    unsafe {
        let function = unreliable
            .library
            .get::<unsafe extern "C" fn() -> i32>(b"emulated_balance");
        (function.unwrap())()
    }
}

/// Others in the process may have a context of their own current: only what was pushed is popped.
#[test]
fn a_context_that_cannot_be_used_is_an_error_and_leaves_the_others_alone() {
    let Some(unreliable) = Unreliable::new("context") else {
        return;
    };
    let model = Model::bundled_default();
    let size = Size::new(8, 8);
    let mut engine = unreliable.card.engine(&model, size, &Selection::default());
    assert_eq!(balance(&unreliable), 0);
    // Destroyed, as it is by a reset of the card.
    unreliable.tell("emulated_push_failure", 709_i32);
    let error = engine.step(1).unwrap_err();
    assert!(matches!(error, EngineError::DeviceLost { .. }), "{error}");
    drop(engine);
    assert_eq!(balance(&unreliable), 0);
    unreliable.tell("emulated_push_failure", 201_i32);
    let driver = unreliable.card.driver.clone();
    let error = CudaEngine::with_driver(driver, &model, size, &Selection::default())
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("could not use the card's context"),
        "{error}"
    );
    assert_eq!(balance(&unreliable), 0);
}

#[test]
fn a_lost_card_and_a_full_one_are_errors() {
    let Some(unreliable) = Unreliable::new("unreliable") else {
        return;
    };
    let model = Model::bundled_default();
    let size = Size::new(8, 8);
    let new = || {
        let driver = unreliable.card.driver.clone();
        CudaEngine::with_driver(driver, &model, size, &Selection::default())
    };
    let mut engine = new().unwrap();
    assert!(engine.step(1).unwrap());
    // An illegal address, which no context survives.
    unreliable.tell("emulated_failure", 700_i32);
    let error = engine.step(1).unwrap_err();
    assert!(matches!(error, EngineError::DeviceLost { .. }), "{error}");
    assert!(
        error.to_string().contains("CUDA_ERROR_ILLEGAL_ADDRESS"),
        "{error}"
    );
    drop(engine);
    unreliable.tell("emulated_failure", 0_i32);
    assert!(new().unwrap().step(1).unwrap());
    unreliable.tell("emulated_memory", 16_usize);
    let error = new().err().unwrap();
    assert!(matches!(error, EngineError::Failed { .. }), "{error}");
    assert!(error.to_string().contains("memory of Emulated"), "{error}");
}

/// The driver stays loaded when its last engine is gone.
#[cfg(target_os = "linux")]
#[test]
fn the_driver_stays_loaded() {
    use libloading::os::unix::Library;
    const RTLD_NOW: i32 = 2;
    const RTLD_NOLOAD: i32 = 4;
    // SAFETY: it is not loaded by that, only looked for.
    let is_loaded = |path: &Path| unsafe { Library::open(Some(path), RTLD_NOW | RTLD_NOLOAD) };
    if let Some(original) = emulators().last() {
        let copy = original.with_file_name(format!("staying-{}.so", std::process::id()));
        std::fs::copy(original, &copy).unwrap();
        assert!(is_loaded(&copy).is_err());
        // SAFETY: it does what the driver API says.
        let driver = unsafe { Driver::open(&copy) }.unwrap();
        let model = Model::bundled_default();
        let engine = CudaEngine::with_driver(driver, &model, Size::new(8, 8), &half());
        assert!(engine.unwrap().step(1).unwrap());
        assert!(is_loaded(&copy).is_ok());
        std::fs::remove_file(copy).unwrap();
    }
    // The system's is opened once.
    if let Ok(driver) = Driver::system() {
        assert!(Arc::strong_count(&driver) > 1);
    }
}

/// Engines do not disturb each other, whatever thread they are used from.
#[test]
fn engines_work_side_by_side() {
    let model = Model::bundled_default();
    let size = Size::new(40, 24);
    for card in cards() {
        let states = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let mut engine = card.engine(&model, size, &half());
                let states = &states;
                scope.spawn(move || {
                    engine
                        .set_source(&Picture::synthetic(size, 2).frame())
                        .unwrap();
                    engine.seed(5).unwrap();
                    for _ in 0..4 {
                        assert!(engine.step(2).unwrap());
                    }
                    states.lock().unwrap().push(engine.state().unwrap());
                });
            }
        });
        let states = states.into_inner().unwrap();
        assert!(
            states.windows(2).all(|pair| pair[0] == pair[1]),
            "{}",
            card.name
        );
    }
}
