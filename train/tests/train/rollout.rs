//! Gradients through frames that move.

use nca::model::Model;
use nca_train::data::content::grid;
use nca_train::data::motion::Shot;
use nca_train::rule::automaton::Automaton;
use nca_train::rule::rollout::{Change, Growth, Rollout, Segment};
use tch::{Device, Kind, Tensor};

use crate::slopes::assert_are_slopes;

const SIZE: usize = 24;

/// Three segments: steps, a frame that has moved, one whose state stays where it is.
fn segments(automaton: &Automaton, starts: &[Tensor; 2]) -> Vec<Segment> {
    let architecture = automaton.architecture();
    let (frozen, updated) = (architecture.frozen() as i64, architecture.updated() as i64);
    let n = SIZE as i64;
    let change = |start: &Tensor, flow: &[f32], covered: &[f32]| {
        Some(Change {
            source: start.narrow(1, 0, frozen),
            grid: grid(flow, SIZE, SIZE, Device::Cpu),
            border: automaton.architecture().border,
            covered: Tensor::from_slice(covered).reshape([1, 1, n, n]),
            fresh: start.narrow(1, frozen, updated),
            growth: Growth::default(),
        })
    };
    let shot = Shot::pan(0, [100, 100], [2.3, -1.4]);
    let (flow, covered) = shot.next(SIZE).flow(&shot, SIZE, SIZE);
    assert!(covered.contains(&0.0) && covered.contains(&1.0));
    let moved = change(&starts[0], &flow, &covered);
    let stayed = change(
        &starts[1],
        &Shot::still_grid(SIZE, SIZE),
        &vec![1.0; SIZE * SIZE],
    );
    vec![
        Segment {
            change: None,
            steps: 3,
            canvas: None,
        },
        Segment {
            change: moved,
            steps: 2,
            canvas: None,
        },
        Segment {
            change: stayed,
            steps: 2,
            canvas: None,
        },
    ]
}

/// What every picture and the last state show counts, each differently.
fn loss(rollout: &Rollout) -> Tensor {
    let pictures = rollout.pictures().iter().enumerate();
    let terms = pictures.map(|(i, picture)| {
        (picture - 0.1 * i as f64).square().sum(Kind::Float) * (1.0 + i as f64)
    });
    terms.sum::<Tensor>() + rollout.end().square().sum(Kind::Float) * 0.5
}

/// The gradient against differences: a step along it changes the loss by its length.
#[test]
fn gradients_lead_through_frames() {
    let golden = crate::common::workspace().join("tests/golden");
    for name in ["unusual", "published"] {
        let model = Model::load(&golden.join(format!("{name}.safetensors"))).unwrap();
        let automaton = Automaton::of(&model, Device::Cpu);
        tch::manual_seed(1);
        let n = SIZE as i64;
        let start = automaton.start(&Tensor::rand([1, 3, n, n], (Kind::Float, Device::Cpu)), 1.0);
        // Drawn once: other tests draw from the same generator.
        let starts = [(); 2].map(|()| {
            let frame = Tensor::rand([1, 3, n, n], (Kind::Float, Device::Cpu));
            automaton.start(&frame, 1.0)
        });
        let run = |automaton: &Automaton| {
            let rollout = Rollout::run(&automaton.rule(), &start, segments(automaton, &starts));
            loss(&rollout).double_value(&[])
        };
        let ways = [automaton.rule(), automaton.rule_in_torch()].map(|rule| {
            let rollout = Rollout::run(&rule, &start, segments(&automaton, &starts));
            rollout.backward(&rule, &loss(&rollout))
        });
        for (((parameter, _), fused), torch) in
            automaton.parameters().iter().zip(&ways[0]).zip(&ways[1])
        {
            let apart = (fused - torch).norm().double_value(&[]) / torch.norm().double_value(&[]);
            assert!(
                apart < 1e-3,
                "{name} {parameter}: the ways are {apart} apart"
            );
        }
        assert_are_slopes(name, &model, &ways[1], run);
    }
}

/// Of many steps in one segment only some states are kept; as several segments, all are.
#[test]
fn states_that_are_not_kept_are_computed_again() {
    let golden = crate::common::workspace().join("tests/golden");
    let model = Model::load(&golden.join("published.safetensors")).unwrap();
    let automaton = Automaton::of(&model, Device::Cpu);
    tch::manual_seed(1);
    let n = SIZE as i64;
    let start = automaton.start(&Tensor::rand([1, 3, n, n], (Kind::Float, Device::Cpu)), 1.0);
    for rule in [automaton.rule(), automaton.rule_in_torch()] {
        let gradients = [vec![27], vec![13, 14]].map(|steps| {
            let segments = steps.into_iter().map(|steps| Segment {
                change: None,
                steps,
                canvas: None,
            });
            let rollout = Rollout::run(&rule, &start, segments.collect());
            let last = rollout.pictures().len() - 1;
            let shown = rollout.pictures()[last].square().sum(Kind::Float);
            let loss = shown + rollout.end().abs().sum(Kind::Float);
            rollout.backward(&rule, &loss)
        });
        for (((name, _), long), short) in automaton
            .parameters()
            .iter()
            .zip(&gradients[0])
            .zip(&gradients[1])
        {
            assert!(long.norm().double_value(&[]) > 0.0, "{name}");
            assert_eq!(long, short, "{name}");
        }
    }
}

/// Where states are uncovered they grow before the others take a step, with a ring of cells around them.
#[test]
fn what_is_uncovered_grows_at_once() {
    let golden = crate::common::workspace().join("tests/golden");
    let n = SIZE as i64;
    for (name, ring) in [
        ("unusual.safetensors", 0),
        ("painter/cells-1.safetensors", 2),
    ] {
        let model = Model::load(&golden.join(name)).unwrap();
        let automaton = Automaton::of(&model, Device::Cpu);
        let rule = automaton.rule();
        tch::manual_seed(1);
        let frames = [(); 2].map(|()| Tensor::rand([2, 3, n, n], (Kind::Float, Device::Cpu)));
        let [before, start] = frames.map(|frames| automaton.start(&frames, 1.0));
        let frozen = model.architecture().frozen() as i64;
        let updated = model.architecture().updated() as i64;
        // The second state has lost its columns from 10 on.
        let covered = Tensor::ones([2, 1, n, n], (Kind::Float, Device::Cpu));
        let _ = covered.get(1).narrow(2, 10, n - 10).zero_();
        let still = grid(&Shot::still_grid(SIZE, SIZE), SIZE, SIZE, Device::Cpu);
        let mut change = Change {
            source: start.narrow(1, 0, frozen),
            grid: still.expand([2, -1, -1, -1], false),
            border: model.architecture().border,
            covered,
            fresh: start.narrow(1, frozen, updated),
            growth: Growth::default(),
        };
        let plain = change.follow(&rule, &before);
        change.growth = Growth::of(&automaton, vec![1], 3);
        assert_eq!(change.growth.ring as i64, ring, "{name}");
        let grown = change.follow(&rule, &before);
        assert_eq!(plain.get(0), grown.get(0), "{name}");
        let kept = 10 - ring;
        let left = |states: &Tensor| states.get(1).narrow(2, 0, kept);
        assert_eq!(left(&plain), left(&grown), "{name}");
        let column = |states: &Tensor, x: i64| states.get(1).narrow(2, x, 1);
        let changed = (column(&plain, kept) - column(&grown, kept)).abs();
        assert!(changed.max().double_value(&[]) > 1e-4, "{name}");
        // Far from what stays they are what steps make of them.
        let stepped = rule.steps(&plain, 3);
        let off = (column(&stepped, 19) - column(&grown, 19)).abs();
        assert!(off.max().double_value(&[]) < 1e-5, "{name}");

        // A rollout does the same.
        let rollout = Rollout::run(
            &rule,
            &before,
            vec![Segment {
                change: Some(change),
                steps: 0,
                canvas: None,
            }],
        );
        assert_eq!(rollout.end(), &grown, "{name}");
    }
}
