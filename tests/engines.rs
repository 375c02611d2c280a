//! Properties of the engines and the stylizer.

mod common;

use std::sync::Arc;

use common::Picture;
use common::engines::{self, Kind};
use common::models::{architectures, model, with_last_layer};
use nca::engine::{self, Backend, Engine, EngineError, Growth, MAX_LENGTH, Precision, Selection};
use nca::frame::{FrameMut, Packing};
use nca::internals::{CpuEngine, Isa, cancel_after};
use nca::model::{Architecture, Border, Model};
use nca::motion::{Estimator, Quality};
use nca::stylizer::{DEFAULT_CUT_THRESHOLD, Outcome, Stylizer, StylizerBuilder};
use nca::{Cancel, Size, State};
use proptest::prelude::*;

/// A step as the definition says it, a value at a time, in f64.
fn reference_step(model: &Model, state: &State) -> State {
    let a = model.architecture();
    let Size { width, height } = state.size();
    let at = |c: usize, y: isize, x: isize| {
        let fold = |v: isize, length: usize| match a.border {
            Border::Circular => v.rem_euclid(length as isize) as usize,
            Border::Replicate => v.clamp(0, length as isize - 1) as usize,
        };
        f64::from(state.channel(c)[fold(y, height) * width + fold(x, width)])
    };
    let filters: [([[f64; 3]; 3], f32); 3] = [
        (
            [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]],
            a.filter_scale.sobel,
        ),
        (
            [[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]],
            a.filter_scale.sobel,
        ),
        (
            [[1.0, 2.0, 1.0], [2.0, -12.0, 2.0], [1.0, 2.0, 1.0]],
            a.filter_scale.laplacian,
        ),
    ];
    let mut next = state.clone();
    for y in 0..height as isize {
        for x in 0..width as isize {
            let mut values: Vec<f64> = (0..a.channels).map(|c| at(c, y, x)).collect();
            for c in 0..a.channels {
                for (filter, scale) in &filters {
                    let mut sum = 0.0;
                    for (dy, row) in filter.iter().enumerate() {
                        for (dx, weight) in row.iter().enumerate() {
                            sum += weight * at(c, y + dy as isize - 1, x + dx as isize - 1);
                        }
                    }
                    values.push(sum * f64::from(*scale));
                }
            }
            for (i, layer) in model.layers().iter().enumerate() {
                values = (0..layer.outputs())
                    .map(|o| {
                        let bias = layer.bias().as_ref().map_or(0.0, |bias| f64::from(bias[o]));
                        let row = &layer.weights()[o * layer.inputs()..][..layer.inputs()];
                        let sum = row
                            .iter()
                            .zip(&values)
                            .map(|(w, v)| f64::from(*w) * v)
                            .sum::<f64>()
                            + bias;
                        if i + 1 < model.layers().len() {
                            sum.max(0.0)
                        } else {
                            sum
                        }
                    })
                    .collect();
            }
            for (u, update) in values.into_iter().enumerate() {
                let c = a.frozen() + u;
                let base = match a.blurs.iter().find(|blur| blur.channel == c) {
                    None => at(c, y, x),
                    Some(blur) => {
                        let radius = (blur.size / 2) as isize;
                        let weight =
                            |d: isize| (-0.5 * (d as f64 / f64::from(blur.sigma)).powi(2)).exp();
                        let (mut sum, mut weights) = (0.0, 0.0);
                        for dy in -radius..=radius {
                            for dx in -radius..=radius {
                                let w = weight(dy) * weight(dx);
                                sum += w * at(c, y + dy, x + dx);
                                weights += w;
                            }
                        }
                        sum / weights
                    }
                };
                let value = base + f64::from(a.step_size) * update;
                next.channel_mut(c)[y as usize * width + x as usize] = value as f32;
            }
        }
    }
    next
}

/// The engine at the start of a frame.
fn started<E: Engine + ?Sized>(mut engine: Box<E>) -> Box<E> {
    let frame = Picture::synthetic(engine.size(), 1);
    engine.set_source(&frame.frame()).unwrap();
    engine.seed(7).unwrap();
    engine
}

/// An engine with the fastest instructions of the processor at the start of a frame.
fn started_cpu(model: &Model, size: Size, threads: usize) -> Box<CpuEngine> {
    let engine = CpuEngine::with_isa(model, size, threads, Isa::detect());
    started(Box::new(engine.unwrap()))
}

/// Checks a step against the definition on the engines that `wanted` takes.
fn check_step(
    architecture: Architecture,
    size: Size,
    seed: u32,
    wanted: impl Fn(&Kind) -> bool,
) -> Result<(), TestCaseError> {
    architecture.validate().unwrap();
    let model = model(architecture, seed);
    let full = engines::of_full_precision().into_iter();
    let half = engines::of_half_precision().into_iter();
    let kinds = full
        .map(|kind| (kind, 1e-5))
        .chain(half.map(|kind| (kind, 2e-2)));
    for (kind, tolerance) in kinds.filter(|(kind, _)| wanted(kind)) {
        let mut engine = started(kind.engine(&model, size));
        let expected = reference_step(&model, &engine.state().unwrap());
        prop_assert!(engine.step(1).unwrap());
        let off = common::distance(&engine.state().unwrap(), &expected);
        prop_assert!(off < tolerance, "{}: off by {off}", kind.name);
    }
    Ok(())
}

proptest! {
    // Each case compiles kernels.
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any architecture at any size, against the definition, on graphics processors.
    #[test]
    fn a_step_elsewhere_is_what_the_definition_says(
        architecture in architectures(20, prop::collection::vec(1..70_usize, 1..=3)),
        width in 1..80_usize,
        height in 1..12_usize,
        seed in any::<u32>(),
    ) {
        let size = Size::new(width, height);
        check_step(architecture, size, seed, |kind| kind.backend != Backend::Cpu)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Any architecture at any size, against the definition, with all instructions.
    #[test]
    fn a_step_is_what_the_definition_says(
        architecture in architectures(20, prop::collection::vec(1..70_usize, 1..=3)),
        width in 1..80_usize,
        height in 1..12_usize,
        seed in any::<u32>(),
    ) {
        let size = Size::new(width, height);
        check_step(architecture, size, seed, |kind| kind.backend == Backend::Cpu)?;
    }

    /// With circular borders no place is special.
    #[test]
    fn shifted_input_gives_shifted_output(dy in 0..24_usize, dx in 0..40_usize, blurred in any::<bool>()) {
        let architecture = if blurred { Architecture::notebook() } else { Architecture::published() };
        let model = model(architecture, 5);
        let size = Size::new(40, 24);
        let mut engine = started_cpu(&model, size, 2);
        let start = engine.state().unwrap();
        let shift = |state: &State| {
            let mut shifted = state.clone();
            for c in 0..state.channels() {
                for y in 0..size.height {
                    for x in 0..size.width {
                        let to = (y + dy) % size.height * size.width + (x + dx) % size.width;
                        shifted.channel_mut(c)[to] = state.channel(c)[y * size.width + x];
                    }
                }
            }
            shifted
        };
        engine.step(5).unwrap();
        let end = engine.state().unwrap();
        engine.set_state(&shift(&start)).unwrap();
        engine.step(5).unwrap();
        prop_assert_eq!(engine.state().unwrap(), shift(&end));
    }
}

#[test]
fn threads_change_nothing() {
    let model = model(Architecture::notebook(), 9);
    let state = |threads| {
        let mut engine = started_cpu(&model, Size::new(97, 53), threads);
        engine.step(6).unwrap();
        engine.state().unwrap()
    };
    let one = state(1);
    for threads in [2, 3, 5, 16] {
        assert_eq!(state(threads), one, "{threads} threads");
    }
}

#[test]
fn states_that_run_away_are_noticed() {
    let kinds = engines::of_full_precision().into_iter();
    for kind in kinds.chain(engines::of_half_precision()) {
        let size = Size::new(37, 20);
        let name = &kind.name;
        let tame = model(Architecture::published(), 1);
        let wild = with_last_layer(&tame, |weights, _| {
            weights.iter_mut().for_each(|weight| *weight *= 1e6);
        });
        let mut engine = started(kind.engine(&wild, size));
        let finite: Vec<bool> = (0..40).map(|_| engine.step(1).unwrap()).collect();
        assert!(finite[0] && !finite[39], "{name}: {finite:?}");

        // A single value that is not finite, wherever it is.
        for at in [0, 36, size.pixels() - 1] {
            let mut engine = started(kind.engine(&tame, size));
            let mut state = engine.state().unwrap();
            state.channel_mut(17)[at] = f32::NAN;
            engine.set_state(&state).unwrap();
            assert!(!engine.step(1).unwrap(), "{name}: NaN at {at}");
        }
    }
}

#[test]
fn what_cannot_run_is_refused() {
    let model = Model::bundled_default();
    for size in [
        Size::new(0, 4),
        Size::new(4, 0),
        Size::new(MAX_LENGTH + 1, 1),
    ] {
        let error = CpuEngine::with_isa(&model, size, 1, Isa::detect()).err();
        assert!(
            matches!(error, Some(EngineError::UnsupportedSize { .. })),
            "{size}"
        );
    }
    let mut selection = Selection::default();
    selection.device = Some("cuda:0".into());
    let error = CpuEngine::new(&model, Size::new(4, 4), &selection).err();
    assert!(matches!(error, Some(EngineError::NoDevice { .. })));
    let mut selection = Selection::default();
    selection.precision = Precision::Half;
    match (
        CpuEngine::new(&model, Size::new(4, 4), &selection),
        Isa::half(),
    ) {
        (Ok(engine), Some(_)) => assert!(engine.device().contains("bf16"), "{}", engine.device()),
        (Err(EngineError::NoHalfPrecision { .. }), None) => {}
        (result, half) => panic!("{:?} with {half:?}", result.err()),
    }
    let mut engine = CpuEngine::with_isa(&model, Size::new(4, 4), 1, Isa::detect()).unwrap();
    let wrong = engine.set_state(&State::zeros(12, Size::new(5, 4)));
    assert!(matches!(wrong, Err(EngineError::WrongState { .. })));
}

/// All engines start from the same values, whatever the size of the frame.
#[test]
fn engines_start_alike() {
    for architecture in [Architecture::published(), Architecture::notebook()] {
        let model = model(architecture, 3);
        for (size, of_frame) in [((33, 21), (33, 21)), ((2, 1), (2, 1)), ((40, 30), (77, 64))] {
            let size = Size::new(size.0, size.1);
            let frame = Picture::synthetic(Size::new(of_frame.0, of_frame.1), 5);
            let mut expected: Option<State> = None;
            for kind in engines::of_full_precision() {
                let mut engine = kind.engine(&model, size);
                engine.set_source(&frame.frame()).unwrap();
                engine.seed(0x0123_4567_89ab_cdef).unwrap();
                let state = engine.state().unwrap();
                let expected = expected.get_or_insert_with(|| state.clone());
                let off = common::distance(&state, expected);
                assert!(off < 1e-6, "{}, {size}: off by {off}", kind.name);
                let hidden = (model.architecture().frozen() + 3) * size.pixels();
                assert_eq!(state.values()[hidden..], expected.values()[hidden..]);
            }
        }
    }
}

/// All engines show the same picture, mixed in, in frames of any size and layout.
#[test]
fn engines_show_alike() {
    let model = Model::bundled_default();
    let size = Size::new(37, 22);
    for (width, height) in [(37, 22), (60, 31), (12, 9)] {
        for strength in [0.0, 0.3, 1.0] {
            let frame = Picture::synthetic(Size::new(width, height), 2);
            let mut expected: Option<[Vec<u8>; 2]> = None;
            for kind in engines::of_full_precision() {
                let mut engine = kind.engine(&model, size);
                engine.set_source(&frame.frame()).unwrap();
                engine.seed(1).unwrap();
                assert!(engine.step(3).unwrap());
                let mut packed = frame.pixels.clone();
                let packing = Packing::new(3, [2, 1, 0]).unwrap();
                let mut view =
                    FrameMut::packed(&mut packed, width * 3, frame.size, packing).unwrap();
                engine.render(&mut view, strength).unwrap();
                let mut planar = frame.pixels.clone();
                let (red, rest) = planar.split_at_mut(width * height);
                let (green, blue) = rest.split_at_mut(width * height);
                let planes = [red, green, blue];
                let mut view = FrameMut::planar(planes, [width; 3], frame.size).unwrap();
                engine.render(&mut view, strength).unwrap();

                let shown = [packed, planar];
                let expected = expected.get_or_insert_with(|| shown.clone());
                for (shown, expected) in shown.iter().zip(&*expected) {
                    let off = shown
                        .iter()
                        .zip(expected)
                        .map(|(a, b)| a.abs_diff(*b))
                        .max();
                    let run = format!("{}, {width}x{height}, {strength}", kind.name);
                    assert!(off <= Some(1), "{run}: off by {off:?}");
                }
            }
        }
    }
}

/// Asked for a device that is not there, a backend says which there are.
#[test]
fn devices_that_are_not_there_are_errors() {
    let create = |backend| {
        let mut selection = Selection::from(backend);
        selection.device = Some("abacus".into());
        let model = Model::bundled_default();
        engine::create(&model, Size::new(4, 4), &selection)
            .err()
            .unwrap()
    };
    for &backend in Backend::ALL {
        let error = create(backend);
        let may_be_absent = match backend {
            // Without a driver it does not come to that.
            Backend::Cuda => true,
            Backend::Wgpu => cfg!(not(feature = "wgpu")),
            _ => false,
        };
        if may_be_absent && matches!(error, EngineError::Absent { .. }) {
            eprintln!("skipped: {error}");
            continue;
        }
        assert!(matches!(error, EngineError::NoDevice { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(backend.name()) && text.contains("abacus"),
            "{text}"
        );
    }
    let text = create(Backend::Auto).to_string();
    assert!(text.contains("cpu: it has none"), "{text}");
}

/// The choice is left to us, and what imitates a graphics processor is not taken for one.
#[test]
fn something_is_always_taken() {
    let model = Arc::new(Model::bundled_default());
    let engine = engine::create(&model, Size::new(4, 4), &Selection::default()).unwrap();
    assert_ne!(engine.backend(), Backend::Auto);
    let device = engine.device();
    assert!(!device.contains("llvmpipe"), "{device}");
}

/// No graphics processor can bind as much as this.
#[test]
fn too_large_for_a_graphics_processor_is_an_error() {
    let selection = Selection::from(Backend::Wgpu);
    let size = Size::new(MAX_LENGTH, MAX_LENGTH);
    let model = Arc::new(model(Architecture::published(), 1));
    match engine::create(&model, size, &selection).err().unwrap() {
        error @ EngineError::Absent { .. } => eprintln!("skipped: {error}"),
        error => assert!(
            matches!(error, EngineError::UnsupportedSize { .. }),
            "{error}"
        ),
    }
}

fn process(stylizer: &mut Stylizer, picture: &Picture) -> (Picture, Outcome) {
    let mut out = picture.clone();
    let size = out.size;
    let mut frame = FrameMut::packed(&mut out.pixels, size.width * 3, size, Packing::RGB).unwrap();
    let outcome = stylizer.process(&mut frame).unwrap();
    (out, outcome)
}

fn sketch() -> StylizerBuilder {
    Stylizer::builder(Model::bundled_default())
}

#[test]
fn the_state_lives_from_frame_to_frame() {
    let size = Size::new(48, 32);
    let frames = [1, 2, 3].map(|seed| Picture::synthetic(size, seed));
    let mut first = sketch().build().unwrap();
    let run = |s: &mut Stylizer| frames.each_ref().map(|frame| process(s, frame));
    let shown = run(&mut first);
    assert_eq!(
        shown.each_ref().map(|(_, outcome)| *outcome),
        [Outcome::Started, Outcome::Continued, Outcome::Continued]
    );
    assert_ne!(shown[0].0, frames[0]);
    // Again the same, after a reset or with another stylizer.
    first.reset();
    assert_eq!(run(&mut first), shown);
    assert_eq!(run(&mut sketch().build().unwrap()), shown);
    // Another seed is another picture; another size starts anew.
    let mut other = sketch().seed(1).build().unwrap();
    assert_ne!(process(&mut other, &frames[0]).0, shown[0].0);
    assert_eq!(
        process(&mut other, &Picture::synthetic(Size::new(31, 17), 1)).1,
        Outcome::Started
    );
}

/// Every hidden channel of every seed is noise of its own, the same in every engine to the bit.
#[test]
fn seeds_give_the_same_noise_everywhere() {
    let model = model(Architecture::published(), 3);
    let size = Size::new(37, 23);
    let hidden = model.architecture().frozen() + 3..model.architecture().channels;
    let mut cpu = CpuEngine::new(&model, size, &Selection::default()).unwrap();
    let mut fields = std::collections::HashSet::new();
    let mut kinds = engines::of_full_precision();
    kinds.extend(engines::of_half_precision());
    let mut engines: Vec<(String, Box<dyn Engine>)> = kinds
        .iter()
        .map(|kind| (kind.name.clone(), kind.engine(&model, size)))
        .collect();
    let seeds = (0..64).chain([1 << 32, 1 << 40 | 3, u64::MAX]);
    for seed in seeds.clone() {
        cpu.seed(seed).unwrap();
        let expected = cpu.state().unwrap();
        for (name, engine) in &mut engines {
            engine.seed(seed).unwrap();
            let state = engine.state().unwrap();
            for channel in hidden.clone() {
                assert!(
                    state.channel(channel) == expected.channel(channel),
                    "{name}, seed {seed}, channel {channel}"
                );
            }
        }
        for channel in hidden.clone() {
            let values = expected.channel(channel).iter();
            fields.insert(values.map(|value| value.to_bits()).collect::<Vec<u32>>());
        }
    }
    assert_eq!(fields.len(), seeds.count() * hidden.len());
}

/// Steps end when nobody waits for them any more, on the processor in the middle of one; what has
/// been done is whole steps.
#[test]
fn steps_that_are_cancelled_end() {
    let model = Model::bundled_default();
    let size = Size::new(24, 16);
    let picture = Picture::synthetic(size, 4);
    for kind in engines::of_full_precision() {
        let start = || {
            let mut engine = kind.engine(&model, size);
            engine.set_source(&picture.frame()).unwrap();
            engine.seed(1).unwrap();
            engine
        };
        let (mut engine, mut whole) = (start(), start());
        // It is asked for every row, every step, or every graph of steps.
        let (asked, steps) = match kind.backend {
            Backend::Cpu => (5 * size.height as u32 + 9, 5),
            Backend::Cuda => (5, 5 * 64),
            _ => (5, 5),
        };
        let cancel = cancel_after(asked);
        engine.set_cancel(cancel.clone());
        let ended = engine.step(1024);
        assert!(
            matches!(ended, Err(EngineError::Cancelled)),
            "{}",
            kind.name
        );
        assert!(whole.step(steps).unwrap());
        assert!(
            engine.state().unwrap() == whole.state().unwrap(),
            "{}",
            kind.name
        );
        assert!(matches!(engine.step(1), Err(EngineError::Cancelled)));
        cancel.clear();
        assert!(engine.step(2).unwrap() && whole.step(2).unwrap());
        assert!(engine.state().unwrap() == whole.state().unwrap());
    }
}

/// The same where the state grows.
#[test]
fn growth_that_is_cancelled_ends() {
    let model = Model::bundled_default();
    let size = Size::new(96, 64);
    let mut estimator = Estimator::new(size, Quality::Balanced);
    estimator.estimate(&Picture::synthetic(size, 4).frame());
    let next = Picture::synthetic(size, 5);
    let flow = estimator.estimate(&next.frame()).unwrap();
    assert!(!flow.is_still() && flow.mean(engine::trust) < 1.0);
    let growth = Growth {
        seed: 1,
        steps: 1024,
    };
    for kind in engines::of_full_precision() {
        let mut engine = kind.engine(&model, size);
        engine.set_source(&next.frame()).unwrap();
        engine.seed(1).unwrap();
        let cancel = cancel_after(3 * size.height as u32);
        engine.set_cancel(cancel.clone());
        let ended = engine.carry(flow, growth);
        assert!(
            matches!(ended, Err(EngineError::Cancelled)),
            "{}",
            kind.name
        );
        cancel.clear();
        engine.seed(1).unwrap();
        assert!(engine.step(1).unwrap());
    }
}

#[test]
fn a_cancelled_frame_is_as_it_came_and_the_next_one_starts_anew() {
    let size = Size::new(48, 32);
    let [first, second] = [1, 2].map(|seed| Picture::synthetic(size, seed));
    let cancel = Cancel::default();
    let mut stylizer = sketch().cancel(cancel.clone()).build().unwrap();
    let (shown, _) = process(&mut stylizer, &first);
    cancel.cancel();
    let mut out = second.clone();
    let mut frame = FrameMut::packed(&mut out.pixels, size.width * 3, size, Packing::RGB).unwrap();
    let ended = stylizer.process(&mut frame);
    assert!(matches!(ended, Err(EngineError::Cancelled)));
    assert_eq!(out, second);
    cancel.clear();
    assert_eq!(process(&mut stylizer, &first), (shown, Outcome::Started));
}

#[test]
fn strength_mixes() {
    let picture = Picture::synthetic(Size::new(33, 21), 4);
    let at = |strength| {
        let mut stylizer = sketch().strength(strength).build().unwrap();
        process(&mut stylizer, &picture).0
    };
    let (none, half, whole) = (at(0.0), at(0.5), at(1.0));
    assert_eq!(none, picture);
    for ((a, b), c) in picture.pixels.iter().zip(&whole.pixels).zip(&half.pixels) {
        let mean = (f32::from(*a) + f32::from(*b)) / 2.0;
        assert!((f32::from(*c) - mean).abs() <= 1.0);
    }
}

#[test]
fn interval_repeats_the_last_picture() {
    let still = Picture::synthetic(Size::new(32, 24), 4);
    let mut every_third = sketch().interval(3).build().unwrap();
    let shown: Vec<Picture> = (0..7)
        .map(|_| process(&mut every_third, &still).0)
        .collect();
    for (i, pair) in shown.windows(2).enumerate() {
        assert_eq!(pair[0] == pair[1], (i + 1) % 3 != 0, "frame {}", i + 1);
    }
}

#[test]
fn no_steps_show_the_state_unchanged() {
    let picture = Picture::synthetic(Size::new(40, 30), 2);
    let mut none = sketch().steps(0).warmup(0).build().unwrap();
    assert_eq!(process(&mut none, &picture).0, picture);
    // The state is still the first frame's.
    assert_eq!(
        process(&mut none, &Picture::synthetic(picture.size, 3)).0,
        picture
    );
}

#[test]
fn smaller_automata_fill_the_frame() {
    let picture = Picture::synthetic(Size::new(64, 50), 2);
    let half = sketch().scale(0.5).steps(0).warmup(0);
    let mut half = half.build().unwrap();
    let (shown, _) = process(&mut half, &picture);
    assert_eq!(half.engine().unwrap().size(), Size::new(32, 25));
    let off: u32 = shown
        .pixels
        .iter()
        .zip(&picture.pixels)
        .map(|(a, b)| u32::from(a.abs_diff(*b)))
        .sum();
    // Fine noise is lost, everything else is where it was.
    assert!(
        off / (shown.pixels.len() as u32) < 25,
        "off by {}",
        off / shown.pixels.len() as u32
    );
}

#[test]
fn a_model_that_runs_away_shows_the_frame() {
    let tame = model(Architecture::published(), 1);
    let wild = with_last_layer(&tame, |weights, _| weights.fill(1e30));
    let picture = Picture::synthetic(Size::new(20, 20), 2);
    let mut stylizer = Stylizer::builder(wild).build().unwrap();
    assert_eq!(
        process(&mut stylizer, &picture),
        (picture.clone(), Outcome::GaveUp)
    );
}

#[test]
fn cuts_start_anew_and_motion_does_not() {
    let size = Size::new(160, 90);
    // Dark waves and bright blocks, each panned.
    let scene = |shot: usize, pan: usize| {
        let wide = Size::new(size.width + 64, size.height);
        let mut whole = Picture::synthetic(wide, 1);
        for (i, sample) in whole.pixels.iter_mut().enumerate() {
            let (x, y) = (i / 3 % wide.width, i / 3 / wide.width);
            let block = 31 * (x / 12) + 17 * (y / 12) + i % 3;
            *sample = match shot {
                1 => *sample / 2,
                _ => 100 + (block * block * 7 % 150) as u8,
            };
        }
        let rows = whole.pixels.chunks_exact(wide.width * 3);
        let pixels = rows.flat_map(|row| &row[pan * 3..(pan + size.width) * 3]);
        Picture {
            size,
            pixels: pixels.copied().collect(),
        }
    };
    let stylizer = sketch().cut_threshold(DEFAULT_CUT_THRESHOLD);
    let mut stylizer = stylizer.warmup(1).steps(1).build().unwrap();
    for shot in [1, 2, 1] {
        for pan in (0..64).step_by(8) {
            let (_, outcome) = process(&mut stylizer, &scene(shot, pan));
            let expected = if pan == 0 {
                Outcome::Started
            } else {
                Outcome::Continued
            };
            assert_eq!(outcome, expected, "shot {shot}, panned by {pan}");
        }
    }
}

/// The bundled models stay what they are on anything, for as long as they run.
#[test]
fn the_bundled_models_are_stable() {
    let size = Size::new(96, 64);
    let mut noise = Picture::synthetic(size, 9);
    for (i, pixel) in noise.pixels.iter_mut().enumerate() {
        *pixel = ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8;
    }
    let flat = |value| Picture {
        size,
        pixels: vec![value; size.pixels() * 3],
    };
    let pictures = [
        Picture::synthetic(size, 3),
        noise,
        flat(0),
        flat(128),
        flat(255),
    ];
    for name in Model::bundled_names() {
        let model = Model::bundled(name).unwrap();
        for (i, picture) in pictures.iter().enumerate() {
            let mut engine = CpuEngine::with_isa(&model, size, 0, Isa::detect()).unwrap();
            engine.set_source(&picture.frame()).unwrap();
            engine.seed(1).unwrap();
            assert!(engine.step(3000).unwrap());
            let state = engine.state().unwrap();
            let most = state
                .values()
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            assert!(
                most < 4.0,
                "{name}, picture {i}: a value has grown to {most}"
            );
        }
    }
}
