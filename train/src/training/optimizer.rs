//! Adam on gradients of unit length.

use tch::{Kind, Tensor};

use crate::rule::automaton::{Automaton, Gradients};

const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// Adam (Kingma and Ba 2015) with PyTorch's defaults, each parameter's gradient divided by its norm
/// before: long rollouts make gradients whose length says nothing.
pub struct Adam {
    /// Updates made so far.
    pub steps: i64,
    /// First and second moment of each parameter, in the order of [`Automaton::parameters`].
    pub moments: Vec<[Tensor; 2]>,
}

impl Adam {
    /// One that has seen no gradient of the automaton yet.
    pub fn new(automaton: &Automaton) -> Self {
        let moments = automaton.parameters().into_iter().map(|(_, parameter)| {
            let zeros = || parameter.zeros_like();
            [zeros(), zeros()]
        });
        Self {
            steps: 0,
            moments: moments.collect(),
        }
    }

    /// Updates the automaton.
    pub fn update(&mut self, automaton: &mut Automaton, gradients: &Gradients, rate: f64) {
        self.steps += 1;
        let steps = self.steps as i32;
        let (first, second) = (1.0 - BETAS.0.powi(steps), 1.0 - BETAS.1.powi(steps));
        let parameters = automaton.parameters().into_iter();
        for (((_, parameter), gradient), [mean, square]) in
            parameters.zip(gradients).zip(&mut self.moments)
        {
            let gradient = normalised(gradient);
            // New tensors rather than changed ones: snapshots share the old.
            *mean = &*mean * BETAS.0 + &gradient * (1.0 - BETAS.0);
            *square = &*square * BETAS.1 + gradient.square() * (1.0 - BETAS.1);
            let denominator = square.sqrt() / second.sqrt() + EPSILON;
            let _ = parameter
                .shallow_clone()
                .g_sub_(&(&*mean * (rate / first) / denominator));
        }
    }
}

/// The gradient with length 1; zero stays zero.
pub fn normalised(gradient: &Tensor) -> Tensor {
    gradient / (gradient.norm() + EPSILON).to_kind(Kind::Float)
}
