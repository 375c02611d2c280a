//! What the other packages of this project, its tests and its benchmarks share with the library. It is not
//! stable: any of it may change or go with every version, and nobody else is to use it.

pub use crate::engine::cpu::{CpuEngine, Isa};
#[cfg(feature = "cuda")]
pub use crate::engine::cuda::{CudaEngine, Driver};
pub use crate::replace::replace_file;
pub use crate::sentence::sentence;
pub use crate::source::{LUMA, SHIFTS, rolls};

/// Slope of the cubic convolution by which states are moved.
pub const SHARPNESS: f32 = crate::engine::SHARPNESS;

/// How far around cells that start anew the others take the steps of the warm-up with them.
pub const RING: usize = crate::engine::cpu::RING;

/// Files in the making: under a name of their own until they are whole, and gone when the program
/// is made to end before.
pub mod unfinished {
    pub use crate::unfinished::*;
}

/// Keeps Mesa's Vulkan drivers from looking for a Wayland session where nobody has logged in, that is,
/// where `XDG_RUNTIME_DIR` is not set: they would complain of it on stderr. For programs, at their start;
/// devices are found all the same.
///
/// # Safety
///
/// It sets an environment variable: no other thread may run yet.
pub unsafe fn look_for_no_session() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the caller has seen to it that nobody reads the environment meanwhile.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

/// A token that cancels itself when it has been asked `times` times, so that a test can count.
pub fn cancel_after(times: u32) -> crate::Cancel {
    crate::Cancel::after(times)
}
