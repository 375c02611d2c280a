//! GStreamer's presets. One test, as the folder that they are kept in is the process's.

mod common;

use common::*;
use gst::prelude::*;

#[test]
fn a_preset_keeps_all_settings() {
    let folder = tempfile::tempdir().unwrap();
    // SAFETY: no other thread of this process runs any code of ours, or reads the environment.
    unsafe { std::env::set_var("XDG_DATA_HOME", folder.path()) };
    init();
    let make = || gst::ElementFactory::make("ncafilter").build().unwrap();
    let element = make();
    let preset = element.dynamic_cast_ref::<gst::Preset>().unwrap();
    assert!(preset.preset_names().is_empty());
    let names = preset.property_names();
    assert!(names.iter().any(|name| name == "stroke"));
    // The values are what is kept, not the file that they came from.
    assert!(
        names
            .iter()
            .all(|name| name != "settings-file" && name != "stats"),
        "{names:?}"
    );

    element.set_property("stroke", 2.5);
    element.set_property("strength", 0.1);
    element.set_property("steps", 7);
    element.set_property("seed", u64::MAX);
    element.set_property("model", "wave");
    element.set_property_from_str("motion-quality", "fine");
    element.set_property("reset-on-cut", false);
    preset.save_preset("mine").unwrap();
    assert!(
        folder
            .path()
            .join("gstreamer-1.0/presets/GstNcaFilter.prs")
            .is_file()
    );

    let other = make();
    other.set_property("threads", 3u32);
    let preset = other.dynamic_cast_ref::<gst::Preset>().unwrap();
    assert_eq!(preset.preset_names(), ["mine"]);
    preset.load_preset("mine").unwrap();
    for name in names.iter().filter(|name| *name != "name") {
        let [kept, loaded] =
            [&element, &other].map(|element| element.property_value(name).serialize().ok());
        assert_eq!(loaded, kept, "{name}");
    }
    // GStreamer does not keep a text that is unset.
    assert_eq!(other.property::<Option<String>>("device"), None);
    other.set_property("device", "the second");
    preset.load_preset("mine").unwrap();
    assert_eq!(other.property::<String>("device"), "the second");
    preset.delete_preset("mine").unwrap();
    assert!(preset.preset_names().is_empty());
}
