//! The properties' values.

use nca::engine::{self, Selection};
use nca::motion::Quality;
use nca::stylizer::{DEFAULT_CUT_THRESHOLD, Options};

/// What runs the automaton.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstNcaFilterBackend")]
#[repr(i32)]
pub enum Backend {
    /// The fastest that this machine has.
    #[default]
    #[enum_value(name = "Auto: the fastest that this machine has", nick = "auto")]
    Auto = 0,
    /// The processor.
    #[enum_value(name = "CPU: the processor", nick = "cpu")]
    Cpu = 1,
    /// NVIDIA's graphics processors.
    #[enum_value(name = "CUDA: an NVIDIA card, through its driver", nick = "cuda")]
    Cuda = 2,
    /// The graphics processor.
    #[enum_value(
        name = "WGPU: a graphics processor, through Vulkan, Metal or Direct3D 12",
        nick = "wgpu"
    )]
    Wgpu = 3,
}

/// What values and weights are rounded to where they are multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstNcaFilterPrecision")]
#[repr(i32)]
pub enum Precision {
    /// 32 bits.
    #[default]
    #[enum_value(name = "Full: 32 bits, the same on every machine", nick = "full")]
    Full = 0,
    /// 16 bits.
    #[enum_value(name = "Half: 16 bits, faster where the device has it", nick = "half")]
    Half = 1,
}

/// Whether the state is moved along with the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstNcaFilterMotion")]
#[repr(i32)]
pub enum Motion {
    /// It is not.
    #[enum_value(name = "Off: the style stays where it is on the screen", nick = "off")]
    Off = 0,
    /// Along the optical flow.
    #[default]
    #[enum_value(name = "Flow: the style moves with the picture", nick = "flow")]
    Flow = 1,
}

/// How well motion is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstNcaFilterMotionQuality")]
#[repr(i32)]
pub enum MotionQuality {
    /// Quickly, and well enough for most video.
    #[default]
    #[enum_value(name = "Fast: well enough for most video", nick = "fast")]
    Fast = 0,
    /// Better.
    #[enum_value(name = "Balanced: four to five times the time", nick = "balanced")]
    Balanced = 1,
    /// As well as it can.
    #[enum_value(name = "Fine: about six times the time", nick = "fine")]
    Fine = 2,
}

/// Steps that mean "what the model says".
pub(super) const MODEL_STEPS: i32 = -1;

#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Path or name; `None`: the bundled default.
    pub(super) model: Option<String>,
    pub(super) backend: Backend,
    pub(super) device: Option<String>,
    pub(super) threads: u32,
    pub(super) precision: Precision,
    pub(super) steps: i32,
    pub(super) warmup: i32,
    pub(super) strength: f64,
    pub(super) scale: f64,
    pub(super) interval: u32,
    pub(super) seed: u64,
    pub(super) motion: Motion,
    pub(super) motion_quality: MotionQuality,
    pub(super) reset_on_cut: bool,
    pub(super) cut_threshold: f64,
    pub(super) stats_interval: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: None,
            backend: Backend::default(),
            device: None,
            threads: 0,
            precision: Precision::default(),
            steps: MODEL_STEPS,
            warmup: MODEL_STEPS,
            strength: 1.0,
            scale: 1.0,
            interval: 1,
            seed: 0,
            motion: Motion::default(),
            motion_quality: MotionQuality::default(),
            reset_on_cut: true,
            cut_threshold: DEFAULT_CUT_THRESHOLD,
            stats_interval: 0,
        }
    }
}

impl Settings {
    pub(super) fn selection(&self) -> Selection {
        Selection {
            backend: match self.backend {
                Backend::Auto => engine::Backend::Auto,
                Backend::Cpu => engine::Backend::Cpu,
                Backend::Cuda => engine::Backend::Cuda,
                Backend::Wgpu => engine::Backend::Wgpu,
            },
            device: self.device.clone(),
            threads: self.threads as usize,
            precision: match self.precision {
                Precision::Full => engine::Precision::Full,
                Precision::Half => engine::Precision::Half,
            },
        }
    }

    pub(super) fn options(&self) -> Options {
        Options {
            steps: u32::try_from(self.steps).ok(),
            warmup: u32::try_from(self.warmup).ok(),
            strength: self.strength as f32,
            scale: self.scale as f32,
            interval: self.interval,
            motion: match (self.motion, self.motion_quality) {
                (Motion::Off, _) => None,
                (Motion::Flow, MotionQuality::Fast) => Some(Quality::Fast),
                (Motion::Flow, MotionQuality::Balanced) => Some(Quality::Balanced),
                (Motion::Flow, MotionQuality::Fine) => Some(Quality::Fine),
            },
            cut_threshold: self.reset_on_cut.then_some(self.cut_threshold),
            seed: self.seed,
            ..Options::default()
        }
    }
}
