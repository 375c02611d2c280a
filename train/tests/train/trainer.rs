//! What happens when training goes wrong.

use nca_train::TrainError;
use nca_train::recipes::preset::Preset;
use nca_train::recipes::recipe::{Found, Recipe};
use nca_train::rule::automaton::{Automaton, Initialisation};
use nca_train::training::pool::Pool;
use nca_train::training::trainer::Trainer;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

/// Loses 1 and asks for all parameters to sink, but for the iterations that go wrong.
struct Script {
    wrong: fn(u64, u32) -> Option<f64>,
    tries: u32,
    pool: Pool,
}

impl Recipe for Script {
    fn iterate(&mut self, automaton: &Automaton, iteration: u64, _: &mut ChaCha8Rng) -> Found {
        let wrong = (self.wrong)(iteration, self.tries);
        self.tries += u32::from(wrong.is_some());
        let parameters = automaton.parameters();
        let ones = parameters.iter().map(|(_, value)| value.ones_like());
        Found {
            losses: vec![("loss", wrong.unwrap_or(1.0))],
            gradients: ones.collect(),
        }
    }

    fn rate(&self, _: u64) -> f64 {
        0.5
    }

    fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }
}

fn trainer(wrong: fn(u64, u32) -> Option<f64>) -> Trainer {
    let architecture = Preset::named("live").unwrap().architecture;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let automaton = Automaton::new(&architecture, Initialisation::Still, &mut rng, Device::Cpu);
    let pool = Pool::new(1);
    let script = Script {
        wrong,
        tries: 0,
        pool,
    };
    Trainer::new(automaton, Box::new(script), 0)
}

fn first_weights(trainer: &Trainer) -> Tensor {
    trainer.automaton().parameters()[0].1.copy()
}

/// NaN at iteration 70 and an explosion at 130: back to 50 and to 100, each time with half the rate.
#[test]
fn back_to_the_last_good_state() {
    let mut trainer = trainer(|iteration, tries| match (iteration, tries) {
        (70, 0) => Some(f64::NAN),
        (130, 1) => Some(30.0),
        _ => None,
    });
    let mut at_50 = None;
    let mut rollbacks = Vec::new();
    while trainer.iteration() < 150 {
        if trainer.iteration() == 50 && at_50.is_none() {
            at_50 = Some(first_weights(&trainer));
        }
        let report = trainer.iterate().unwrap();
        if let Some(rollback) = report.rolled_back {
            rollbacks.push((rollback.to, rollback.rate_factor));
            if rollbacks.len() == 1 {
                assert_eq!(first_weights(&trainer), *at_50.as_ref().unwrap());
            }
        }
    }
    assert_eq!(rollbacks, [(50, 0.5), (100, 0.25)]);
    assert_eq!(trainer.iterate().unwrap().rate, 0.125);
}

#[test]
fn what_never_settles_is_given_up() {
    let mut trainer = trainer(|iteration, _| (iteration == 3).then_some(f64::INFINITY));
    let error = loop {
        if let Err(error) = trainer.iterate() {
            break error;
        }
    };
    assert!(matches!(error, TrainError::Diverged(12)), "{error}");
    assert!(error.to_string().contains("--rate"));
}
