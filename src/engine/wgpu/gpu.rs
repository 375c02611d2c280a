//! An opened device.

use std::fmt::Display;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wgpu::{
    AdapterInfo, Buffer, BufferDescriptor, BufferUsages, BufferView, CommandEncoder, Device,
    DeviceDescriptor, ErrorFilter, Features, Limits, MapMode, PollType, Queue, SubmissionIndex,
    WriteOnly,
};

use super::super::{Backend, EngineError};
use super::adapter::{self, Adapters};

/// A device, its queue, and what went wrong with them.
///
/// Every engine opens one of its own: wgpu gives a device up that has run out of memory, and so does
/// many a driver, and nobody else's engine is to be lost by that.
pub(super) struct Gpu {
    pub(super) device: Device,
    pub(super) queue: Queue,
    pub(super) limits: Limits,
    title: String,
    fault: Arc<Mutex<Option<Fault>>>,
}

/// Why a device is not to be used any more.
#[derive(Clone, Debug)]
enum Fault {
    /// The driver has given it up.
    Lost(String),
    /// It refused what it was told to do, or had no memory for it.
    Failed(String),
}

impl Gpu {
    /// The device that is named by its index or a part of its name, else the first.
    pub(super) fn open(device: Option<&str>, adapters: Adapters) -> Result<Self, EngineError> {
        guarded(|| {
            let all = adapter::all();
            let infos: Vec<AdapterInfo> = all.iter().map(|adapter| adapter.get_info()).collect();
            let index = adapter::choose(&infos, device, adapters)?;
            Self::new(&all[index], &infos[index])
        })
    }

    fn new(adapter: &wgpu::Adapter, info: &AdapterInfo) -> Result<Self, EngineError> {
        let title = adapter::title(info);
        let limits = adapter.limits();
        let descriptor = DeviceDescriptor {
            required_features: adapter.features() & Features::SHADER_F16,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| failed(format!("{title} cannot be opened: {error}")))?;
        let fault = Arc::new(Mutex::new(None));
        let note = |fault: &Arc<Mutex<Option<Fault>>>| {
            let fault = fault.clone();
            // The first is the cause of the others.
            move |found: Fault| _ = lock(&fault).get_or_insert(found)
        };
        let lost = note(&fault);
        device.set_device_lost_callback(move |reason, message| {
            lost(Fault::Lost(match message.is_empty() {
                true => format!("{reason:?}"),
                false => message,
            }));
        });
        let uncaptured = note(&fault);
        device.on_uncaptured_error(Arc::new(move |error| {
            uncaptured(Fault::Failed(described(&error)));
        }));
        Ok(Self {
            device,
            queue,
            limits,
            title,
            fault,
        })
    }

    /// What people are shown.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Whether it only imitates a graphics processor in software.
    #[cfg(all(test, unix))]
    pub(super) fn is_software(&self) -> bool {
        self.device.adapter_info().device_type == wgpu::DeviceType::Cpu
    }

    /// Whether it computes with 16 bits.
    pub(super) fn has_half(&self) -> bool {
        self.device.features().contains(Features::SHADER_F16)
    }

    /// An error if anything went wrong since it was opened.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        match lock(&self.fault).clone() {
            None => Ok(()),
            Some(Fault::Lost(why)) => Err(EngineError::DeviceLost {
                device: self.title.clone(),
                why,
            }),
            Some(Fault::Failed(why)) => Err(failed(format!("{}: {why}", self.title))),
        }
    }

    /// Runs what makes buffers and kernels. What goes wrong in it is no fault of the device.
    pub(super) fn make<T>(
        &self,
        make: impl FnOnce() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        guarded(|| {
            let filters = [
                ErrorFilter::OutOfMemory,
                ErrorFilter::Validation,
                ErrorFilter::Internal,
            ];
            let scopes = filters.map(|filter| self.device.push_error_scope(filter));
            let made = make();
            // The last that was begun ends first: that of memory comes last.
            let errors = scopes
                .into_iter()
                .rev()
                .filter_map(|scope| pollster::block_on(scope.pop()))
                .collect::<Vec<_>>();
            self.check()?;
            // What has no memory is not valid either.
            match errors.last() {
                None => made,
                Some(error) => Err(failed(format!("{}: {}", self.title, described(error)))),
            }
        })
    }

    /// The error of something that this device did not do: what is behind it, or else `why`.
    pub(super) fn failed(&self, why: &dyn Display) -> EngineError {
        // Only who polls is told that the device was lost, and that may panic, being so.
        let _ = catch_unwind(AssertUnwindSafe(|| self.device.poll(PollType::Poll)));
        let error = failed(format!("{}: {why}", self.title));
        self.check().err().unwrap_or(error)
    }

    /// Writes all of a buffer, before what is handed over next.
    pub(super) fn write(
        &self,
        buffer: &Buffer,
        write: impl FnOnce(WriteOnly<'_, [u8]>),
    ) -> Result<(), EngineError> {
        self.write_start(buffer, buffer.size(), write)
    }

    /// Writes the first `bytes` of a buffer, before what is handed over next.
    pub(super) fn write_start(
        &self,
        buffer: &Buffer,
        bytes: u64,
        write: impl FnOnce(WriteOnly<'_, [u8]>),
    ) -> Result<(), EngineError> {
        let size = NonZero::new(bytes).expect("nothing is never written");
        match self.queue.write_buffer_with(buffer, 0, size) {
            Some(mut memory) => {
                write(memory.slice(..));
                Ok(())
            }
            None => Err(self.failed(&"there is no memory to write to")),
        }
    }

    /// A buffer with something in it, for kernels to read.
    pub(super) fn filled(&self, bytes: &[u8]) -> Buffer {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let buffer = self.buffer(bytes.len(), usage);
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// Memory on the device.
    pub(super) fn buffer(&self, bytes: usize, usage: BufferUsages) -> Buffer {
        self.device.create_buffer(&BufferDescriptor {
            label: None,
            size: bytes as u64,
            usage,
            mapped_at_creation: false,
        })
    }

    /// Hands commands over; they run in the order in which they come.
    pub(super) fn submit(&self, record: impl FnOnce(&mut CommandEncoder)) -> SubmissionIndex {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        record(&mut encoder);
        self.queue.submit([encoder.finish()])
    }

    /// What is in a buffer that can be read.
    pub(super) fn view(&self, buffer: &Buffer) -> Result<BufferView, EngineError> {
        buffer
            .get_mapped_range(..)
            .map_err(|error| self.failed(&error))
    }

    /// Waits until what was handed over as `last` has been done.
    pub(super) fn wait(&self, last: SubmissionIndex) -> Result<(), EngineError> {
        guarded(|| {
            // It panics where the device is lost.
            let waited = self.device.poll(PollType::Wait {
                submission_index: Some(last),
                timeout: None,
            });
            waited.map_err(|error| self.failed(&error))?;
            self.check()
        })
        .map_err(|error| self.check().err().unwrap_or(error))
    }

    /// Waits until what was handed over as `last` has been done, and `buffer` can be read.
    pub(super) fn map(&self, buffer: &Buffer, last: SubmissionIndex) -> Result<(), EngineError> {
        guarded(|| {
            buffer.map_async(MapMode::Read, .., |_| ());
            Ok(())
        })
        .map_err(|error| self.check().err().unwrap_or(error))?;
        self.wait(last)
    }
}

fn failed(why: String) -> EngineError {
    EngineError::Failed {
        backend: Backend::Wgpu.name(),
        why,
    }
}

/// An error of wgpu in one line.
fn described(error: &wgpu::Error) -> String {
    if let wgpu::Error::OutOfMemory { .. } = error {
        return "there is not enough memory; smaller states need less".into();
    }
    error
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Drivers that misbehave make wgpu panic in places; that is no reason to take anybody along.
fn guarded<T>(run: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(failed(message.unwrap_or("its driver misbehaved").into()))
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
