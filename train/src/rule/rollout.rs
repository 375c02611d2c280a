//! Runs of the automaton that are differentiated: many steps over frames that move.
//!
//! Only states are kept, of long rollouts every few steps one. Losses look at the pictures that a
//! rollout shows; their gradients are then carried back step by step, each of which is computed again
//! for that.

use tch::{Kind, Tensor};

use crate::rule::automaton::{Automaton, Canvas, Gradients, Rule, Sums, unfrozen};
use crate::rule::warp::warp;
use nca::internals::RING;
use nca::model::Border;

/// Steps on one frame.
pub struct Segment {
    /// What changes before the steps; `None`: nothing, the state goes on as it is.
    pub change: Option<Change>,
    /// How many steps follow.
    pub steps: usize,
    /// What is painted on then; `None`: there is no painter, or nobody looks.
    pub canvas: Option<Canvas>,
}

/// Another frame.
pub struct Change {
    /// Its frozen channels, B x F x H x W.
    pub source: Tensor,
    /// Where the state comes from, as grid_sample takes it, B x h x w x 2.
    pub grid: Tensor,
    /// What lies beyond the edge of the state.
    pub border: Border,
    /// 1 where the state comes from somewhere, 0 where it is uncovered: B x 1 x H x W.
    pub covered: Tensor,
    /// What the unfrozen channels start from where it is uncovered: B x (C-F) x H x W.
    pub fresh: Tensor,
    /// What they become there before the state takes its steps.
    pub growth: Growth,
}

/// Steps that states take at once where they are uncovered, as an engine has them do. Nothing is learned
/// from them.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    /// The states of the batch that are uncovered somewhere.
    pub states: Vec<i64>,
    /// How many steps.
    pub steps: u32,
    /// How far around what is uncovered the other cells take these steps with it.
    pub ring: usize,
}

impl Growth {
    /// Of those states of a batch, over so many steps.
    pub fn of(automaton: &Automaton, states: Vec<i64>, steps: u32) -> Self {
        let has_painter = automaton.architecture().painter.is_some();
        let ring = if has_painter { RING } else { 0 };
        Self {
            states,
            steps,
            ring,
        }
    }
}

impl Change {
    /// The unfrozen channels, B x (C-F) x h x w, as they are before the steps.
    pub fn apply(&self, unfrozen: &Tensor) -> Tensor {
        let moved = warp(unfrozen, &self.grid, self.border);
        &self.covered * moved + (1.0 - &self.covered) * &self.fresh
    }

    /// What states, B x C x h x w, are before the steps, grown where they are uncovered.
    pub fn follow(&self, rule: &Rule<'_>, states: &Tensor) -> Tensor {
        let unfrozen = self.apply(&unfrozen(rule.automaton(), states));
        let changed = Tensor::cat(&[&self.source, &unfrozen], 1);
        if !self.grows() {
            return changed;
        }
        let places = Tensor::from_slice(&self.growth.states).to(changed.device());
        let growing: Tensor = 1.0 - self.settled().index_select(0, &places);
        let first = changed.index_select(0, &places);
        let grown = (0..self.growth.steps).fold(first, |state, _| {
            let next = rule.step(&state);
            &state + &growing * (next - &state)
        });
        changed.index_copy(0, &places, &grown)
    }

    fn grows(&self) -> bool {
        self.growth.steps > 0 && !self.growth.states.is_empty()
    }

    /// 1 where states are what was moved, and take no steps with what grows: B x 1 x h x w.
    fn settled(&self) -> Tensor {
        let ring = self.growth.ring as i64;
        if ring == 0 || !self.grows() {
            return self.covered.shallow_clone();
        }
        let width = [2 * ring + 1; 2];
        let uncovered: Tensor = 1.0 - &self.covered;
        let growing = uncovered.max_pool2d(width, [1; 2], [ring; 2], [1; 2], false);
        1.0 - growing
    }
}

/// Samples pictures, B x C x H x W, bicubically; beyond the edge lies the nearest pixel.
pub fn sample(values: &Tensor, grid: &Tensor) -> Tensor {
    const BICUBIC: i64 = 2;
    const BORDER: i64 = 1;
    values.grid_sampler_2d(grid, BICUBIC, BORDER, false)
}

/// Steps of which only the first one's state is kept: 1 while there are few steps, else such that the
/// kept states and those of one stretch are fewest together.
fn stretch(steps: usize) -> usize {
    /// Steps of which all states are kept.
    const FEW: usize = 16;
    match steps {
        0..=FEW => 1,
        _ => (steps as f64).sqrt().round() as usize,
    }
}

/// A rollout that was run.
pub struct Rollout {
    segments: Vec<Segment>,
    /// The state before the change of each segment.
    before: Vec<Tensor>,
    /// The states before the first step of each [`stretch`] of each segment.
    states: Vec<Vec<Tensor>>,
    end: Tensor,
    /// The unfrozen channels after each segment, of which the pictures are made.
    shown: Vec<Tensor>,
    pictures: Vec<Tensor>,
}

impl Rollout {
    /// Runs the segments one after the other from the state `start`, B x C x H x W.
    pub fn run(rule: &Rule<'_>, start: &Tensor, segments: Vec<Segment>) -> Self {
        let guard = tch::no_grad_guard();
        let architecture = rule.automaton().architecture();
        let frozen = architecture.frozen() as i64;
        let updated = architecture.updated() as i64;
        let mut state = start.detach();
        let mut before = Vec::new();
        let mut states = Vec::new();
        let mut shown = Vec::new();
        for segment in &segments {
            before.push(state.shallow_clone());
            if let Some(change) = &segment.change {
                state = change.follow(rule, &state);
            }
            let mut kept = Vec::new();
            for step in 0..segment.steps {
                if step.is_multiple_of(stretch(segment.steps)) {
                    kept.push(state.shallow_clone());
                }
                state = rule.step(&state);
            }
            states.push(kept);
            shown.push(state.narrow(1, frozen, updated));
        }
        let leaf = |tensor: Tensor| tensor.detach().set_requires_grad(true);
        let shown: Vec<_> = shown.into_iter().map(leaf).collect();
        drop(guard);
        let pictures = shown
            .iter()
            .zip(&segments)
            .map(|(shown, segment)| rule.picture(shown, segment.canvas.as_ref()));
        Self {
            pictures: tch::with_grad(|| pictures.collect()),
            segments,
            before,
            states,
            end: leaf(state),
            shown,
        }
    }

    /// The picture shown after each segment, B x 3 x H x W, in [0, 1] where it does not overflow; with a
    /// painter, only after those with something to paint on. A loss is a function of them and of
    /// [`Self::end`].
    pub fn pictures(&self) -> &[Tensor] {
        &self.pictures
    }

    /// The last state, B x C x h x w; a leaf.
    pub fn end(&self) -> &Tensor {
        &self.end
    }

    /// Gradients of the automaton's parameters of a scalar function of pictures and end.
    pub fn backward(&self, rule: &Rule<'_>, loss: &Tensor) -> Gradients {
        loss.backward();
        let frozen = rule.automaton().architecture().frozen() as i64;
        let updated = rule.automaton().architecture().updated() as i64;
        let of = |leaf: &Tensor| {
            let gradient = leaf.grad();
            gradient.defined().then_some(gradient)
        };
        let mut gradient = of(&self.end).unwrap_or_else(|| self.end.zeros_like());
        let mut sums = Sums::default();
        rule.take_painter_gradients(&mut sums);
        for (((segment, before), states), shown) in self
            .segments
            .iter()
            .zip(&self.before)
            .zip(&self.states)
            .zip(&self.shown)
            .rev()
        {
            if let Some(shown) = of(shown) {
                let _ = gradient.narrow(1, frozen, updated).g_add_(&shown);
            }
            let length = stretch(segment.steps);
            for (i, first) in states.iter().enumerate().rev() {
                let mut stretch = vec![first.shallow_clone()];
                for _ in 1..length.min(segment.steps - i * length) {
                    let next = tch::no_grad(|| rule.step(&stretch[stretch.len() - 1]));
                    stretch.push(next);
                }
                for state in stretch.iter().rev() {
                    gradient = rule.step_backward(state, &gradient, &mut sums);
                }
            }
            if let Some(change) = &segment.change {
                let unfrozen = before.narrow(1, frozen, updated);
                let unfrozen = unfrozen.detach().set_requires_grad(true);
                let of_moved = gradient.narrow(1, frozen, updated) * change.settled();
                let dot = change.apply(&unfrozen) * of_moved;
                let of_unfrozen =
                    Tensor::run_backward(&[dot.sum(Kind::Float)], &[&unfrozen], false, false);
                gradient = Tensor::cat(
                    &[&gradient.narrow(1, 0, frozen).zeros_like(), &of_unfrozen[0]],
                    1,
                );
            }
        }
        rule.finish(sums)
    }
}
