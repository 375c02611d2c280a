//! The state moves with the picture.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use common::Picture;
use common::engines::{self, Kind};
use nca::engine::{Engine, Growth, Selection, trust};
use nca::frame::{FrameMut, Packing};
use nca::internals::{CpuEngine, Isa};
use nca::model::Model;
use nca::motion::{Estimator, Quality};
use nca::stylizer::Stylizer;
use nca::{Size, State};
use nca_lab::consistency::{Carry, KnownMotion, Run, Still};

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

const SIZE: Size = Size::new(128, 96);

/// What a state becomes that is moved by a pan of (4, 2) pixels.
struct Panned {
    before: State,
    after: State,
    /// Of the motion.
    confidence: Vec<f32>,
}

/// Moves the state of an engine, and lets it grow by so many steps.
fn panned(engine: &mut dyn Engine, steps: u32) -> Panned {
    let size = SIZE;
    let [before, after] = [[40, 40], [44, 42]].map(|at| window(size, at));
    let mut estimator = Estimator::new(size, Quality::Balanced);
    assert!(estimator.estimate(&before.frame()).is_none());
    engine.set_source(&before.frame()).unwrap();
    engine.seed(1).unwrap();
    assert!(engine.step(8).unwrap());
    let before = engine.state().unwrap();
    engine.set_source(&after.frame()).unwrap();
    let flow = estimator.estimate(&after.frame()).unwrap();
    assert!(!flow.is_still());
    engine.carry(flow, Growth { seed: 9, steps }).unwrap();
    let [mut dx, mut dy] = [(); 2].map(|()| vec![0.0; size.width]);
    let mut confidence = vec![0.0; size.pixels()];
    for (y, row) in confidence.chunks_exact_mut(size.width).enumerate() {
        flow.write_row(y, size, &mut dx, &mut dy, row);
    }
    Panned {
        before,
        after: engine.state().unwrap(),
        confidence,
    }
}

/// The same on every engine.
fn panned_everywhere(steps: u32) -> impl Iterator<Item = (String, Panned)> {
    let panned = move |kind: Kind| {
        let mut engine = kind.engine(&Model::bundled_default(), SIZE);
        let panned = panned(&mut *engine, steps);
        (kind.name, panned)
    };
    engines::of_full_precision().into_iter().map(panned)
}

#[test]
fn a_pan_moves_every_channel_by_as_much() {
    for (name, panned) in panned_everywhere(0) {
        check_pan(&name, &panned.before, &panned.after);
    }
}

fn check_pan(name: &str, old: &State, new: &State) {
    let Size { width, height } = old.size();
    for channel in 3..old.channels() {
        let (mut moved, mut stayed, mut count) = (0.0, 0.0, 0.0);
        for y in 16..height - 16 {
            for x in 16..width - 16 {
                let at = |state: &State, x: usize, y: usize| state.channel(channel)[y * width + x];
                let value = at(new, x, y);
                moved += (value - at(old, x + 4, y + 2)).powi(2);
                stayed += (value - at(old, x, y)).powi(2);
                count += 1.0;
            }
        }
        let (moved, stayed): (f32, f32) = ((moved / count).sqrt(), (stayed / count).sqrt());
        assert!(
            moved < 0.25 * stayed,
            "{name}, channel {channel}: off by {moved} from where it was to go, by {stayed} from before"
        );
    }
}

#[test]
fn engines_agree() {
    let mut expected = None;
    for (name, panned) in panned_everywhere(3) {
        // The steps before differ by rounding.
        let expected = expected.get_or_insert_with(|| panned.after.clone());
        let off = common::distance(&panned.after, expected);
        assert!(off < 1e-4, "{name}: off by {off}");
    }
}

#[test]
fn threads_change_nothing() {
    let state = |threads| {
        let model = Model::bundled_default();
        let mut engine = CpuEngine::with_isa(&model, SIZE, threads, Isa::detect()).unwrap();
        panned(&mut engine, 3).after
    };
    assert_eq!(state(1), state(3));
}

#[test]
fn what_enters_the_picture_starts_anew() {
    let Size { width, height } = SIZE;
    for kind in engines::of_full_precision() {
        let mut engine = kind.engine(&Model::bundled_default(), SIZE);
        let after = panned(&mut *engine, 0).after;
        engine.seed(9).unwrap();
        let anew = engine.state().unwrap();
        // The last columns were beyond the edge.
        for channel in 3..after.channels() {
            for y in 30..height - 30 {
                let at = y * width + width - 1;
                let [after, anew] = [&after, &anew].map(|state| state.channel(channel)[at]);
                assert_eq!(after, anew, "{}, {channel}, {y}", kind.name);
            }
        }
    }
}

/// Where something is new the state takes steps more, and nowhere else.
#[test]
fn what_enters_the_picture_grows() {
    const GROWTH: u32 = 3;
    for kind in engines::of_full_precision() {
        let mut engine = kind.engine(&Model::bundled_default(), SIZE);
        let Panned {
            after: ungrown,
            confidence,
            ..
        } = panned(&mut *engine, 0);
        let mut expected = ungrown.clone();
        for _ in 0..GROWTH {
            engine.set_state(&expected).unwrap();
            engine.step(1).unwrap();
            let stepped = engine.state().unwrap();
            for channel in 0..expected.channels() {
                let values = expected.channel_mut(channel).iter_mut();
                let stepped = stepped.channel(channel).iter().zip(&confidence);
                for (value, (stepped, &confidence)) in values.zip(stepped) {
                    *value += (1.0 - trust(confidence)) * (stepped - *value);
                }
            }
        }
        let mut engine = kind.engine(&Model::bundled_default(), SIZE);
        let grown = panned(&mut *engine, GROWTH).after;
        let off = common::distance(&grown, &expected);
        assert!(off < 1e-5, "{}: off by {off}", kind.name);

        let (mut new, mut old) = (0, 0);
        for (i, &confidence) in confidence.iter().enumerate() {
            if trust(confidence) == 1.0 {
                old += 1;
                for channel in 0..grown.channels() {
                    let [grown, ungrown] =
                        [&grown, &ungrown].map(|state| state.channel(channel)[i]);
                    assert_eq!(grown, ungrown, "{}, {channel}, {i}", kind.name);
                }
            } else {
                new += 1;
                assert_ne!(grown.channel(3)[i], ungrown.channel(3)[i], "{}", kind.name);
            }
        }
        assert!(new > 96 && old > 4000, "{new} are new, {old} are not");
    }
}

/// Where nothing moves while something else does, the state is left as it is to the bit.
#[test]
fn what_does_not_move_is_left_as_it_is_to_the_bit() {
    let before = window(SIZE, [0, 0]);
    let mut after = before.clone();
    let moved = window(SIZE, [3, 0]);
    let at = |x: usize, y: usize| (y * SIZE.width + x) * 3;
    for y in 20..70 {
        after.pixels[at(70, y)..at(120, y)].copy_from_slice(&moved.pixels[at(70, y)..at(120, y)]);
    }
    let mut estimator = Estimator::new(SIZE, Quality::Balanced);
    assert!(estimator.estimate(&before.frame()).is_none());
    let flow = estimator.estimate(&after.frame()).unwrap();
    for kind in engines::of_full_precision() {
        let mut engine = kind.engine(&Model::bundled_default(), SIZE);
        engine.set_source(&before.frame()).unwrap();
        engine.seed(1).unwrap();
        assert!(engine.step(2).unwrap());
        let old = engine.state().unwrap();
        engine.carry(flow, Growth::default()).unwrap();
        let new = engine.state().unwrap();
        let mut still = 0;
        for y in 0..SIZE.height {
            let [mut dx, mut dy, mut confidence] = [(); 3].map(|()| vec![0.0; SIZE.width]);
            flow.write_row(y, SIZE, &mut dx, &mut dy, &mut confidence);
            for x in (0..SIZE.width)
                .filter(|&x| dx[x] == 0.0 && dy[x] == 0.0 && trust(confidence[x]) == 1.0)
            {
                still += 1;
                for channel in 3..new.channels() {
                    let at = y * SIZE.width + x;
                    let (new, old) = (new.channel(channel)[at], old.channel(channel)[at]);
                    assert_eq!(new.to_bits(), old.to_bits(), "{}, {x}, {y}", kind.name);
                }
            }
        }
        let pixels = SIZE.pixels();
        assert!(still > pixels / 4 && still < pixels, "{still} of {pixels}");
    }
}

/// A still picture is not resampled, so nothing softens, however long it stands.
#[test]
fn a_still_is_left_as_it_is_to_the_bit() {
    let size = Size::new(96, 64);
    let frame = window(size, [0, 0]);
    let run = |motion| {
        let stylizer = Stylizer::builder(Model::bundled_default()).motion(motion);
        let mut stylizer = stylizer.build().unwrap();
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
    let stylizer = Stylizer::builder(Model::bundled_default()).steps(0);
    let mut stylizer = stylizer.build().unwrap();
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
            let stickers = run.stickers(&stills).unwrap();
            run.consistency(motion, &stills, &stickers).unwrap()
        });
        println!("{motion:?}: {on:?} with motion, {off:?} without");
        assert!(on.e1 < 0.75 * off.e1, "{motion:?}");
    }
}
