//! The adapters that this machine has, and the choice among them.

use std::sync::OnceLock;

use wgpu::{Adapter, AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor};

use super::super::{Backend, EngineError};

/// Which adapters may be taken where none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adapters {
    /// Those that are hardware, and a renderer in software only where nothing else is there.
    All,
    /// Only those that are hardware.
    Hardware,
}

/// All adapters, in the order in which they are preferred.
pub(super) fn all() -> &'static [Adapter] {
    // Looked for once: loading all drivers takes a while, not every one can be unloaded cleanly,
    // and some complain on the standard error output each time that they are asked.
    static ADAPTERS: OnceLock<Vec<Adapter>> = OnceLock::new();
    ADAPTERS.get_or_init(|| {
        let backends = Backends::VULKAN | Backends::METAL | Backends::DX12;
        let mut descriptor = InstanceDescriptor::new_without_display_handle();
        descriptor.backends = backends;
        let instance = Instance::new(descriptor);
        let mut adapters = pollster::block_on(instance.enumerate_adapters(backends));
        adapters.sort_by_key(|adapter| rank(adapter.get_info().device_type));
        adapters
    })
}

fn rank(kind: DeviceType) -> u32 {
    match kind {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

/// What people are shown of an adapter.
pub(super) fn title(info: &AdapterInfo) -> String {
    format!("{} ({})", info.name, api(info.backend))
}

fn api(backend: wgpu::Backend) -> &'static str {
    match backend {
        wgpu::Backend::Vulkan => "Vulkan",
        wgpu::Backend::Metal => "Metal",
        wgpu::Backend::Dx12 => "Direct3D 12",
        _ => "another API",
    }
}

/// The index of the adapter to take: of the one that `device` names by its index or a part of its
/// name, else of the first.
pub(super) fn choose(
    infos: &[AdapterInfo],
    device: Option<&str>,
    adapters: Adapters,
) -> Result<usize, EngineError> {
    let chosen = match device {
        Some(device) => named(infos, device),
        None => infos.iter().position(|info| {
            adapters == Adapters::All
                || matches!(
                    info.device_type,
                    DeviceType::DiscreteGpu | DeviceType::IntegratedGpu | DeviceType::VirtualGpu
                )
        }),
    };
    chosen.ok_or_else(|| match device {
        Some(device) => EngineError::NoDevice {
            backend: Backend::Wgpu.name(),
            device: device.into(),
            available: listed(infos),
        },
        None => EngineError::Absent {
            backend: Backend::Wgpu.name(),
            why: match infos {
                [] => "there is no driver for Vulkan, Metal or Direct3D 12".into(),
                _ => format!("nothing is hardware here: {}", listed(infos)),
            },
        },
    })
}

fn named(infos: &[AdapterInfo], device: &str) -> Option<usize> {
    if let Ok(index) = device.parse::<usize>() {
        return (index < infos.len()).then_some(index);
    }
    let part = device.to_lowercase();
    let contains = |info: &AdapterInfo| title(info).to_lowercase().contains(&part);
    infos.iter().position(contains)
}

fn listed(infos: &[AdapterInfo]) -> String {
    if infos.is_empty() {
        return "it has none".into();
    }
    let titles = infos.iter().map(title).enumerate();
    let titles: Vec<String> = titles.map(|(i, title)| format!("{i}: {title}")).collect();
    format!("it has {}", titles.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, kind: DeviceType) -> AdapterInfo {
        let mut info = AdapterInfo::new(kind, wgpu::Backend::Vulkan);
        info.name = name.into();
        info
    }

    #[test]
    fn devices_are_chosen_by_index_or_name() {
        let infos = [
            info("NVIDIA GeForce RTX 3060", DeviceType::DiscreteGpu),
            info("Intel(R) UHD Graphics", DeviceType::IntegratedGpu),
            info("llvmpipe (LLVM 15)", DeviceType::Cpu),
        ];
        let choose = |device| choose(&infos, device, Adapters::Hardware);
        assert_eq!(choose(None).unwrap(), 0);
        assert_eq!(choose(Some("1")).unwrap(), 1);
        assert_eq!(choose(Some("uhd")).unwrap(), 1);
        assert_eq!(choose(Some("llvmpipe")).unwrap(), 2);
        let error = choose(Some("radeon")).unwrap_err().to_string();
        for name in ["radeon", "0: NVIDIA GeForce", "1: Intel", "2: llvmpipe"] {
            assert!(error.contains(name), "{error}");
        }
        assert!(choose(Some("3")).is_err());
    }

    #[test]
    fn software_is_taken_only_where_it_may_be() {
        let software = [info("llvmpipe", DeviceType::Cpu)];
        assert_eq!(choose(&software, None, Adapters::All).unwrap(), 0);
        let error = choose(&software, None, Adapters::Hardware).unwrap_err();
        assert!(matches!(error, EngineError::Absent { .. }), "{error}");
        let error = choose(&[], None, Adapters::All).unwrap_err();
        assert!(matches!(error, EngineError::Absent { .. }), "{error}");
        assert!(matches!(
            choose(&[], Some("0"), Adapters::All),
            Err(EngineError::NoDevice { .. })
        ));
    }
}
