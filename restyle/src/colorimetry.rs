//! What the numbers of a video mean as colours.

use std::str::FromStr;
use std::sync::Mutex;

use gst::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoColorimetry};

/// Whether decoded frames are Y'CbCr and not RGB or grey.
pub fn is_ycbcr(decoded: &gst::CapsRef) -> bool {
    gst_video::VideoInfo::from_caps(decoded).is_ok_and(|info| info.is_yuv())
}

/// The colorimetry to store for decoded frames: their own where they are Y'CbCr already, so that
/// the values come through as they are.
pub fn to_store(decoded: &gst::CapsRef) -> String {
    const OF_RGB: &str = "bt709";
    gst_video::VideoInfo::from_caps(decoded)
        .ok()
        .filter(gst_video::VideoInfo::is_yuv)
        .map_or_else(|| OF_RGB.to_owned(), |info| info.colorimetry().to_string())
}

/// Lets what H.264 and H.265 streams say themselves go before what the container says.
///
/// GStreamer has it the other way round, and its MP4 reader takes full range for limited: films
/// of many telephones would lose their darkest and lightest tones.
pub fn prefer_streams_own(decoder: &gst::Element) {
    let Some(bin) = decoder.downcast_ref::<gst::Bin>() else {
        return;
    };
    bin.connect_deep_element_added(|_, _, element| {
        let is_parser = element
            .factory()
            .is_some_and(|factory| matches!(factory.name().as_str(), "h264parse" | "h265parse"));
        let pads = element.static_pad("sink").zip(element.static_pad("src"));
        if let (true, Some((sink, src))) = (is_parser, pads) {
            prefer_between(&sink, &src);
        }
    });
}

fn prefer_between(sink: &gst::Pad, src: &gst::Pad) {
    let of_container = std::sync::Arc::new(Mutex::new(None));
    on_caps(sink, {
        let of_container = of_container.clone();
        move |caps| {
            let found = caps
                .structure(0)
                .and_then(|caps| caps.get::<String>("colorimetry").ok());
            if let Ok(mut of_container) = of_container.lock() {
                *of_container = found;
            }
            for structure in caps.iter_mut() {
                structure.remove_field("colorimetry");
            }
        }
    });
    on_caps(src, move |caps| {
        let of_container = of_container.lock().ok().and_then(|found| found.clone());
        for structure in caps.iter_mut() {
            let own = structure.get::<String>("colorimetry").ok();
            if let Some(colorimetry) = preferred(own, of_container.clone()) {
                structure.set("colorimetry", colorimetry);
            }
        }
    });
}

/// Changes the caps that pass a pad.
pub fn on_caps(pad: &gst::Pad, change: impl Fn(&mut gst::CapsRef) + Send + Sync + 'static) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &mut info.data
            && let gst::EventView::Caps(view) = event.view()
        {
            let mut caps = view.caps_owned();
            change(caps.make_mut());
            let changed = gst::event::Caps::builder(&caps).seqnum(event.seqnum());
            *event = changed.build();
        }
        gst::PadProbeReturn::Ok
    });
}

/// The stream's own colorimetry, filled up with the container's.
fn preferred(own: Option<String>, of_container: Option<String>) -> Option<String> {
    let Some(own) = own else { return of_container };
    let parsed = VideoColorimetry::from_str(&own).ok();
    let other = of_container.and_then(|text| VideoColorimetry::from_str(&text).ok());
    match (parsed, other) {
        (Some(parsed), Some(other))
            if parsed.matrix() == VideoColorMatrix::Unknown
                && parsed.range() != VideoColorRange::Unknown =>
        {
            let (matrix, transfer) = (other.matrix(), other.transfer());
            let filled = VideoColorimetry::new(parsed.range(), matrix, transfer, other.primaries());
            Some(filled.to_string())
        }
        _ => Some(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_goes_before_the_container() {
        gst::init().unwrap();
        for (own, container, expected) in [
            (None, None, None),
            (None, Some("bt601"), Some("bt601")),
            (Some("bt709"), None, Some("bt709")),
            (Some("1:4:16:4"), Some("bt601"), Some("1:4:16:4")),
            (Some("1:0:0:0"), Some("bt601"), Some("1:4:16:4")),
        ] {
            let text = |text: Option<&str>| text.map(str::to_owned);
            assert_eq!(preferred(text(own), text(container)), text(expected));
        }
    }
}
