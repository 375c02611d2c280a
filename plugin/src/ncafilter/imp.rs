//! What the element does; for now it lets frames pass.

use std::sync::LazyLock;

use gst::glib;
use gst::subclass::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::subclass::prelude::*;

#[derive(Default)]
pub struct NcaFilter;

#[glib::object_subclass]
impl ObjectSubclass for NcaFilter {
    const NAME: &'static str = "GstNcaFilter";
    type Type = super::NcaFilter;
    type ParentType = gst_video::VideoFilter;
}

impl ObjectImpl for NcaFilter {}

impl GstObjectImpl for NcaFilter {}

impl ElementImpl for NcaFilter {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Neural cellular automaton filter",
                "Filter/Effect/Video",
                "Restyles video with a trained neural cellular automaton",
                "The ncafilter authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst_video::VideoCapsBuilder::new().build();
            [gst::PadDirection::Sink, gst::PadDirection::Src]
                .into_iter()
                .map(|direction| {
                    let name = match direction {
                        gst::PadDirection::Sink => "sink",
                        _ => "src",
                    };
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).unwrap()
                })
                .collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for NcaFilter {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;
}

impl VideoFilterImpl for NcaFilter {
    fn transform_frame_ip(
        &self,
        _frame: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        Ok(gst::FlowSuccess::Ok)
    }
}
