//! Cells and painters in tch, against what PyTorch computed, and their gradients.

use nca::engine::Engine;
use nca::engine::Growth;
use nca::frame::{FrameMut, Packing};
use nca::internals::{CpuEngine, Isa};
use nca::model::{Architecture, Card, FilterScale, Model, Painter, Playback, Source};
use nca::motion::Flow;
use nca::{Size, State};
use nca_train::data::motion::Shot;
use nca_train::rule::automaton::{Automaton, Canvas, Initialisation, unfrozen};
use nca_train::rule::rollout::{Change, Growth as Grown, Rollout, Segment};
use nca_train::rule::warp::Warp;
use nca_train::training::optimizer::Adam;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use crate::common::{Golden, Picture, workspace};
use crate::slopes::assert_are_slopes;

/// Model and case of each golden file.
fn goldens() -> Vec<(String, std::path::PathBuf)> {
    let folder = workspace().join("tests/golden/painter");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".golden.safetensors"))
        .collect();
    files.sort();
    let named = files.into_iter().map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (name.split('.').next().unwrap().to_owned(), path)
    });
    named.collect()
}

fn load(name: &str) -> Model {
    let folder = workspace().join("tests/golden/painter");
    Model::load(&folder.join(format!("{name}.safetensors"))).unwrap()
}

fn state(golden: &Golden, key: &str) -> Tensor {
    tensor_of(&golden.state(key))
}

/// 1 x 3 x H x W in [0, 1].
fn picture(golden: &Golden, key: &str) -> Tensor {
    pixels(&golden.picture(key))
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn cells_and_pictures_agree_with_the_goldens() {
    let goldens = goldens();
    assert!(goldens.len() >= 12);
    for (name, path) in goldens {
        let golden = Golden::read(&path);
        let model = load(&name);
        let automaton = Automaton::of(&model, Device::Cpu);
        let rule = automaton.rule();
        let stroke = golden.values("stroke")[0];
        let pan = golden.values("pan");
        let _guard = tch::no_grad_guard();
        let what = path.file_name().unwrap().to_str().unwrap();
        let same = |what: &str, found: &Tensor, expected: &Tensor, most: f64| {
            assert_eq!(found.size(), expected.size(), "{what}");
            let off = distance(found, expected);
            assert!(off <= most, "{what}: off by {off:e}");
        };
        let frozen = model.architecture().frozen() as i64;
        let frames = ["frame0", "frame1", "frame2"].map(|key| picture(&golden, key));

        let mut at = state(&golden, "state0");
        let source = automaton.source(&frames[0], stroke);
        same(what, &source, &at.narrow(1, 0, frozen), 1e-5);
        // Half a value of eight bits, and rounding.
        let shown = 0.51 / 255.0 + 1e-3;
        let look = |key: &str, frame: &Tensor, state: &Tensor| {
            let canvas = Canvas {
                frames: frame.shallow_clone(),
                stroke,
            };
            let found = rule.picture(&unfrozen(&automaton, state), Some(&canvas));
            let what = format!("{what}: {key}");
            same(&what, &found.clamp(0.0, 1.0), &picture(&golden, key), shown);
        };
        look("rgb0", &frames[0], &at);
        at = rule.steps(&at, 1);
        same(what, &at, &state(&golden, "state1"), 1e-4);
        at = rule.steps(&at, 31);
        same(what, &at, &state(&golden, "state32"), 1e-3);
        look("rgb32", &frames[0], &at);

        // The picture came from so many pixels away.
        let [height, width] = [frames[0].size()[2], frames[0].size()[3]].map(|n| n as usize);
        let cells = automaton.cells([height, width], stroke).unwrap();
        let mut flow = Shot::still_grid(width, height);
        for at in flow.chunks_exact_mut(2) {
            at[0] += 2.0 * pan[1] / width as f32;
            at[1] += 2.0 * pan[0] / height as f32;
        }
        let follow = |at: &Tensor, frame: &Tensor| {
            let flow = (flow.clone(), vec![1.0; width * height]);
            let warp = Warp::along(Some(flow), [height, width], Some(&cells));
            let change = Change {
                source: automaton.source(frame, stroke),
                fresh: unfrozen(&automaton, at).zeros_like(),
                grid: warp.grid,
                border: model.architecture().border,
                covered: warp.covered,
                growth: Grown::default(),
            };
            let moved = change.apply(&unfrozen(&automaton, at));
            Tensor::cat(&[&change.source, &moved], 1)
        };
        let moved = follow(&at, &frames[1]);
        same(what, &moved, &state(&golden, "moved"), 1e-3);
        look("rgb-moved", &frames[1], &moved);
        let moved = follow(&rule.steps(&moved, 2), &frames[2]);
        same(what, &moved, &state(&golden, "skipped"), 1e-3);
        look("rgb-skipped", &frames[2], &moved);
    }
}

/// The unfrozen channels are small and the picture is colourful, as after training.
fn drawn(cell: usize, source: Source, painter: Option<Vec<usize>>) -> Automaton {
    let architecture = Architecture {
        channels: 14,
        source,
        hidden: vec![20],
        filter_scale: FilterScale {
            sobel: 0.125,
            laplacian: 0.0625,
        },
        cell,
        painter: painter.map(|hidden| Painter { hidden }),
        blurs: Vec::new(),
        ..Architecture::notebook()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(cell as u64);
    let initialisation = Initialisation::Scaled(0.7);
    Automaton::new(&architecture, initialisation, &mut rng, Device::Cpu)
}

/// What is trained is what is played: the same weights and the same frame in the trainer and in the library.
#[test]
fn the_engine_shows_what_the_trainer_shows() {
    const MOST: f64 = 1e-4;
    let _guard = tch::no_grad_guard();
    let (rgb, edges) = (Source::Rgb, Source::RgbStructureTensor);
    let painters = [
        drawn(1, rgb, None),
        drawn(1, rgb, Some(vec![12])),
        drawn(1, edges, Some(vec![16, 16])),
        drawn(2, edges, Some(vec![13])),
        drawn(2, rgb, Some(vec![32, 32])),
        drawn(4, edges, Some(vec![16, 16])),
        drawn(4, rgb, Some(vec![24])),
    ];
    // Whole numbers of cells, sizes that cells do not divide, and strokes that make them uneven.
    let places = [(48, 32, 1.0), (45, 31, 1.0), (37, 50, 1.37), (45, 31, 0.6)];
    for automaton in painters {
        let model = automaton
            .to_model(Playback::default(), Card::new())
            .unwrap();
        // What is written is what is read.
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.pt", "a.safetensors"] {
            let path = folder.path().join(name);
            model.save(&path).unwrap();
            let read = Model::load(&path).unwrap();
            assert_eq!(read.architecture(), model.architecture());
            assert_eq!(read.layers(), model.layers());
            assert_eq!(read.painter(), model.painter());
        }
        let Architecture { cell, painter, .. } = model.architecture();
        for (width, height, stroke) in places {
            let what = format!("{cell}, {painter:?}, {width}x{height}, {stroke}");
            let frame = Picture::synthetic(Size::new(width, height), 5);
            let frames = pixels(&frame);
            tch::manual_seed(3);
            let start = automaton.start(&frames, stroke);
            let engine = CpuEngine::with_isa(&model, frame.size, 1, Isa::detect());
            let mut engine = engine.unwrap();
            engine.set_stroke(stroke).unwrap();
            engine.set_state(&state_of(&start)).unwrap();
            engine.set_source(&frame.frame()).unwrap();
            let off = distance(&start, &tensor_of(&engine.state().unwrap()));
            assert!(off < 1e-6, "{what}: what is seen is off by {off:e}");
            assert!(engine.step(3).unwrap());
            let state = automaton.rule().steps(&start, 3);
            let off = distance(&state, &tensor_of(&engine.state().unwrap()));
            assert!(off < MOST, "{what}: the state is off by {off:e}");

            // Moved by parts of a cell.
            if painter.is_some() {
                let pan = Flow::uniform(frame.size, [0.7, -0.45]);
                engine.carry(&pan, Growth::default()).unwrap();
                let mut flow = Shot::still_grid(width, height);
                for at in flow.chunks_exact_mut(2) {
                    at[0] += 2.0 * 0.7 / width as f32;
                    at[1] -= 2.0 * 0.45 / height as f32;
                }
                let cells = automaton.cells([height, width], stroke).unwrap();
                let flow = Some((flow, vec![1.0; width * height]));
                let warp = Warp::along(flow, [height, width], Some(&cells));
                let change = Change {
                    source: automaton.source(&frames, stroke),
                    fresh: unfrozen(&automaton, &state).zeros_like(),
                    grid: warp.grid,
                    border: model.architecture().border,
                    covered: warp.covered,
                    growth: Grown::default(),
                };
                let moved = change.apply(&unfrozen(&automaton, &state));
                let of_engine = tensor_of(&engine.state().unwrap());
                let off = distance(&moved, &unfrozen(&automaton, &of_engine));
                assert!(off < MOST, "{what}: the moved state is off by {off:e}");
            }
            let of_engine = tensor_of(&engine.state().unwrap());
            let canvas = Canvas {
                frames: frames.shallow_clone(),
                stroke,
            };
            let rule = automaton.rule();
            let picture = rule.picture(&unfrozen(&automaton, &of_engine), Some(&canvas));
            let mut shown = vec![0; frame.pixels.len()];
            let mut view =
                FrameMut::packed(&mut shown, 3 * width, frame.size, Packing::RGB).unwrap();
            assert!(engine.render(&mut view, 1.0).unwrap());
            let shown = Picture {
                size: frame.size,
                pixels: shown,
            };
            // What is shown is rounded to eight bits.
            let off = distance(&picture.clamp(0.0, 1.0), &pixels(&shown)) - 0.5 / 255.0;
            assert!(off < MOST, "{what}: the picture is off by {off:e}");
            assert!(picture.std(true).double_value(&[]) > 0.1, "{what}: grey");
        }
    }
}

/// 1 x 3 x H x W in [0, 1].
fn pixels(picture: &Picture) -> Tensor {
    let shape = [picture.size.height as i64, picture.size.width as i64, 3];
    let pixels = Tensor::from_slice(&picture.pixels).to_kind(Kind::Float) / 255.0;
    pixels.reshape(shape).permute([2, 0, 1]).unsqueeze(0)
}

fn state_of(states: &Tensor) -> State {
    let (_, channels, height, width) = states.size4().unwrap();
    let values = Vec::try_from(states.contiguous().flatten(0, -1)).unwrap();
    let size = Size::new(width as usize, height as usize);
    State::new(channels as usize, size, values).unwrap()
}

/// 1 x C x h x w.
fn tensor_of(state: &State) -> Tensor {
    let shape = [state.channels(), state.size().height, state.size().width].map(|n| n as i64);
    Tensor::from_slice(state.values())
        .reshape(shape)
        .unsqueeze(0)
}

/// A frame, then one whose content has moved, on which no step follows, then one that stays.
fn segments(automaton: &Automaton, frames: &[Tensor; 3]) -> Vec<Segment> {
    let size = frames[0].size()[2] as usize;
    let cells = automaton.cells([size; 2], 1.0).unwrap();
    let [rows, columns] = cells.count().map(|n| n as i64);
    let shot = Shot::pan(0, [100, 100], [2.3, -1.4]);
    let flows = [None, Some(shot.next(size).flow(&shot, size, size)), None];
    let mut segments = Vec::new();
    for (i, (flow, steps)) in flows.into_iter().zip([3, 0, 2]).enumerate() {
        let frame = frames[i].shallow_clone();
        let warp = Warp::along(flow, [size; 2], Some(&cells));
        segments.push(Segment {
            change: (i > 0).then(|| Change {
                source: automaton.source(&frame, 1.0),
                fresh: Tensor::full([1, 1, rows, columns], 0.1, (Kind::Float, Device::Cpu)),
                grid: warp.grid,
                border: automaton.architecture().border,
                covered: warp.covered,
                growth: Grown::default(),
            }),
            steps,
            canvas: Some(Canvas {
                frames: frame,
                stroke: 1.0,
            }),
        });
    }
    segments
}

/// The gradient against differences: a step along it changes the loss by its length.
#[test]
fn gradients_lead_through_painters() {
    const SIZE: usize = 22;
    for name in ["cells-1", "cells-2", "cells-4"] {
        let model = load(name);
        let automaton = Automaton::of(&model, Device::Cpu);
        tch::manual_seed(1);
        let n = SIZE as i64;
        let frames = [(); 3].map(|()| Tensor::rand([1, 3, n, n], (Kind::Float, Device::Cpu)));
        let start = automaton.start(&frames[0], 1.0);
        let loss = |rollout: &Rollout| {
            let pictures = rollout.pictures().iter().enumerate();
            let terms = pictures.map(|(i, picture)| {
                (picture - 0.1 * i as f64).square().sum(Kind::Float) * (1.0 + i as f64)
            });
            terms.sum::<Tensor>() + rollout.end().square().sum(Kind::Float) * 0.5
        };
        let rule = automaton.rule();
        let rollout = Rollout::run(&rule, &start, segments(&automaton, &frames));
        let gradients = rollout.backward(&rule, &loss(&rollout));
        assert_are_slopes(name, &model, &gradients, |automaton| {
            let rule = automaton.rule();
            let rollout = Rollout::run(&rule, &start, segments(automaton, &frames));
            loss(&rollout).double_value(&[])
        });
    }
}

/// Adam along these gradients makes a loss of the pictures smaller, in the rule and in the painter.
#[test]
fn a_loss_falls_through_motion() {
    const SIZE: i64 = 24;
    for cell in [1, 2, 4] {
        let edges = Source::RgbStructureTensor;
        let mut automaton = drawn(cell, edges, Some(vec![16]));
        let mut adam = Adam::new(&automaton);
        tch::manual_seed(2);
        let draw = || Tensor::rand([1, 3, SIZE, SIZE], (Kind::Float, Device::Cpu));
        let frames = [draw(), draw(), draw()];
        let start = automaton.start(&frames[0], 1.0);
        let mut losses = Vec::new();
        for _ in 0..30 {
            let rule = automaton.rule();
            let rollout = Rollout::run(&rule, &start, segments(&automaton, &frames));
            let pictures = rollout.pictures().iter().zip(&frames);
            // Each frame upside down in its colours.
            let terms =
                pictures.map(|(picture, frame)| (picture + frame - 1.0).square().mean(Kind::Float));
            let loss = terms.sum::<Tensor>();
            losses.push(loss.double_value(&[]));
            let gradients = rollout.backward(&rule, &loss);
            let before = automaton.parameters();
            for ((name, _), gradient) in before.iter().zip(&gradients) {
                assert!(gradient.norm().double_value(&[]) > 0.0, "{cell}: {name}");
            }
            adam.update(&mut automaton, &gradients, 0.01);
        }
        println!("{cell}: {losses:?}");
        assert!(losses[29] < 0.5 * losses[0], "{cell}: {losses:?}");
    }
}
