//! GStreamer elements by name, and where to get those that are missing.

use anyhow::{Result, anyhow, bail};

/// Makes an element.
///
/// # Errors
/// When it is not installed: a sentence that says which package has it.
pub fn make(name: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(name)
        .build()
        .map_err(|_| missing(name))
}

/// Makes the first of several elements that is installed.
///
/// # Errors
/// When none is: a sentence that says which package has the first.
pub fn make_first(names: &[&str]) -> Result<gst::Element> {
    let installed = names.iter().copied().find(|name| exists(name));
    match (installed, names) {
        (Some(name), _) => make(name),
        (None, [preferred, ..]) => Err(missing(preferred)),
        (None, []) => bail!("no GStreamer element can do this"),
    }
}

/// Whether an element is installed.
pub fn exists(name: &str) -> bool {
    gst::ElementFactory::find(name).is_some()
}

fn missing(name: &str) -> anyhow::Error {
    match package(name) {
        Some(package) => anyhow!(
            "the GStreamer element {name} is missing; on Debian and Ubuntu the package {package} \
             has it"
        ),
        None => {
            anyhow!("there is no GStreamer element {name}; gst-inspect-1.0 lists those there are")
        }
    }
}

/// The Debian package that has an element.
fn package(name: &str) -> Option<&'static str> {
    const BASE: &str = "gstreamer1.0-plugins-base";
    const GOOD: &str = "gstreamer1.0-plugins-good";
    const BAD: &str = "gstreamer1.0-plugins-bad";
    const UGLY: &str = "gstreamer1.0-plugins-ugly";
    const LIBAV: &str = "gstreamer1.0-libav";
    Some(match name {
        "filesrc" | "filesink" | "queue" => "libgstreamer1.0-0",
        "decodebin" | "parsebin" | "videoconvert" | "videoscale" | "audioconvert"
        | "audioresample" | "appsrc" | "appsink" | "opusenc" | "vorbisenc" | "ssaparse" => BASE,
        "mp4mux" | "qtmux" | "matroskamux" | "webmmux" | "vp8enc" | "vp9enc" | "videoflip"
        | "deinterlace" | "aacparse" | "capssetter" => GOOD,
        "openh264enc" | "x265enc" | "av1enc" | "svtav1enc" | "voaacenc" | "fdkaacenc"
        | "h264parse" | "h265parse" | "av1parse" | "vp9parse" | "nvh264enc" | "nvh265enc"
        | "vah264enc" | "vah265enc" | "qsvh264enc" | "qsvh265enc" => BAD,
        "x264enc" => UGLY,
        "vaapih264enc" | "vaapih265enc" => "gstreamer1.0-vaapi",
        _ if name.starts_with("avenc_") => LIBAV,
        _ => return None,
    })
}
