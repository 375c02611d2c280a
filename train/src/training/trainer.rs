//! The loop: iterate, update, notice when it goes wrong.

use std::collections::HashMap;
use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::TrainError;
use crate::recipes::recipe::{Losses, Recipe};
use crate::rule::automaton::Automaton;
use crate::training::checkpoint::{Checkpoint, Progress};
use crate::training::optimizer::Adam;
use crate::training::pool::Entry;

/// A loss so many times its smoothed value is a divergence.
const EXPLOSION: f64 = 10.0;
/// Iterations from one good state that is kept to the next.
const KEPT: u64 = 50;
/// Iterations before losses mean something.
const SETTLING: u64 = 20;
/// How often a run may diverge.
const MOST_ROLLBACKS: u32 = 12;

/// What an iteration did.
#[derive(Clone, Debug)]
pub struct Report {
    /// Iterations done, this one included.
    pub iteration: u64,
    /// Losses by name, the sum first.
    pub losses: Losses,
    /// Learning rate.
    pub rate: f64,
    /// Set when the losses exploded: training goes on from the last good state.
    pub rolled_back: Option<Rollback>,
}

/// A divergence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollback {
    /// The loss that was too large or not finite.
    pub loss: f64,
    /// The iteration that training goes on from.
    pub to: u64,
    /// Factor on the learning rate from now on.
    pub rate_factor: f64,
}

/// Trains one automaton.
///
/// Chance depends on seed and iteration only, and a checkpoint holds everything else: on a
/// processor, with as many threads as before, a resumed run is the same to the bit.
pub struct Trainer {
    automaton: Automaton,
    recipe: Box<dyn Recipe>,
    adam: Adam,
    seed: u64,
    iteration: u64,
    rate_factor: f64,
    rollbacks: u32,
    smoothed: Option<f64>,
    /// Seconds trained before this start.
    before: f64,
    started: Instant,
    good: Option<Checkpoint>,
}

impl Trainer {
    /// A trainer that has not begun.
    pub fn new(automaton: Automaton, recipe: Box<dyn Recipe>, seed: u64) -> Self {
        Self {
            adam: Adam::new(&automaton),
            automaton,
            recipe,
            seed,
            iteration: 0,
            rate_factor: 1.0,
            rollbacks: 0,
            smoothed: None,
            before: 0.0,
            started: Instant::now(),
            good: None,
        }
    }

    /// The automaton as it stands.
    pub fn automaton(&self) -> &Automaton {
        &self.automaton
    }

    /// Iterations done.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// Seconds trained, those before a resumption included.
    pub fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// One iteration.
    pub fn iterate(&mut self) -> Result<Report, TrainError> {
        if self.iteration.is_multiple_of(KEPT) {
            self.good = Some(self.checkpoint());
        }
        // What diverged is not tried again in the same way.
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.iteration | u64::from(self.rollbacks) << 48);
        tch::manual_seed(rand::RngExt::random::<i64>(&mut rng));

        let found = self
            .recipe
            .iterate(&self.automaton, self.iteration, &mut rng);
        let rate = self.recipe.rate(self.iteration) * self.rate_factor;
        let loss = found.losses.first().map_or(f64::NAN, |(_, loss)| *loss);
        let finite = found
            .gradients
            .iter()
            .all(|gradient| gradient.isfinite().all().int64_value(&[]) == 1);
        let exploded = self.iteration > SETTLING
            && self
                .smoothed
                .is_some_and(|smoothed| loss > EXPLOSION * smoothed);
        if !loss.is_finite() || !finite || exploded {
            return self.roll_back(found.losses, rate);
        }
        self.adam
            .update(&mut self.automaton, &found.gradients, rate);
        self.smoothed = Some(match self.smoothed {
            Some(smoothed) => 0.95 * smoothed + 0.05 * loss,
            None => loss,
        });
        self.iteration += 1;
        Ok(Report {
            iteration: self.iteration,
            losses: found.losses,
            rate,
            rolled_back: None,
        })
    }

    fn roll_back(&mut self, losses: Losses, rate: f64) -> Result<Report, TrainError> {
        let loss = losses.first().map_or(f64::NAN, |(_, loss)| *loss);
        let (rollbacks, rate_factor) = (self.rollbacks + 1, self.rate_factor / 2.0);
        if rollbacks > MOST_ROLLBACKS {
            return Err(TrainError::Diverged(self.rollbacks));
        }
        let seconds = self.seconds();
        if let Some(good) = self.good.take() {
            self.restore(&good)
                .expect("it was made by this trainer, of this automaton");
            self.good = Some(good);
        }
        self.before = seconds;
        self.started = Instant::now();
        self.rollbacks = rollbacks;
        self.rate_factor = rate_factor;
        Ok(Report {
            iteration: self.iteration,
            losses,
            rate,
            rolled_back: Some(Rollback {
                loss,
                to: self.iteration,
                rate_factor,
            }),
        })
    }

    /// All that is needed to go on from here.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let mut tensors = HashMap::new();
        for (name, parameter) in self.automaton.parameters() {
            tensors.insert(name, parameter.detach().copy());
        }
        for (i, [mean, square]) in self.adam.moments.iter().enumerate() {
            tensors.insert(format!("adam.{i}.mean"), mean.shallow_clone());
            tensors.insert(format!("adam.{i}.square"), square.shallow_clone());
        }
        let entries = self.recipe.pool().entries();
        for (i, entry) in entries.iter().enumerate() {
            tensors.insert(format!("pool.{i}"), entry.state.shallow_clone());
        }
        let strokes = entries.iter().map(|entry| entry.stroke).collect();
        let shots = entries.iter().map(|entry| entry.shot.clone()).collect();
        Checkpoint {
            progress: Progress {
                iteration: self.iteration,
                updates: self.adam.steps,
                rate_factor: self.rate_factor,
                rollbacks: self.rollbacks,
                seconds: self.seconds(),
                smoothed: self.smoothed,
                shots,
                strokes,
            },
            tensors,
        }
    }

    /// Goes back, or on, to where a checkpoint was made. The error is a clause.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        let tensor = |name: &str| {
            let tensor = checkpoint.tensors.get(name);
            tensor.ok_or_else(|| format!("its checkpoint has no tensor {name:?}"))
        };
        let _guard = tch::no_grad_guard();
        let mut moments = Vec::new();
        for (i, (name, parameter)) in self.automaton.parameters().into_iter().enumerate() {
            let saved = [
                tensor(&name)?,
                tensor(&format!("adam.{i}.mean"))?,
                tensor(&format!("adam.{i}.square"))?,
            ];
            if let Some(other) = saved.iter().find(|saved| saved.size() != parameter.size()) {
                return Err(format!(
                    "its checkpoint holds another automaton: {name} has the shape {:?} instead of {:?}",
                    other.size(),
                    parameter.size()
                ));
            }
            parameter.shallow_clone().copy_(saved[0]);
            moments.push([saved[1].shallow_clone(), saved[2].shallow_clone()]);
        }
        let progress = &checkpoint.progress;
        let entries = progress.shots.iter().enumerate().map(|(i, shot)| {
            Ok::<_, String>(Entry {
                state: tensor(&format!("pool.{i}"))?.shallow_clone(),
                shot: shot.clone(),
                stroke: progress.strokes.get(i).copied().unwrap_or(1.0),
            })
        });
        let entries = entries.collect::<Result<_, _>>()?;
        self.recipe.pool().set_entries(entries);
        self.adam.moments = moments;
        self.adam.steps = progress.updates;
        self.iteration = progress.iteration;
        self.rate_factor = progress.rate_factor;
        self.rollbacks = progress.rollbacks;
        self.smoothed = progress.smoothed;
        self.before = progress.seconds;
        self.started = Instant::now();
        Ok(())
    }
}
