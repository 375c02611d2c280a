//! Which engine is to be taken.

use crate::named::named;

/// Kinds of engines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// What [`Backend::Auto`] tries, the fastest first.
    pub(super) const AUTO: [Self; 3] = [Self::Cuda, Self::Wgpu, Self::Cpu];
}

named!(Backend, "backend", Auto: "auto", Cpu: "cpu", Cuda: "cuda", Wgpu: "wgpu");

/// What values and weights are rounded to where they are multiplied. The state is f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// 32 bits: nothing is rounded, and all engines agree.
    #[default]
    Full,
    /// 16 bits: faster where the device multiplies them faster. On processors that have it it is
    /// bf16 with sums in f32, on graphics processors f16 with the sums of a layer in f16 too; of the
    /// two, f16 errs less.
    Half,
}

named!(Precision, "precision", Full: "full", Half: "half");

/// Which engine to take.
///
/// ```
/// use nca::{Backend, Selection};
///
/// let mut selection = Selection::from(Backend::Cpu);
/// selection.threads = 4;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

impl From<Backend> for Selection {
    /// What a backend takes by itself.
    fn from(backend: Backend) -> Self {
        Self {
            backend,
            ..Self::default()
        }
    }
}
