//! Cells and a painter, against what PyTorch computed (tests/oracle/painter.py).

mod common;

use std::path::{Path, PathBuf};

use common::models::{changed, with_last_layer};
use common::{Golden, Picture, distance};
use nca::engine::{self, Backend, Engine, Growth, Selection, trust};
use nca::frame::{FrameMut, Packing};
use nca::internals::{CpuEngine, Isa};
use nca::model::{Architecture, Border, FilterScale, Layer, Model, Painter, Playback};
use nca::motion::{Estimator, Flow, Quality};
use nca::stylizer::{Outcome, Stylizer, StylizerBuilder};
use nca::{Size, State};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/painter")
}

fn model(name: &str) -> Model {
    Model::load(&folder().join(format!("{name}.safetensors"))).unwrap()
}

/// What an engine shows, in place of a frame of one colour.
fn shown(engine: &mut dyn Engine, size: Size) -> Picture {
    let mut pixels = vec![77; 3 * size.pixels()];
    let mut frame = FrameMut::packed(&mut pixels, 3 * size.width, size, Packing::RGB).unwrap();
    assert!(engine.render(&mut frame, 1.0).unwrap());
    Picture { size, pixels }
}

/// Checks a picture: no sample is off by more than one, and hardly any by that.
fn expect_picture(run: &str, picture: &Picture, expected: &Picture) {
    assert_eq!(picture.size, expected.size);
    let pairs = picture.pixels.iter().zip(&expected.pixels);
    let off: Vec<u8> = pairs.map(|(a, b)| a.abs_diff(*b)).collect();
    let most = *off.iter().max().unwrap();
    let count = off.iter().filter(|off| **off > 0).count();
    println!("{run}: {count} of {} samples off by {most}", off.len());
    assert!(most <= 1, "{run}: off by {most}");
    assert!(count * 100 <= off.len(), "{run}: {count} samples are off");
}

/// Runs a golden file on an engine.
fn check(run: &str, engine: &mut dyn Engine, golden: &Golden) {
    let expect = |engine: &mut dyn Engine, state: &str, tolerance: f32| {
        let off = distance(&engine.state().unwrap(), &golden.state(state));
        println!("{run}, {state}: off by {off:e}");
        assert!(off <= tolerance, "{run}, {state}: off by {off:e}");
    };
    let picture = |engine: &mut dyn Engine, name: &str| {
        let expected = golden.picture(name);
        let picture = shown(engine, expected.size);
        expect_picture(&format!("{run}, {name}"), &picture, &expected);
    };
    let frames = ["frame0", "frame1", "frame2"].map(|name| golden.picture(name));
    let size = frames[0].size;
    let [dy, dx] = golden.values("pan")[..] else {
        panic!("a pan is along y and x")
    };
    let flow = Flow::uniform(size, [dx, dy]);
    assert_eq!(engine.size(), size);
    engine.set_stroke(golden.values("stroke")[0]).unwrap();
    engine.set_state(&golden.state("state0")).unwrap();
    engine.set_source(&frames[0].frame()).unwrap();
    expect(engine, "state0", 1e-6);
    picture(engine, "rgb0");
    assert!(engine.step(1).unwrap());
    expect(engine, "state1", 1e-5);
    assert!(engine.step(31).unwrap());
    expect(engine, "state32", 2e-4);
    picture(engine, "rgb32");
    // What the picture shows moves.
    engine.set_source(&frames[1].frame()).unwrap();
    engine.carry(&flow, Growth::default()).unwrap();
    expect(engine, "moved", 2e-4);
    picture(engine, "rgb-moved");
    assert!(engine.step(2).unwrap());
    // It moves on, and no steps are taken.
    engine.set_source(&frames[2].frame()).unwrap();
    engine.carry(&flow, Growth::default()).unwrap();
    expect(engine, "skipped", 2e-4);
    picture(engine, "rgb-skipped");
}

#[test]
fn goldens() {
    let mut checked = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".golden.safetensors") {
            continue;
        }
        let golden = Golden::read(&path);
        let model = model(name.split('.').next().unwrap());
        let size = golden.picture("frame0").size;
        for isa in Isa::available() {
            let mut engine = CpuEngine::with_isa(&model, size, 2, isa).unwrap();
            check(&format!("{name}, {isa}"), &mut engine, &golden);
        }
        checked += 1;
    }
    assert_eq!(checked, 12);
}

/// The same bits with whatever number of threads.
#[test]
fn threads_do_not_matter() {
    let model = model("cells-2");
    let frame = Picture::synthetic(Size::new(67, 41), 3);
    let pictures = [1, 2, 5].map(|threads| {
        let isa = Isa::detect();
        let mut engine = CpuEngine::with_isa(&model, frame.size, threads, isa).unwrap();
        engine.set_stroke(1.7).unwrap();
        engine.set_source(&frame.frame()).unwrap();
        engine.seed(4).unwrap();
        assert!(engine.step(5).unwrap());
        let flow = Flow::uniform(frame.size, [1.3, -0.6]);
        engine.carry(&flow, Growth::default()).unwrap();
        shown(&mut engine, frame.size)
    });
    assert_eq!(pictures[0], pictures[1]);
    assert_eq!(pictures[0], pictures[2]);
}

/// The same bits with all instructions that have fused multiply-add.
#[test]
fn instructions_do_not_matter() {
    let frame = Picture::synthetic(Size::new(67, 41), 3);
    for name in ["cells-1", "cells-2", "cells-4", "cells-8"] {
        let mut expected = None;
        for isa in Isa::available() {
            if !["AVX-512", "AVX2", "NEON"].contains(&isa.to_string().as_str()) {
                continue;
            }
            let mut engine = CpuEngine::with_isa(&model(name), frame.size, 2, isa).unwrap();
            engine.set_source(&frame.frame()).unwrap();
            engine.seed(4).unwrap();
            assert!(engine.step(5).unwrap());
            let flow = Flow::uniform(frame.size, [1.3, -0.6]);
            engine.carry(&flow, Growth::default()).unwrap();
            let picture = shown(&mut engine, frame.size);
            let expected = expected.get_or_insert_with(|| picture.clone());
            assert!(picture == *expected, "{name}, {isa}");
        }
    }
}

/// Half precision is that of the rule; what is painted stays near.
#[test]
fn half_precision() {
    let Some(isa) = Isa::half() else {
        println!("skipped: this processor has no half precision");
        return;
    };
    let golden = Golden::read(&folder().join("cells-4.plain.golden.safetensors"));
    let expected = golden.picture("rgb32");
    let model = model("cells-4");
    let mut engine = CpuEngine::with_isa(&model, expected.size, 2, isa).unwrap();
    engine.set_state(&golden.state("state0")).unwrap();
    engine
        .set_source(&golden.picture("frame0").frame())
        .unwrap();
    assert!(engine.step(32).unwrap());
    let picture = shown(&mut engine, expected.size);
    let pairs = picture.pixels.iter().zip(&expected.pixels);
    let off = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    println!("off by {off}");
    assert!((1..=6).contains(&off), "off by {off}");
}

#[test]
fn the_start_is_what_the_cells_see() {
    let model = model("cells-4");
    let frame = Picture::synthetic(Size::new(50, 38), 3);
    let mut engine = CpuEngine::with_isa(&model, frame.size, 2, Isa::detect()).unwrap();
    engine.set_source(&frame.frame()).unwrap();
    engine.seed(1).unwrap();
    let state = engine.state().unwrap();
    assert_eq!(state.size(), Size::new(13, 10));
    for c in 0..3 {
        assert_eq!(state.channel(c), state.channel(6 + c));
    }
    // The cell at the right edge has two columns of pixels, the last of them three times.
    let cell: f32 = (0..4)
        .flat_map(|y| [48, 49, 49, 49].map(|x| f32::from(frame.pixels[(y * 50 + x) * 3])))
        .sum();
    assert!((state.channel(0)[12] - (cell / 16.0 / 255.0 - 0.5)).abs() < 1e-6);
}

/// Frames of other sizes and memory layouts, and what they are mixed with.
#[test]
fn frames_of_any_kind() {
    let model = model("cells-2");
    let frame = Picture::synthetic(Size::new(40, 30), 3);
    let size = Size::new(20, 15);
    let mut engine = CpuEngine::with_isa(&model, size, 2, Isa::detect()).unwrap();
    engine.set_source(&frame.frame()).unwrap();
    engine.seed(1).unwrap();
    assert!(engine.step(4).unwrap());
    let small = shown(&mut engine, size);
    // Padded rows, blue first, a fourth byte that is nobody's.
    let mut pixels = vec![9; 100 * size.height];
    let packing = Packing::new(4, [2, 1, 0]).unwrap();
    let mut view = FrameMut::packed(&mut pixels, 100, size, packing).unwrap();
    assert!(engine.render(&mut view, 1.0).unwrap());
    for y in 0..size.height {
        for x in 0..size.width {
            let pixel = &pixels[y * 100 + 4 * x..][..4];
            let expected = &small.pixels[(y * size.width + x) * 3..][..3];
            assert_eq!(pixel, [expected[2], expected[1], expected[0], 9]);
        }
    }
    // Enlarged, it is still the same picture.
    let large = shown(&mut engine, frame.size);
    let mean = |picture: &Picture| {
        let sum: f32 = picture.pixels.iter().map(|&sample| f32::from(sample)).sum();
        sum / picture.pixels.len() as f32
    };
    assert!((mean(&large) - mean(&small)).abs() < 2.0);
    // A strength of 0 leaves the frame.
    let mut untouched = frame.clone();
    let mut view = FrameMut::packed(&mut untouched.pixels, 120, frame.size, Packing::RGB).unwrap();
    assert!(engine.render(&mut view, 0.0).unwrap());
    assert_eq!(untouched, frame);
}

/// An automaton that does nothing: its state is what it started from.
fn still() -> Model {
    with_last_layer(&model("cells-4"), |weights, bias| {
        weights.fill(0.0);
        bias.fill(0.0);
    })
}

/// What moves by whole cells keeps every bit of its state, and what does not move is left alone.
#[test]
fn whole_cells_move_as_they_are() {
    let size = Size::new(160, 120);
    let mut engine = CpuEngine::with_isa(&still(), size, 2, Isa::detect()).unwrap();
    let frame = Picture::synthetic(size, 3);
    engine.set_source(&frame.frame()).unwrap();
    engine.seed(5).unwrap();
    let before = engine.state().unwrap();
    engine
        .carry(&Flow::uniform(size, [0.0; 2]), Growth::default())
        .unwrap();
    assert_eq!(engine.state().unwrap(), before);
    // By three cells to the right, and up by two.
    let flow = Flow::uniform(size, [-12.0, 8.0]);
    engine.carry(&flow, Growth::default()).unwrap();
    let after = engine.state().unwrap();
    let cells = before.size();
    for channel in 6..15 {
        let [before, after] = [&before, &after].map(|state| state.channel(channel));
        for y in 0..cells.height - 2 {
            for x in 3..cells.width {
                let was = before[(y + 2) * cells.width + x - 3];
                assert_eq!(
                    after[y * cells.width + x],
                    was,
                    "channel {channel}, {x}, {y}"
                );
            }
        }
    }
}

/// Cells whose motion is not believed start anew where they are, and are shown there.
#[test]
fn what_cannot_be_moved_starts_anew() {
    let size = Size::new(96, 64);
    let [before, after] = [1, 7919].map(|seed| Picture::synthetic(size, seed));
    let mut estimator = Estimator::new(size, Quality::Balanced);
    assert!(estimator.estimate(&before.frame()).is_none());
    let flow = estimator.estimate(&after.frame()).unwrap();
    let engine = |seed| {
        let mut engine = CpuEngine::with_isa(&still(), size, 2, Isa::detect()).unwrap();
        engine.set_source(&after.frame()).unwrap();
        engine.seed(seed).unwrap();
        engine
    };
    let (mut moved, mut anew) = (engine(1), engine(9));
    let pan = Flow::uniform(size, [1.0, 1.0]);
    moved.carry(&pan, Growth::default()).unwrap();
    moved.carry(flow, Growth { seed: 9, steps: 0 }).unwrap();
    let [state, expected] = [&mut moved, &mut anew].map(|engine| engine.state().unwrap());
    let [mut dx, mut dy, mut confidence] = [(); 3].map(|()| vec![0.0; size.width]);
    let mut count = 0;
    for y in 0..16 {
        flow.write_row(y, state.size(), &mut dx, &mut dy, &mut confidence);
        for x in (0..24).filter(|x| trust(confidence[*x]) == 0.0) {
            count += 1;
            for channel in 6..15 {
                let at = y * 24 + x;
                assert_eq!(state.channel(channel)[at], expected.channel(channel)[at]);
            }
        }
    }
    assert!(count > 100, "only {count} cells started anew");
}

/// The trial of cells of 4x4 in models/unfinished, whose rule is much larger than that of the goldens.
fn trial() -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("models/unfinished/wave-cells-4-live.safetensors");
    let trial = Golden::read(&path);
    let layer = |name: &str, outputs| {
        let weights = trial.values(&format!("{name}.weight"));
        let bias = trial.values(&format!("{name}.bias"));
        Layer::new(outputs, weights.len() / outputs, weights, Some(bias)).unwrap()
    };
    let architecture = Architecture {
        channels: 22,
        hidden: vec![64],
        border: Border::Replicate,
        filter_scale: FilterScale {
            sobel: 0.125,
            laplacian: 0.0625,
        },
        painter: Some(Painter {
            hidden: vec![24, 24],
        }),
        ..model("cells-4").architecture().clone()
    };
    let rule = vec![layer("rule0", 64), layer("rule1", 16)];
    let painter = vec![
        layer("painter0", 24),
        layer("painter1", 24),
        layer("painter2", 3),
    ];
    Model::new(architecture, rule, painter, Playback::default()).unwrap()
}

/// What grows beside what is held does not go out of bounds, frame after frame.
#[test]
fn what_grows_stays_in_bounds() {
    let size = Size::new(256, 160);
    let frame = |i: usize| {
        // A pan, before which something else is seen in every frame.
        let mut picture = window(size, 2 * i);
        let other = Picture::synthetic(size, 7919 * i as u32);
        for y in 40..110 {
            let row = 3 * (y * size.width + 90)..3 * (y * size.width + 170);
            picture.pixels[row.clone()].copy_from_slice(&other.pixels[row]);
        }
        picture
    };
    let mut engine = CpuEngine::with_isa(&trial(), size, 2, Isa::detect()).unwrap();
    let mut estimator = Estimator::new(size, Quality::Balanced);
    engine.set_source(&frame(0).frame()).unwrap();
    engine.seed(1).unwrap();
    assert!(engine.step(48).unwrap());
    estimator.estimate(&frame(0).frame());
    for i in 1..16 {
        let frame = frame(i);
        let flow = estimator.estimate(&frame.frame()).unwrap();
        engine.set_source(&frame.frame()).unwrap();
        let growth = Growth {
            seed: i as u64,
            steps: 48,
        };
        engine.carry(flow, growth).unwrap();
        assert!(engine.step(2).unwrap());
        let state = engine.state().unwrap();
        let values = state.values().iter();
        let most = values.fold(0.0_f32, |most, value| most.max(value.abs()));
        println!("frame {i}: up to {most}");
        assert!(most < 3.0, "{most} in frame {i}");
    }
}

fn stylizer(model: Model) -> StylizerBuilder {
    Stylizer::builder(model).threads(2)
}

fn process(stylizer: &mut Stylizer, picture: &mut Picture) -> Outcome {
    let stride = 3 * picture.size.width;
    let size = picture.size;
    let mut frame = FrameMut::packed(&mut picture.pixels, stride, size, Packing::RGB).unwrap();
    stylizer.process(&mut frame).unwrap()
}

/// A picture seen through a window that moves.
fn window(size: Size, at: usize) -> Picture {
    let wide = Picture::synthetic(Size::new(size.width + 100, size.height), 2);
    let rows = wide.pixels.chunks_exact(3 * wide.size.width);
    let pixels = rows.flat_map(|row| row[3 * at..][..3 * size.width].to_vec());
    Picture {
        size,
        pixels: pixels.collect(),
    }
}

/// What comes into a picture that pans is as steady as what was there before.
#[test]
fn what_enters_a_pan_is_steady() {
    const PAN: usize = 3;
    let size = Size::new(160, 96);
    let stylizer = stylizer(trial()).motion(Quality::Balanced);
    let mut stylizer = stylizer.build().unwrap();
    let mut before: Option<Picture> = None;
    let (mut sum, mut count) = (0.0, 0.0);
    for frame in 0..30 {
        let mut picture = window(size, PAN * frame);
        process(&mut stylizer, &mut picture);
        if let Some(before) = before.filter(|_| frame > 20) {
            // All of it has come in since the first frame.
            for y in 16..size.height - 16 {
                for x in size.width - 64..size.width - 16 {
                    for c in 0..3 {
                        let at = |picture: &Picture, x: usize| {
                            f64::from(picture.pixels[(y * size.width + x) * 3 + c])
                        };
                        sum += (at(&picture, x) - at(&before, x + PAN)).powi(2);
                        count += 1.0;
                    }
                }
            }
        }
        before = Some(picture);
    }
    let apart = f64::sqrt(sum / count);
    println!("{apart} of 255 from frame to frame");
    assert!(apart < 9.0, "{apart} of 255 from frame to frame");
}

/// A frame between those that take steps is painted anew: it shows the new frame, with the state where
/// the motion put it.
#[test]
fn skipped_frames_are_painted() {
    let size = Size::new(96, 64);
    for motion in [None, Some(Quality::Balanced)] {
        let run = |interval, steps| {
            let stylizer = stylizer(model("cells-4")).interval(interval);
            let mut stylizer = stylizer.steps(steps).motion(motion).build().unwrap();
            let mut pictures = Vec::new();
            for frame in 0..4 {
                let mut picture = window(size, 3 * frame);
                process(&mut stylizer, &mut picture);
                pictures.push(picture);
            }
            pictures
        };
        let skipping = run(2, 4);
        let always = run(1, 4);
        assert_eq!(skipping[0], always[0]);
        assert_ne!(skipping[1], always[1], "it took no steps");
        assert_ne!(skipping[1], skipping[0], "it was painted");
    }
    // Without motion it is the state of the frame before, painted on the new one.
    let (first, second) = (window(size, 0), window(size, 3));
    let model = model("cells-4");
    let mut engine = CpuEngine::with_isa(&model, size, 2, Isa::detect()).unwrap();
    engine.set_source(&first.frame()).unwrap();
    engine.seed(0).unwrap();
    engine.step(model.playback().warmup).unwrap();
    engine.set_source(&second.frame()).unwrap();
    let mut expected = second.clone();
    let mut view = FrameMut::packed(&mut expected.pixels, 288, size, Packing::RGB).unwrap();
    engine.render(&mut view, 0.7).unwrap();
    let stylizer = stylizer(model).interval(2).strength(0.7).motion(None);
    let mut stylizer = stylizer.build().unwrap();
    process(&mut stylizer, &mut first.clone());
    let mut picture = second.clone();
    process(&mut stylizer, &mut picture);
    assert_eq!(picture, expected);
}

/// The size of the strokes may change at any time; the state lives on.
#[test]
fn strokes_change_while_it_runs() {
    let size = Size::new(96, 64);
    let frame = Picture::synthetic(size, 3);
    let mut engine = CpuEngine::with_isa(&still(), size, 2, Isa::detect()).unwrap();
    engine.set_source(&frame.frame()).unwrap();
    engine.seed(5).unwrap();
    let started = engine.state().unwrap();
    assert_eq!(started.size(), Size::new(24, 16));
    let before = shown(&mut engine, size);
    for (stroke, cells) in [
        (0.5, Size::new(48, 32)),
        (4.0, Size::new(6, 4)),
        (1.0, Size::new(24, 16)),
    ] {
        engine.set_stroke(stroke).unwrap();
        assert_eq!(engine.state().unwrap().size(), cells);
        assert!(engine.step(2).unwrap());
        shown(&mut engine, size);
    }
    for stroke in [100.0, 0.0, f32::NAN] {
        let error = engine.set_stroke(stroke).unwrap_err().to_string();
        let said = format!("stroke is {stroke}; a number from 0.5 to 4 is needed");
        assert_eq!(error, said);
    }
    // Twice as many cells along each side hold what there was.
    engine.set_state(&started).unwrap();
    engine.set_stroke(0.5).unwrap();
    let after = shown(&mut engine, size);
    let pairs = before.pixels.iter().zip(&after.pixels);
    let mean =
        pairs.map(|(a, b)| f32::from(a.abs_diff(*b))).sum::<f32>() / before.pixels.len() as f32;
    assert!(mean < 12.0, "the picture changed by {mean}");

    let mut stylizer = stylizer(model("cells-4")).build().unwrap();
    let run = |stylizer: &mut Stylizer| process(stylizer, &mut frame.clone());
    assert_eq!(run(&mut stylizer), Outcome::Started);
    let mut options = stylizer.options().clone();
    options.stroke = 2.0;
    stylizer.set_options(options).unwrap();
    assert_eq!(run(&mut stylizer), Outcome::Continued);
}

/// What the painter makes may go out of bounds though the state does not: that is divergence.
#[test]
fn a_picture_that_is_not_finite_is_not_shown() {
    let size = Size::new(20, 12);
    let model = model("cells-4");
    let wild = |layer| {
        changed(layer, |weights, _| {
            weights.iter_mut().for_each(|weight| *weight *= 1e30);
        })
    };
    let painter = model.painter().iter().map(wild).collect();
    let layers = model.layers().to_vec();
    let architecture = model.architecture().clone();
    let model = Model::new(architecture, layers, painter, model.playback()).unwrap();
    let frame = Picture::synthetic(size, 3);
    let mut picture = frame.clone();
    let mut stylizer = stylizer(model).build().unwrap();
    assert_eq!(process(&mut stylizer, &mut picture), Outcome::GaveUp);
    assert_eq!(picture, frame);
}

/// Graphics processors refuse a painter, and say who does not; what takes any engine takes the processor.
#[test]
fn other_engines_refuse_a_painter() {
    let model = model("cells-2");
    let size = Size::new(8, 8);
    for backend in [Backend::Cuda, Backend::Wgpu] {
        let error = engine::create(&model, size, &backend.into()).err().unwrap();
        let (said, name) = (error.to_string(), backend.name());
        let expected =
            format!("backend {name} does not run models with a painter; backend cpu does");
        let left_out =
            format!("backend {name} cannot run here: it was left out when this was built");
        assert!(said == expected || said == left_out, "{said}");
    }
    let engine = engine::create(&model, size, &Selection::default()).unwrap();
    assert_eq!(engine.backend(), Backend::Cpu);
}

/// No size and no stroke is out of bounds.
#[test]
fn any_size_and_stroke() {
    for name in ["cells-1", "cells-2", "cells-4", "cells-8"] {
        let model = model(name);
        for (width, height) in [(1, 1), (1, 40), (40, 1), (2, 3), (7, 9), (16, 17), (33, 5)] {
            let size = Size::new(width, height);
            let frame = Picture::synthetic(size, 3);
            let mut engine = CpuEngine::with_isa(&model, size, 2, Isa::detect()).unwrap();
            for stroke in [0.5, 0.73, 1.0, 1.5, 3.3, 4.0] {
                engine.set_stroke(stroke).unwrap();
                engine.set_source(&frame.frame()).unwrap();
                engine.seed(1).unwrap();
                for motion in [[0.4, -0.4], [-900.0, 900.0], [3.0, 0.0]] {
                    let flow = Flow::uniform(size, motion);
                    let growth = Growth { seed: 1, steps: 1 };
                    engine.carry(&flow, growth).unwrap();
                    assert!(engine.step(2).unwrap());
                    shown(&mut engine, size);
                }
            }
        }
    }
}

/// A state of pixels is not one of cells.
#[test]
fn states_have_the_size_of_the_cells() {
    let model = model("cells-4");
    let size = Size::new(16, 16);
    let mut engine = CpuEngine::with_isa(&model, size, 2, Isa::detect()).unwrap();
    let error = engine.set_state(&State::zeros(15, size)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the state is 15 x 16 x 16; this model at this size needs 15 x 4 x 4"
    );
}
