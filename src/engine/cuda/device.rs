//! A card: its properties, its context, and what is made in that. Everything is given back when it
//! is dropped.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use bytemuck::Pod;

use super::driver::{Address, Code, Driver, Functions, Handle};
use super::{BACKEND, absent};
use crate::engine::EngineError;

/// Threads that wait for the event sleep instead of spinning.
const EVENT_BLOCKING_SYNC: c_uint = 1;
/// The stream does not wait for the legacy default stream of others in this process.
const STREAM_NON_BLOCKING: c_uint = 1;
/// What other threads do does not disturb a capture.
const CAPTURE_THREAD_LOCAL: c_int = 1;
const MAX_DYNAMIC_SHARED_SIZE_BYTES: c_int = 8;
const JIT_ERROR_LOG_BUFFER: c_int = 5;
const JIT_ERROR_LOG_BUFFER_SIZE_BYTES: c_int = 6;

#[derive(Clone, Copy)]
enum Attribute {
    Multiprocessors = 16,
    CapabilityMajor = 75,
    CapabilityMinor = 76,
    SharedBytes = 97,
}

/// A card and its primary context, which is shared with others in this process.
#[derive(Debug)]
pub(super) struct Device {
    driver: Arc<Driver>,
    ordinal: c_int,
    context: Handle,
    pub(super) name: String,
    /// Compute capability, times ten.
    pub(super) capability: u32,
    pub(super) multiprocessors: u32,
    /// Most shared memory that a block can be given.
    pub(super) shared_bytes: usize,
}

impl Device {
    /// Opens the card that `wanted` is the number or a part of the name of; none: the first.
    pub(super) fn open(
        driver: Arc<Driver>,
        wanted: Option<&str>,
    ) -> Result<Arc<Self>, EngineError> {
        let mut count = 0;
        // SAFETY: the driver is initialised; the count is written to a place of its type.
        check(
            &driver,
            unsafe { (driver.functions.device_count)(&mut count) },
            || "count the cards".into(),
        )?;
        let names: Vec<String> = (0..count)
            .map(|ordinal| device_name(&driver, ordinal))
            .collect::<Result<_, _>>()?;
        let ordinal = match wanted {
            None if names.is_empty() => return Err(absent("there is no NVIDIA card".into())),
            None => 0,
            Some(wanted) => choose(&names, wanted).ok_or_else(|| EngineError::NoDevice {
                backend: BACKEND,
                device: wanted.into(),
                available: available(&names),
            })?,
        };
        let name = names[ordinal].clone();
        let ordinal = ordinal as c_int;
        let attribute = |attribute| {
            let mut value = 0;
            // SAFETY: the value is written to a place of its type.
            let code = unsafe {
                (driver.functions.device_attribute)(&mut value, attribute as c_int, ordinal)
            };
            check(&driver, code, || {
                format!("ask for the properties of {name}")
            })?;
            Ok::<_, EngineError>(value as u32)
        };
        let capability =
            10 * attribute(Attribute::CapabilityMajor)? + attribute(Attribute::CapabilityMinor)?;
        let multiprocessors = attribute(Attribute::Multiprocessors)?;
        let shared_bytes = attribute(Attribute::SharedBytes)? as usize;
        let mut context = Handle::NULL;
        // SAFETY: the context is written to a place of its type. Its flags are left alone: others in
        // this process use it, too.
        let code = unsafe { (driver.functions.context_retain)(&mut context, ordinal) };
        check(&driver, code, || format!("use {name}"))?;
        Ok(Arc::new(Self {
            driver,
            ordinal,
            context,
            name,
            capability,
            multiprocessors,
            shared_bytes,
        }))
    }

    fn functions(&self) -> &Functions {
        &self.driver.functions
    }

    /// Makes the context the current one of this thread until the guard is dropped: threads may
    /// have another one current, as when other libraries use CUDA too.
    fn enter(&self) -> Result<Current<'_>, EngineError> {
        // SAFETY: the context is retained.
        let code = unsafe { (self.functions().context_push)(self.context) };
        self.check(code, || "use the card's context".into())?;
        Ok(Current(self))
    }

    /// The error that a code stands for; `what` completes "could not ...".
    fn check(&self, code: c_int, what: impl FnOnce() -> String) -> Result<(), EngineError> {
        if Code(code).is_loss() {
            return Err(EngineError::DeviceLost {
                device: self.name.clone(),
                why: self.driver.describe(Code(code)),
            });
        }
        check(&self.driver, code, what)
    }

    /// Calls the driver with the context current; `what` completes "could not ...".
    fn call(
        &self,
        what: impl FnOnce() -> String,
        call: impl FnOnce(&Functions) -> c_int,
    ) -> Result<(), EngineError> {
        let _current = self.enter()?;
        self.check(call(self.functions()), what)
    }

    /// Calls the driver to give something back; there is nobody to tell if that fails.
    fn give_back(&self, call: impl FnOnce(&Functions) -> c_int) {
        if let Ok(_current) = self.enter() {
            call(self.functions());
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: it was retained once.
        unsafe { (self.functions().context_release)(self.ordinal) };
    }
}

struct Current<'a>(&'a Device);

impl Drop for Current<'_> {
    fn drop(&mut self) {
        let mut context = Handle::NULL;
        // SAFETY: the context is written to a place of its type.
        unsafe { (self.0.functions().context_pop)(&mut context) };
    }
}

fn check(driver: &Driver, code: c_int, what: impl FnOnce() -> String) -> Result<(), EngineError> {
    if code == 0 {
        return Ok(());
    }
    Err(EngineError::Failed {
        backend: BACKEND,
        why: format!("could not {}: {}", what(), driver.describe(Code(code))),
    })
}

fn device_name(driver: &Driver, ordinal: c_int) -> Result<String, EngineError> {
    let mut name = [0 as c_char; 256];
    let mut device = 0;
    // SAFETY: at most the given number of bytes is written.
    let code = unsafe {
        match (driver.functions.device_get)(&mut device, ordinal) {
            0 => (driver.functions.device_name)(name.as_mut_ptr(), name.len() as c_int - 1, device),
            code => code,
        }
    };
    check(driver, code, || {
        format!("ask for the name of card {ordinal}")
    })?;
    // SAFETY: the last byte is zero.
    Ok(unsafe { CStr::from_ptr(name.as_ptr()) }
        .to_string_lossy()
        .into_owned())
}

/// The number of the card that `wanted` means: a number or a part of the name in any case.
fn choose(names: &[String], wanted: &str) -> Option<usize> {
    match wanted.parse() {
        Ok(number) => Some(number).filter(|number| *number < names.len()),
        Err(_) => {
            let wanted = wanted.to_lowercase();
            names
                .iter()
                .position(|name| name.to_lowercase().contains(&wanted))
        }
    }
}

/// The cards, as a clause.
fn available(names: &[String]) -> String {
    if names.is_empty() {
        return "there is none".into();
    }
    let names: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(number, name)| format!("{number} ({name})"))
        .collect();
    format!("there are: {}", names.join(", "))
}

/// Compiled kernels.
#[derive(Debug)]
pub(super) struct Module {
    device: Arc<Device>,
    handle: Handle,
}

impl Module {
    /// Has the driver compile PTX.
    pub(super) fn load(device: &Arc<Device>, ptx: &CStr) -> Result<Self, EngineError> {
        let mut handle = Handle::NULL;
        let mut log = [0_u8; 2048];
        let mut options = [JIT_ERROR_LOG_BUFFER, JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        let mut values = [log.as_mut_ptr().cast::<c_void>(), log.len() as *mut c_void];
        let result = device.call(
            || "have the kernels compiled".into(),
            // SAFETY: the text ends with a zero; at most the given number of bytes is written to
            // the log, which outlives the call.
            |functions| unsafe {
                (functions.module_load)(
                    &mut handle,
                    ptx.as_ptr().cast(),
                    options.len() as c_uint,
                    options.as_mut_ptr(),
                    values.as_mut_ptr(),
                )
            },
        );
        result.map_err(|error| match error {
            EngineError::Failed { backend, why } => {
                let log = CStr::from_bytes_until_nul(&log).unwrap_or_default();
                let log = log.to_string_lossy();
                EngineError::Failed {
                    backend,
                    why: format!("{why}: {}", log.trim()),
                }
            }
            error => error,
        })?;
        Ok(Self {
            device: device.clone(),
            handle,
        })
    }

    /// The kernel of this name.
    pub(super) fn kernel(self: &Arc<Self>, name: &CStr) -> Result<Kernel, EngineError> {
        let mut handle = Handle::NULL;
        self.device.call(
            || format!("find the kernel {}", name.to_string_lossy()),
            // SAFETY: the handle is written to a place of its type.
            |functions| unsafe {
                (functions.module_function)(&mut handle, self.handle, name.as_ptr())
            },
        )?;
        Ok(Kernel {
            module: self.clone(),
            handle,
        })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: nothing that is left uses it.
        self.device
            .give_back(|functions| unsafe { (functions.module_unload)(self.handle) });
    }
}

/// A compiled kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    module: Arc<Module>,
    handle: Handle,
}

impl Kernel {
    /// Allows blocks to be launched with so much shared memory.
    pub(super) fn allow_shared(&self, bytes: usize) -> Result<(), EngineError> {
        self.module.device.call(
            || format!("give blocks {bytes} bytes of shared memory"),
            // SAFETY: the kernel is loaded.
            |functions| unsafe {
                (functions.function_set_attribute)(
                    self.handle,
                    MAX_DYNAMIC_SHARED_SIZE_BYTES,
                    bytes as c_int,
                )
            },
        )
    }

    /// Blocks that run on a multiprocessor at a time.
    pub(super) fn occupancy(&self, threads: u32, shared: usize) -> Result<u32, EngineError> {
        let mut blocks = 0;
        self.module.device.call(
            || "ask how many blocks fit".into(),
            // SAFETY: the number is written to a place of its type.
            |functions| unsafe {
                (functions.occupancy)(&mut blocks, self.handle, threads as c_int, shared)
            },
        )?;
        Ok(blocks as u32)
    }
}

/// How a kernel is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) blocks: [u32; 2],
    pub(super) threads: [u32; 2],
    pub(super) shared: usize,
}

/// Memory on the card. Its contents begin undefined.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    device: Arc<Device>,
    address: Address,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// Memory for `len` values, at least one.
    pub(super) fn new(device: &Arc<Device>, len: usize) -> Result<Self, EngineError> {
        let bytes = len.max(1) * size_of::<T>();
        let mut address = 0;
        device.call(
            || {
                format!(
                    "take {} MB of the memory of {}",
                    bytes.div_ceil(1_000_000),
                    device.name
                )
            },
            // SAFETY: the address is written to a place of its type.
            |functions| unsafe { (functions.alloc)(&mut address, bytes) },
        )?;
        Ok(Self {
            device: device.clone(),
            address,
            len,
            of: PhantomData,
        })
    }

    pub(super) fn address(&self) -> Address {
        self.address
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        // SAFETY: it was allocated; the driver waits for what still uses it.
        self.device
            .give_back(|functions| unsafe { (functions.free)(self.address) });
    }
}

/// Memory of this machine that the card reads and writes itself.
#[derive(Debug)]
pub(super) struct Pinned<T> {
    device: Arc<Device>,
    values: NonNull<T>,
    len: usize,
}

// SAFETY: it is owned memory.
unsafe impl<T: Send> Send for Pinned<T> {}

impl<T: Pod> Pinned<T> {
    /// `len` zeros.
    pub(super) fn zeros(device: &Arc<Device>, len: usize) -> Result<Self, EngineError> {
        let bytes = len.max(1) * size_of::<T>();
        let mut memory = null_mut();
        device.call(
            || format!("take {} MB of pinned memory", bytes.div_ceil(1_000_000)),
            // SAFETY: the address is written to a place of its type.
            |functions| unsafe { (functions.host_alloc)(&mut memory, bytes, 0) },
        )?;
        let values = NonNull::new(memory.cast::<T>()).ok_or_else(|| EngineError::Failed {
            backend: BACKEND,
            why: "there is no pinned memory".into(),
        })?;
        // SAFETY: the memory is as long as this and aligned to a page.
        unsafe { values.as_ptr().write_bytes(0, len.max(1)) };
        Ok(Self {
            device: device.clone(),
            values,
            len,
        })
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        // SAFETY: it was allocated; the driver waits for what still uses it.
        self.device
            .give_back(|functions| unsafe { (functions.host_free)(self.values.as_ptr().cast()) });
    }
}

impl<T> Deref for Pinned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` values are there, and all bits are values of `T`.
        unsafe { std::slice::from_raw_parts(self.values.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for Pinned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.values.as_ptr(), self.len) }
    }
}

/// A point in a stream that can be waited for.
#[derive(Debug)]
pub(super) struct Event {
    device: Arc<Device>,
    handle: Handle,
}

impl Event {
    pub(super) fn new(device: &Arc<Device>) -> Result<Self, EngineError> {
        let mut handle = Handle::NULL;
        device.call(
            || "make an event".into(),
            // SAFETY: the handle is written to a place of its type.
            |functions| unsafe { (functions.event_create)(&mut handle, EVENT_BLOCKING_SYNC) },
        )?;
        Ok(Self {
            device: device.clone(),
            handle,
        })
    }

    /// Waits until all is done that was in the stream when this was last recorded.
    pub(super) fn wait(&self) -> Result<(), EngineError> {
        self.device.call(
            || "wait for the card".into(),
            // SAFETY: the event is there.
            |functions| unsafe { (functions.event_synchronize)(self.handle) },
        )
    }

    /// Milliseconds between two events, both of which have been waited for.
    pub(super) fn ms_since(&self, earlier: &Self) -> Result<f32, EngineError> {
        let mut ms = 0.0;
        self.device.call(
            || "ask for the time".into(),
            // SAFETY: the time is written to a place of its type.
            |functions| unsafe { (functions.event_elapsed)(&mut ms, earlier.handle, self.handle) },
        )?;
        Ok(ms)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is there.
        self.device
            .give_back(|functions| unsafe { (functions.event_destroy)(self.handle) });
    }
}

/// What the card does, one after the other.
#[derive(Debug)]
pub(super) struct Stream {
    device: Arc<Device>,
    /// What is waited for: threads that wait for a stream itself spin, unless the flags of the
    /// context say otherwise, which are not ours.
    end: Event,
    handle: Handle,
}

impl Stream {
    pub(super) fn new(device: &Arc<Device>) -> Result<Self, EngineError> {
        let end = Event::new(device)?;
        let mut handle = Handle::NULL;
        device.call(
            || "make a stream".into(),
            // SAFETY: the handle is written to a place of its type.
            |functions| unsafe { (functions.stream_create)(&mut handle, STREAM_NON_BLOCKING) },
        )?;
        Ok(Self {
            device: device.clone(),
            end,
            handle,
        })
    }

    /// Launches a kernel, which takes one structure.
    ///
    /// # Safety
    ///
    /// `parameters` must be what the kernel takes, and the memory that it points to must live until
    /// the kernel is done.
    pub(super) unsafe fn launch<P: Copy>(
        &self,
        kernel: &Kernel,
        launch: Launch,
        parameters: &P,
    ) -> Result<(), EngineError> {
        let Launch {
            blocks: [columns, rows],
            threads: [width, height],
            shared,
        } = launch;
        let mut parameters = [std::ptr::from_ref(parameters).cast_mut().cast::<c_void>()];
        self.device.call(
            || "launch a kernel".into(),
            // SAFETY: the driver copies the parameters; the caller vouches for them.
            |functions| unsafe {
                (functions.launch)(
                    kernel.handle,
                    columns,
                    rows,
                    1,
                    width,
                    height,
                    1,
                    shared as c_uint,
                    self.handle,
                    parameters.as_mut_ptr(),
                    null_mut(),
                )
            },
        )
    }

    /// Copies values to the card, where they are from the next kernel on.
    ///
    /// # Safety
    ///
    /// `from` must live and not change until that is done.
    pub(super) unsafe fn upload<T: Pod>(
        &self,
        from: &[T],
        to: &Buffer<T>,
    ) -> Result<(), EngineError> {
        assert!(from.len() <= to.len, "the buffer is too short");
        if from.is_empty() {
            return Ok(());
        }
        self.device.call(
            || "copy to the card".into(),
            // SAFETY: the buffer is long enough; the caller vouches for the source.
            |functions| unsafe {
                (functions.copy_to_device)(
                    to.address,
                    from.as_ptr().cast(),
                    size_of_val(from),
                    self.handle,
                )
            },
        )
    }

    /// Copies values from the card; they are there when the stream has been waited for.
    ///
    /// # Safety
    ///
    /// `to` must live, and not be looked at, until that is done.
    pub(super) unsafe fn download<T: Pod>(
        &self,
        from: &Buffer<T>,
        to: &mut [T],
    ) -> Result<(), EngineError> {
        assert!(to.len() <= from.len, "the buffer is too short");
        self.device.call(
            || "copy from the card".into(),
            // SAFETY: the buffer is long enough; the caller vouches for the target.
            |functions| unsafe {
                (functions.copy_to_host)(
                    to.as_mut_ptr().cast(),
                    from.address,
                    size_of_val(to),
                    self.handle,
                )
            },
        )
    }

    /// Sets all bits of a buffer to zero.
    pub(super) fn zero<T: Pod>(&self, buffer: &Buffer<T>) -> Result<(), EngineError> {
        let words = buffer.len * size_of::<T>() / 4;
        self.device.call(
            || "fill memory".into(),
            // SAFETY: the buffer is as long as this.
            |functions| unsafe { (functions.set_words)(buffer.address, 0, words, self.handle) },
        )
    }

    /// Marks this point.
    pub(super) fn record(&self, event: &Event) -> Result<(), EngineError> {
        self.device.call(
            || "mark a point in a stream".into(),
            // SAFETY: both are there.
            |functions| unsafe { (functions.event_record)(event.handle, self.handle) },
        )
    }

    /// Waits until all is done.
    pub(super) fn wait(&self) -> Result<(), EngineError> {
        self.record(&self.end)?;
        self.end.wait()
    }

    /// Makes a graph of what `f` puts into the stream, none of which is done now.
    pub(super) fn capture(
        &self,
        f: impl FnOnce(&Self) -> Result<(), EngineError>,
    ) -> Result<Graph, EngineError> {
        self.device.call(
            || "begin a graph".into(),
            // SAFETY: the stream is there.
            |functions| unsafe { (functions.begin_capture)(self.handle, CAPTURE_THREAD_LOCAL) },
        )?;
        let put = f(self);
        let mut graph = Handle::NULL;
        let ended = self.device.call(
            || "end a graph".into(),
            // SAFETY: the graph is written to a place of its type.
            |functions| unsafe { (functions.end_capture)(self.handle, &mut graph) },
        );
        put.and(ended)?;
        let mut handle = Handle::NULL;
        let made = self.device.call(
            || "make a graph".into(),
            // SAFETY: the graph has been captured; the executable one is written to a place of its
            // type and does not need the other any more.
            |functions| unsafe {
                let code = (functions.graph_instantiate)(&mut handle, graph, 0);
                (functions.graph_destroy)(graph);
                code
            },
        );
        made.map(|()| Graph {
            device: self.device.clone(),
            handle,
        })
    }

    /// Does what a graph holds.
    pub(super) fn run(&self, graph: &Graph) -> Result<(), EngineError> {
        self.device.call(
            || "launch a graph".into(),
            // SAFETY: both are there.
            |functions| unsafe { (functions.graph_launch)(graph.handle, self.handle) },
        )
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the stream is there; what is in it uses memory that may be given back next.
        self.device.give_back(|functions| unsafe {
            (functions.stream_synchronize)(self.handle);
            (functions.stream_destroy)(self.handle)
        });
    }
}

/// Work that is launched at once.
#[derive(Debug)]
pub(super) struct Graph {
    device: Arc<Device>,
    handle: Handle,
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: the graph is there; the driver waits for what still uses it.
        self.device
            .give_back(|functions| unsafe { (functions.executable_destroy)(self.handle) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_chosen_by_number_or_name() {
        let names = ["NVIDIA A100", "NVIDIA H100 80GB HBM3"].map(String::from);
        assert_eq!(choose(&names, "0"), Some(0));
        assert_eq!(choose(&names, "1"), Some(1));
        assert_eq!(choose(&names, "2"), None);
        assert_eq!(choose(&names, "h100"), Some(1));
        assert_eq!(choose(&names, "T4"), None);
        assert_eq!(
            available(&names),
            "there are: 0 (NVIDIA A100), 1 (NVIDIA H100 80GB HBM3)"
        );
        assert_eq!(available(&[]), "there is none");
    }
}
