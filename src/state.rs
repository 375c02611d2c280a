use std::fmt;

use crate::OutOfRange;

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
        self.width.saturating_mul(self.height)
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
    pub(crate) channels: usize,
    pub(crate) size: Size,
    pub(crate) values: Vec<f32>,
}

impl State {
    /// A state of these C x H x W values, channel after channel.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn new(channels: usize, size: Size, values: Vec<f32>) -> Result<Self, OutOfRange> {
        let needed = channels.saturating_mul(size.pixels());
        if values.len() != needed {
            let Size { width, height } = size;
            let needed = format!("{needed}, {channels} x {height} x {width},");
            let found = values.len();
            return Err(OutOfRange::new("the number of values", found, needed));
        }
        Ok(Self {
            channels,
            size,
            values,
        })
    }

    /// A state of zeros.
    pub fn zeros(channels: usize, size: Size) -> Self {
        Self {
            channels,
            size,
            values: vec![0.0; channels * size.pixels()],
        }
    }

    /// Number C of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// W and H.
    pub fn size(&self) -> Size {
        self.size
    }

    /// All C x H x W values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The H x W values of one channel.
    ///
    /// # Panics
    /// When there are not as many channels.
    pub fn channel(&self, channel: usize) -> &[f32] {
        &self.values[channel * self.size.pixels()..][..self.size.pixels()]
    }

    /// The H x W values of one channel.
    ///
    /// # Panics
    /// When there are not as many channels.
    pub fn channel_mut(&mut self, channel: usize) -> &mut [f32] {
        let pixels = self.size.pixels();
        &mut self.values[channel * pixels..][..pixels]
    }
}
