//! Processor or graphics card.

use libloading::Library;
use once_cell::sync::OnceCell;
use tch::{Cuda, Device};

use super::TrainError;

/// The device of this name: `cpu`, `cuda`, `cuda:1`, or `auto`, which is the first graphics card
/// where there is one.
pub fn device(name: &str) -> Result<Device, TrainError> {
    let refuse = |why: &str| {
        Err(TrainError::Device {
            name: name.into(),
            why: why.into(),
        })
    };
    match name {
        "cpu" => return Ok(Device::Cpu),
        "auto" if cuda_devices() == 0 => return Ok(Device::Cpu),
        "auto" | "cuda" => {}
        _ if name.starts_with("cuda:") => {}
        _ => return refuse("it can be auto, cpu, cuda or cuda:N"),
    }
    let index = match name.strip_prefix("cuda:").map(str::parse) {
        None => 0,
        Some(Ok(index)) => index,
        Some(Err(_)) => return refuse("after cuda: comes a number"),
    };
    match cuda_devices() {
        0 => refuse("libtorch finds no graphics card with a working CUDA driver"),
        n if index >= n => refuse(&format!("there are {n}, counted from 0")),
        _ => Ok(Device::Cuda(index)),
    }
}

fn cuda_devices() -> usize {
    // Nothing refers to it, so the linker leaves it out; it registers itself when it is loaded.
    // Where it cannot be loaded, there is no CUDA, which is what libtorch then says.
    static LIBRARY: OnceCell<Library> = OnceCell::new();
    // SAFETY: libtorch's own library, whose initialisers are made for being loaded.
    let _ = LIBRARY.get_or_try_init(|| unsafe { Library::new("libtorch_cuda.so") });
    if Cuda::is_available() {
        usize::try_from(Cuda::device_count()).unwrap_or(0)
    } else {
        0
    }
}
