//! What is summed up.

/// A mean.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// The mean; 0 of nothing.
    pub(super) fn value(self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    /// How many values it is of.
    pub(super) fn count(self) -> u64 {
        self.count
    }
}

/// The mean of the squared differences of red, green and blue.
pub(super) fn squared_difference(a: &[f32; 3], b: &[f32; 3]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>() / 3.0
}
