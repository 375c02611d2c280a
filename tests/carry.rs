//! The state moves with the picture.

mod common;

use std::sync::Arc;

use common::Picture;
use nca::consistency::{Carry, KnownMotion, Run, Still};
use nca::engine::cpu::{CpuEngine, Isa};
use nca::engine::{Engine, Growth, Selection, trust};
use nca::frame::{FrameMut, Packing};
use nca::model::Model;
use nca::motion::{Estimator, Quality};
use nca::stylizer::{Options, Stylizer};
use nca::{Size, State};

/// A smooth texture without repetitions, seen through a window at `at`.
fn window(size: Size, at: [usize; 2]) -> Picture {
    let mut picture = Picture::synthetic(size, 1);
    for y in 0..size.height {
        for x in 0..size.width {
            let (u, v) = ((x + at[0]) as f32, (y + at[1]) as f32);
            for c in 0..3 {
                let k = 1.0 + 0.3 * c as f32;
                let wave = (u * 0.31 * k).sin() * (v * 0.23).cos()
                    + (u * 0.071 + v * 0.11 * k).sin()
                    + (u * 0.17 - v * 0.19).cos();
                picture.pixels[(y * size.width + x) * 3 + c] = (128.0 + 40.0 * wave) as u8;
            }
        }
    }
    picture
}

/// A state that has been moved by a pan of (4, 2) pixels, with so much growth.
struct Panned {
    before: State,
    after: State,
    engine: CpuEngine,
    /// Of the motion.
    confidence: Vec<f32>,
}

fn panned(isa: Isa, threads: usize, steps: u32) -> Panned {
    let size = Size::new(128, 96);
    let [before, after] = [[40, 40], [44, 42]].map(|at| window(size, at));
    let mut estimator = Estimator::new(size, Quality::Balanced);
    assert!(estimator.estimate(&before.frame()).is_none());
    let model = Model::bundled_default();
    let mut engine = CpuEngine::with_isa(&model, size, threads, isa).unwrap();
    engine.set_source(&before.frame()).unwrap();
    engine.seed(1).unwrap();
    assert!(engine.step(8).unwrap());
    let before = engine.state().unwrap();
    engine.set_source(&after.frame()).unwrap();
    let flow = estimator.estimate(&after.frame()).unwrap();
    assert!(!flow.is_still());
    engine.carry(flow, Growth { seed: 9, steps }).unwrap();
    let [mut dx, mut dy] = [vec![0.0; size.width], vec![0.0; size.width]];
    let mut confidence = vec![0.0; size.pixels()];
    for (y, row) in confidence.chunks_exact_mut(size.width).enumerate() {
        flow.write_row(y, size, &mut dx, &mut dy, row);
    }
    Panned {
        before,
        after: engine.state().unwrap(),
        engine,
        confidence,
    }
}

#[test]
fn a_pan_moves_every_channel_by_as_much() {
    let Panned {
        before: old,
        after: new,
        ..
    } = panned(Isa::detect(), 2, 0);
    let Size { width, height } = old.size;
    for channel in 3..old.channels {
        let (mut moved, mut stayed, mut count) = (0.0, 0.0, 0.0);
        for y in 16..height - 16 {
            for x in 16..width - 16 {
                let at = |state: &State, x: usize, y: usize| state.channel(channel)[y * width + x];
                let value = at(&new, x, y);
                moved += (value - at(&old, x + 4, y + 2)).powi(2);
                stayed += (value - at(&old, x, y)).powi(2);
                count += 1.0;
            }
        }
        let (moved, stayed): (f32, f32) = ((moved / count).sqrt(), (stayed / count).sqrt());
        assert!(
            moved < 0.25 * stayed,
            "channel {channel}: off by {moved} from where it was to go, by {stayed} from before"
        );
    }
}

#[test]
fn instructions_and_threads_change_nothing() {
    let fma: Vec<Isa> = Isa::available();
    // The steps before differ by rounding where there is no fused multiply-add.
    let expected = panned(fma[0], 1, 3).after;
    for isa in Isa::available() {
        for threads in [1, 3] {
            let state = panned(isa, threads, 3).after;
            let off = common::distance(&state, &expected);
            assert!(off < 1e-4, "{isa}, {threads} threads: off by {off}");
        }
    }
}

#[test]
fn what_enters_the_picture_starts_anew() {
    let Panned {
        after, mut engine, ..
    } = panned(Isa::detect(), 2, 0);
    engine.seed(9).unwrap();
    let anew = engine.state().unwrap();
    let Size { width, height } = after.size;
    // The last columns were beyond the edge.
    for channel in 3..after.channels {
        for y in 30..height - 30 {
            let at = y * width + width - 1;
            assert_eq!(
                after.channel(channel)[at],
                anew.channel(channel)[at],
                "{channel}, {y}"
            );
        }
    }
}

/// Where something is new the state takes steps more, and nowhere else.
#[test]
fn what_enters_the_picture_grows() {
    const GROWTH: u32 = 3;
    let Panned {
        after: mut expected,
        mut engine,
        confidence,
        ..
    } = panned(Isa::detect(), 2, 0);
    for _ in 0..GROWTH {
        engine.set_state(&expected).unwrap();
        engine.step(1).unwrap();
        let stepped = engine.state().unwrap();
        for channel in 0..expected.channels {
            let values = expected.channel_mut(channel).iter_mut();
            let stepped = stepped.channel(channel).iter().zip(&confidence);
            for (value, (stepped, &confidence)) in values.zip(stepped) {
                *value += (1.0 - trust(confidence)) * (stepped - *value);
            }
        }
    }
    let grown = panned(Isa::detect(), 2, GROWTH).after;
    let off = common::distance(&grown, &expected);
    assert!(off < 1e-5, "off by {off}");

    let ungrown = panned(Isa::detect(), 2, 0).after;
    let (mut new, mut old) = (0, 0);
    for (i, &confidence) in confidence.iter().enumerate() {
        if trust(confidence) == 1.0 {
            old += 1;
            for channel in 0..grown.channels {
                assert_eq!(grown.channel(channel)[i], ungrown.channel(channel)[i]);
            }
        } else {
            new += 1;
            assert_ne!(grown.channel(3)[i], ungrown.channel(3)[i]);
        }
    }
    assert!(
        new > 96 && old > 4000,
        "{new} pixels are new, {old} are not"
    );
}

/// A still picture is not resampled, so nothing softens, however long it stands.
#[test]
fn a_still_is_left_as_it_is_to_the_bit() {
    let size = Size::new(96, 64);
    let frame = window(size, [0, 0]);
    let run = |motion| {
        let options = Options {
            motion,
            ..Options::default()
        };
        let model = Arc::new(Model::bundled_default());
        let mut stylizer = Stylizer::new(model, Selection::default(), options);
        let mut shown = frame.clone();
        for _ in 0..40 {
            shown = frame.clone();
            let mut view =
                FrameMut::packed(&mut shown.pixels, size.width * 3, size, Packing::RGB).unwrap();
            stylizer.process(&mut view).unwrap();
        }
        shown
    };
    assert_eq!(run(Some(Quality::Balanced)), run(None));
}

/// No steps show the state unchanged, whatever moves.
#[test]
fn without_steps_nothing_is_moved() {
    let size = Size::new(96, 64);
    let options = Options {
        steps: Some(0),
        ..Options::default()
    };
    let model = Arc::new(Model::bundled_default());
    let mut stylizer = Stylizer::new(model, Selection::default(), options);
    let mut show = |at| {
        let mut picture = window(size, at);
        let pixels = &mut picture.pixels;
        let mut view = FrameMut::packed(pixels, size.width * 3, size, Packing::RGB).unwrap();
        stylizer.process(&mut view).unwrap();
        picture
    };
    assert_eq!(show([0, 0]), show([3, 1]));
}

/// The point of it all: the style sticks to what moves.
#[test]
fn the_style_sticks_to_what_moves() {
    let stills = [Still::synthetic()];
    for motion in [KnownMotion::Pan, KnownMotion::SubpixelPan] {
        let [on, off] = [Carry::Flow(Quality::Balanced), Carry::Off].map(|carry| {
            let run = Run {
                model: Arc::new(Model::bundled_default()),
                selection: Selection::default(),
                carry,
                steps: None,
                warmup: 32,
            };
            run.consistency(motion, &stills).unwrap()
        });
        println!("{motion:?}: {on:?} with motion, {off:?} without");
        assert!(on.e1 < 0.75 * off.e1, "{motion:?}");
    }
}
