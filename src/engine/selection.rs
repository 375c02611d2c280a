//! Which engine is to be taken.

/// Kinds of engines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The fastest that this machine has.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// NVIDIA's graphics processors, through their driver.
    Cuda,
    /// The graphics processor, through Vulkan, Metal or Direct3D 12.
    Wgpu,
}

impl Backend {
    /// All of them, with the names that people use.
    pub const NAMES: [(Self, &str); 4] = [
        (Self::Auto, "auto"),
        (Self::Cpu, "cpu"),
        (Self::Cuda, "cuda"),
        (Self::Wgpu, "wgpu"),
    ];

    /// What [`Backend::Auto`] tries, the fastest first.
    pub(super) const AUTO: [Self; 3] = [Self::Cuda, Self::Wgpu, Self::Cpu];

    /// The one that people call `name`.
    pub fn named(name: &str) -> Option<Self> {
        let mut named = Self::NAMES.iter().filter(|(_, known)| *known == name);
        named.next().map(|(backend, _)| *backend)
    }

    /// The name that people use.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(backend, _)| *backend == self)
            .map_or("auto", |(_, name)| name)
    }
}

/// What values and weights are rounded to where they are multiplied. The state is f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: nothing is rounded, and all engines agree.
    #[default]
    Full,
    /// 16 bits: faster where the device multiplies them faster. On processors that have it it is
    /// bf16 with sums in f32, on graphics processors f16 with the sums of a layer in f16 too; of the
    /// two, f16 errs less.
    Half,
}

/// Which engine to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The kind.
    pub backend: Backend,
    /// Which of several devices; what it means depends on the backend. None: the first.
    pub device: Option<String>,
    /// Threads of the cpu backend; 0: one for each core.
    pub threads: usize,
    /// How exactly it multiplies.
    pub precision: Precision,
}
