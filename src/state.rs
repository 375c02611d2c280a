use std::fmt;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// A size of `width` x `height` pixels.
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn pixels(self) -> usize {
        self.width * self.height
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// The whole state of an automaton: C x H x W values, around [-0.5, 0.5], channel after channel.
///
/// Channels are, in this order: the frozen source, the three of the output picture (RGB minus
/// 0.5), the hidden ones. Engines keep their state in layouts of their own; this is the form in
/// which it is exchanged with tests and files.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Channels C.
    pub channels: usize,
    /// H and W.
    pub size: Size,
    /// C x H x W values.
    pub values: Vec<f32>,
}

impl State {
    /// A state of zeros.
    pub fn zeros(channels: usize, size: Size) -> Self {
        Self {
            channels,
            size,
            values: vec![0.0; channels * size.pixels()],
        }
    }

    /// The H x W values of one channel.
    pub fn channel(&self, channel: usize) -> &[f32] {
        &self.values[channel * self.size.pixels()..][..self.size.pixels()]
    }

    /// The H x W values of one channel.
    pub fn channel_mut(&mut self, channel: usize) -> &mut [f32] {
        let pixels = self.size.pixels();
        &mut self.values[channel * pixels..][..pixels]
    }
}
