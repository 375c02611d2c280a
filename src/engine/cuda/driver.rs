//! NVIDIA's driver, found when it is needed: nothing links to it.

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::mem::ManuallyDrop;
use std::sync::Arc;

use libloading::Library;
use once_cell::sync::OnceCell;

use super::{absent, failed};
use crate::engine::EngineError;

/// What the driver calls an address on the device.
pub(super) type Address = u64;

/// One of the driver's objects.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Handle(*mut c_void);

// SAFETY: the driver takes its objects from any thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// None yet.
    pub(super) const NULL: Self = Self(std::ptr::null_mut());
}

/// Where the driver's library is found.
const LIBRARY: &str = if cfg!(windows) {
    "nvcuda.dll"
} else {
    "libcuda.so.1"
};

/// The CUDA version that a driver must know for our PTX, as it says its own.
const NEEDED_VERSION: c_int = 12010;

macro_rules! functions {
    ($($name:ident = $symbol:literal ($($argument:ty),*);)*) => {
        /// The functions of the driver API that we call.
        #[derive(Debug)]
        #[allow(clippy::type_complexity, reason = "these are the driver's signatures")]
        pub(super) struct Functions {
            $(pub(super) $name: unsafe extern "system" fn($($argument),*) -> c_int,)*
        }

        impl Functions {
            fn load(library: &Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    $(
                        // SAFETY: the type is the one that the driver API documents for the name.
                        $name: *unsafe { library.get(concat!($symbol, "\0").as_bytes()) }?,
                    )*
                })
            }
        }
    };
}

functions! {
    init = "cuInit" (c_uint);
    driver_version = "cuDriverGetVersion" (*mut c_int);
    error_name = "cuGetErrorName" (c_int, *mut *const c_char);
    error_string = "cuGetErrorString" (c_int, *mut *const c_char);
    device_count = "cuDeviceGetCount" (*mut c_int);
    device_get = "cuDeviceGet" (*mut c_int, c_int);
    device_name = "cuDeviceGetName" (*mut c_char, c_int, c_int);
    device_attribute = "cuDeviceGetAttribute" (*mut c_int, c_int, c_int);
    context_retain = "cuDevicePrimaryCtxRetain" (*mut Handle, c_int);
    context_release = "cuDevicePrimaryCtxRelease_v2" (c_int);
    context_push = "cuCtxPushCurrent_v2" (Handle);
    context_pop = "cuCtxPopCurrent_v2" (*mut Handle);
    module_load = "cuModuleLoadDataEx" (*mut Handle, *const c_void, c_uint, *mut c_int, *mut *mut c_void);
    module_unload = "cuModuleUnload" (Handle);
    module_function = "cuModuleGetFunction" (*mut Handle, Handle, *const c_char);
    function_set_attribute = "cuFuncSetAttribute" (Handle, c_int, c_int);
    occupancy = "cuOccupancyMaxActiveBlocksPerMultiprocessor" (*mut c_int, Handle, c_int, usize);
    stream_create = "cuStreamCreate" (*mut Handle, c_uint);
    stream_destroy = "cuStreamDestroy_v2" (Handle);
    stream_synchronize = "cuStreamSynchronize" (Handle);
    begin_capture = "cuStreamBeginCapture_v2" (Handle, c_int);
    end_capture = "cuStreamEndCapture" (Handle, *mut Handle);
    graph_instantiate = "cuGraphInstantiateWithFlags" (*mut Handle, Handle, u64);
    graph_launch = "cuGraphLaunch" (Handle, Handle);
    graph_destroy = "cuGraphDestroy" (Handle);
    executable_destroy = "cuGraphExecDestroy" (Handle);
    event_create = "cuEventCreate" (*mut Handle, c_uint);
    event_destroy = "cuEventDestroy_v2" (Handle);
    event_record = "cuEventRecord" (Handle, Handle);
    event_synchronize = "cuEventSynchronize" (Handle);
    event_elapsed = "cuEventElapsedTime" (*mut f32, Handle, Handle);
    alloc = "cuMemAlloc_v2" (*mut Address, usize);
    free = "cuMemFree_v2" (Address);
    host_alloc = "cuMemHostAlloc" (*mut *mut c_void, usize, c_uint);
    host_free = "cuMemFreeHost" (*mut c_void);
    copy_to_device = "cuMemcpyHtoDAsync_v2" (Address, *const c_void, usize, Handle);
    copy_to_host = "cuMemcpyDtoHAsync_v2" (*mut c_void, Address, usize, Handle);
    set_words = "cuMemsetD32Async" (Address, c_uint, usize, Handle);
    launch = "cuLaunchKernel" (Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void);
}

/// What a call of the driver returned that was not success.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code(pub(super) c_int);

impl Code {
    const NO_DEVICE: c_int = 100;
    const SYSTEM_DRIVER_MISMATCH: c_int = 803;

    /// After these, nothing in the process can use the device's context any more.
    pub(super) fn is_loss(self) -> bool {
        // Deinitialised; uncorrectable ECC error; illegal address to assert and launch failure;
        // context destroyed; unknown.
        matches!(
            self.0,
            4 | 214 | 220 | 700 | 702 | 709 | 710 | 714..=719 | 999
        )
    }
}

/// The loaded driver. It stays loaded for the life of the process: NVIDIA's has threads and exit
/// handlers of its own, and does not bear being unloaded and loaded again.
#[derive(Debug)]
pub struct Driver {
    pub(super) functions: Functions,
}

impl Driver {
    /// The driver that this machine has. Once loaded it stays so until the process ends: it starts
    /// threads of its own, and is not made to be unloaded.
    pub fn system() -> Result<Arc<Self>, EngineError> {
        static LOADED: OnceCell<Arc<Driver>> = OnceCell::new();
        // SAFETY: what NVIDIA's driver does when it is loaded is what every CUDA program relies on.
        let loaded = LOADED.get_or_try_init(|| unsafe { Self::open(LIBRARY) });
        loaded.cloned()
    }

    /// The driver in the library at `path`: [`Driver::system`] finds the one that this machine
    /// has, tests bring their own.
    ///
    /// # Safety
    ///
    /// The library must do what the CUDA driver API says.
    pub unsafe fn open(path: impl AsRef<OsStr>) -> Result<Arc<Self>, EngineError> {
        let path = path.as_ref();
        // SAFETY: the caller says so.
        let library = unsafe { Library::new(path) }.map_err(|error| {
            absent(format!(
                "NVIDIA's driver is not installed: {} cannot be loaded ({error})",
                path.display()
            ))
        })?;
        let library = ManuallyDrop::new(library);
        let functions = Functions::load(&library).map_err(|error| {
            failed(format!(
                "NVIDIA's driver is too old, version 530 or newer is needed: {error}"
            ))
        })?;
        let driver = Self { functions };
        driver.start()?;
        Ok(Arc::new(driver))
    }

    fn start(&self) -> Result<(), EngineError> {
        // SAFETY: both may be called at any time; the version is written to a place of its type.
        let (code, version) = unsafe {
            let mut version = 0;
            let code = (self.functions.init)(0);
            (self.functions.driver_version)(&mut version);
            (code, version)
        };
        match code {
            0 if version < NEEDED_VERSION => Err(failed(format!(
                "NVIDIA's driver knows CUDA {}.{} only; CUDA {}.{} is needed, which driver 530 and \
                 newer know",
                version / 1000,
                version % 1000 / 10,
                NEEDED_VERSION / 1000,
                NEEDED_VERSION % 1000 / 10,
            ))),
            0 => Ok(()),
            Code::NO_DEVICE => Err(absent("there is no NVIDIA card".into())),
            Code::SYSTEM_DRIVER_MISMATCH => Err(failed(
                "NVIDIA's driver was updated and the machine not restarted since".into(),
            )),
            code => Err(failed(format!(
                "NVIDIA's driver does not start: {}",
                self.describe(Code(code))
            ))),
        }
    }

    /// What a code means: "out of memory (CUDA_ERROR_OUT_OF_MEMORY)".
    pub(super) fn describe(&self, code: Code) -> String {
        let text = |function: unsafe extern "system" fn(c_int, *mut *const c_char) -> c_int| {
            let mut text = std::ptr::null();
            // SAFETY: for known codes, the pointer is set to text that lives as long as the driver.
            unsafe {
                (function(code.0, &mut text) == 0 && !text.is_null())
                    .then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
            }
        };
        match (
            text(self.functions.error_string),
            text(self.functions.error_name),
        ) {
            (Some(string), Some(name)) => format!("{string} ({name})"),
            _ => format!("CUDA error {}", code.0),
        }
    }
}
