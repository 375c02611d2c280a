//! The plugin as GStreamer loads it: a shared library that needs nothing but GStreamer, GLib and
//! the C library.

use std::path::PathBuf;
use std::process::Command;

use gst::prelude::*;

/// The plugin that was built along with this test: beside it, as only `cargo build` puts it with
/// the programs.
fn plugin() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    let name = format!(
        "{}gstnca{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    folder.join(name)
}

#[test]
fn the_plugin_loads_and_makes_an_element() {
    gst::init().unwrap();
    let loaded = gst::Plugin::load_file(plugin()).unwrap();
    assert_eq!(loaded.plugin_name(), "nca");
    let factory = gst::ElementFactory::find("ncafilter").unwrap();
    assert_eq!(factory.metadata("klass"), Some("Filter/Effect/Video"));
    assert_eq!(factory.rank(), gst::Rank::NONE);
    let element = factory.create().build().unwrap();
    element.set_state(gst::State::Paused).unwrap();
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn the_plugin_needs_only_gstreamer_glib_and_the_c_library() {
    const ALLOWED: [&str; 10] = [
        "libgst",
        "libgobject-",
        "libglib-",
        "libgmodule-",
        "libgio-",
        "libc.",
        "libm.",
        "libgcc_s.",
        "ld-linux",
        "libpthread.",
    ];
    let Ok(output) = Command::new("readelf").arg("-d").arg(plugin()).output() else {
        println!("skipped: readelf (binutils) is not installed");
        return;
    };
    let output = String::from_utf8_lossy(&output.stdout);
    let needed: Vec<_> = output
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split_once('[')?.1.strip_suffix(']'))
        .collect();
    assert!(
        needed.iter().any(|name| name.starts_with("libgst")),
        "{needed:?}"
    );
    for name in needed {
        assert!(
            ALLOWED.iter().any(|allowed| name.starts_with(allowed)),
            "{name}"
        );
    }
}
