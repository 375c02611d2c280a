//! Does a style stick to what moves? Measured where the motion is known.
//!
//! A still is moved by an exactly known motion: every frame is sampled from the still itself, so
//! that nothing softens on the way. The frames are restyled, and each output is compared with the
//! output 1 and 10 frames later, brought back by the exact motion: E1 and E10, the root of the mean
//! squared difference of red, green and blue in [0, 1]. Beside them stand the same for the frames
//! themselves, which interpolation alone makes, and how much fine detail there is compared with a
//! still that was given the time to converge: blur would make both errors small. So would a state that
//! hardly heeds its source, so there is also how far the outputs are astray from those of a state that
//! was started on the same frame.
//!
//! Definitions: 30 frames of 160 x 160, sampled bicubically (a = -0.75) from a still of 480 x 480;
//! the first 8 frames are not compared, nor is what lies or comes to lie less than 12 pixels from
//! the edge; 32 steps of warm-up. Fine detail is the standard deviation of what a 5 x 5 box takes
//! out of a picture. What is astray is the root of the mean squared difference of the mean colours of
//! 16 x 16 pixels.

mod clip;
mod known;
mod mean;
mod measure;
mod picture;
mod truth;
mod warping;

pub use clip::{Clip, ClipError, ClipReport};
pub use known::KnownMotion;
pub use measure::{Carry, Consistency, NoiseGain, Run};
pub use picture::Still;
pub use truth::{TrueFlow, TruthError};
pub use warping::{FrameRejected, Warping, WarpingError};
